"""Child processes: starting them on a leash, knowing them again, ending them for certain.

A process is known by pid and start time together, since the system gives pids out again.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
PROC = Path("/proc")
EVERY_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """What tells one process from every other, past and future."""

    pid: int
    started: str


class Identity(StrEnum):
    """Who runs a command; `leash.py` explains."""

    OURSELVES = "same"
    IN_A_NAMESPACE = "namespace"
    AS_NOBODY = "nobody"


def start_process(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    output: int | IO[bytes],
    death_signal: signal.Signals = signal.SIGTERM,
    identity: Identity = Identity.OURSELVES,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own that gets `death_signal` if we die.

    Call from the main thread: Linux counts the end of the starting thread as a death.
    """
    return subprocess.Popen(
        [*leash(death_signal, identity=identity), *command],
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def leash(
    death_signal: signal.Signals = signal.SIGTERM, *, identity: Identity = Identity.OURSELVES
) -> list[str]:
    """Words before a command that make it somebody, and signal it when this process dies."""
    return [
        *(sys.executable, "-I", "-S", str(HERE / "leash.py")),
        *(death_signal.name, str(os.getpid()), identity),
    ]


def mark_of(pid: int) -> ProcessMark | None:
    """What identifies the living process of this pid; None if there is none."""
    if PROC.joinpath("self", "stat").exists():
        return _mark_from_proc(pid)
    return _mark_from_ps(pid)


def is_alive(mark: ProcessMark) -> bool:
    """Whether exactly this process still runs (a zombie does not)."""
    return mark_of(mark.pid) == mark


def wait_until(condition: Callable[[], bool], *, within_seconds: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(EVERY_SECONDS)
    return True


def end_processes(
    marks: Iterable[ProcessMark],
    *,
    signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGKILL),
    within_seconds: float = 10.0,
) -> int:
    """End exactly these processes, and say how many still lived.

    Each signal goes in turn to whoever is left; `within_seconds` bounds the wait after each.
    """
    left = [mark for mark in marks if is_alive(mark)]
    living = len(left)
    for number in signals:
        for mark in left:
            send_signal(mark.pid, number)
        wait_until(partial(_all_ended, left), within_seconds=within_seconds)
        left = [mark for mark in left if is_alive(mark)]
    return living


def send_signal(pid: int, number: signal.Signals, *, whole_group: bool = False) -> None:
    """Send a signal to a process, or to the group it leads; nothing if it is gone."""
    try:
        if whole_group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return


def processes_marked_with(variable: str, value: str) -> list[ProcessMark]:
    """Living processes that were started with this environment variable (Linux only)."""
    entry = f"{variable}={value}".encode()
    found = []
    for folder in PROC.glob("[0-9]*"):
        try:
            is_marked = entry in folder.joinpath("environ").read_bytes().split(b"\0")
        except OSError:  # another user's process, or one that just ended
            continue
        mark = mark_of(int(folder.name)) if is_marked else None
        if mark is not None and mark.pid != os.getpid():
            found.append(mark)
    return found


def _all_ended(marks: Iterable[ProcessMark]) -> bool:
    return not any(map(is_alive, marks))


def _mark_from_proc(pid: int) -> ProcessMark | None:
    try:
        stat = PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    # proc(5): field 3 is the state, field 22 the start time in ticks since boot.
    return None if state in "ZX" else ProcessMark(pid, fields[18])


def _mark_from_ps(pid: int) -> ProcessMark | None:
    listing = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607  # wherever the system has it
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    state, _, started = listing.partition(" ")
    return ProcessMark(pid, started.strip()) if state and not state.startswith("Z") else None
