"""Processor time, memory, threads and files of processes and their descendants, from Linux's /proc.

Source: proc(5), fields 14 to 17 of stat, `VmHWM` of status, `5` written to clear_refs.
Memory that processes share (PostgreSQL's buffers) counts in each of them.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
RESET_PEAK = "5"
KIB_PER_MB = 1000 * 1000 / 1024
# A word of the command line → the name in the report. The first that fits counts.
NAMES = (
    ("postgres", "PostgreSQL"),
    ("valkey", "Valkey"),
    ("gunicorn", "web"),
    ("dimse", "DIMSE service"),
    (" beat ", "beat"),
    (" flower ", "Flower"),
    ("celery", "Celery worker"),
    ("ingestion.embedded", "supervisor"),
)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What processes hold together: threads, open files, resident memory."""

    threads: int
    files: int
    megabytes: float


def holdings_of(pid: int, *, name: str) -> Holdings:
    """What the processes of a kind hold, among the process and its descendants."""
    members = [member for member in family_of(pid) if _name(member) == name]
    return Holdings(
        threads=int(sum(_status(member, r"Threads:\s+(\d+)") for member in members)),
        files=sum(len(list(PROC.joinpath(str(member), "fd").iterdir())) for member in members),
        megabytes=sum(_status(member, r"VmRSS:\s+(\d+) kB") for member in members) / KIB_PER_MB,
    )


def processor_seconds(pids: Iterable[int]) -> float:
    """What the processes, their descendants and those of them that ended have used so far."""
    ticks = 0
    for pid in pids:
        for member in family_of(pid):
            fields = _read(member, "stat").rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def reset_peaks(pid: int) -> None:
    """Let peaks count from now on, for the process and what it started."""
    for member in family_of(pid):
        try:
            PROC.joinpath(str(member), "clear_refs").write_text(RESET_PEAK, "ascii")
        except OSError:  # it just ended, or is another user's: its peak counts from its start
            continue


def peak_megabytes(pid: int) -> dict[str, float]:
    """The highest peak among processes of each kind, by name, in MB."""
    peaks: dict[str, float] = {}
    for member in family_of(pid):
        name, peak = _name(member), _status(member, r"VmHWM:\s+(\d+) kB") / KIB_PER_MB
        peaks[name] = max(peak, peaks.get(name, 0.0))
    return peaks


def peaks_together(pid: int, *, name: str) -> float:
    """The sum of the peaks of the processes of a kind, in MB."""
    members = [member for member in family_of(pid) if _name(member) == name]
    return sum(_status(member, r"VmHWM:\s+(\d+) kB") for member in members) / KIB_PER_MB


def family_of(pid: int) -> list[int]:
    """The process and all its descendants that live."""
    parents = {}
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            text = stat.read_text("utf-8", errors="replace")
        except OSError:  # it just ended
            continue
        parents[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1])
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _name(pid: int) -> str:
    words = _read(pid, "cmdline").replace("\0", " ")
    return next((name for word, name in NAMES if word in words), "other")


def _status(pid: int, pattern: str) -> float:
    """A number of /proc/pid/status; 0 when the process just ended."""
    found = re.search(pattern, _read(pid, "status"))
    return float(found[1]) if found else 0.0


def _read(pid: int, name: str) -> str:
    try:
        return PROC.joinpath(str(pid), name).read_text("utf-8", errors="replace")
    except OSError:  # it just ended
        return ""
