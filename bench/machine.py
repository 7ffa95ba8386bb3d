"""Says where a measurement was made: machine, disk, commit, versions. Never a path or a name."""

import os
import platform
import re
import subprocess
from pathlib import Path

from bench.errors import NotMeasured
from bench.peers.orthanc import BINARY as ORTHANC
from bench.peers.orthanc import orthanc_version
from bench.senders.storescu import storescu_version
from ingestion.embedded.postgres_binaries import choose_identity, postgres_binaries, version

ROOT = Path(__file__).parents[1]
GIB = 1 << 30


def describe_machine(folder: Path) -> dict[str, str]:
    """What a reader needs to judge the figures, by name; `folder` is where files were written."""
    return {
        "processor": _first(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo")),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / GIB:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "file system": _run("stat", "-f", "-c", "%T", str(folder)),
        "Python": platform.python_version(),
        "PostgreSQL": _postgres_version(folder),
        "Orthanc": orthanc_version() if ORTHANC.exists() else "not installed",
        "DCMTK": _sender_version(),
        "commit": _run("git", "rev-parse", "HEAD") + _uncommitted(),
    }


def _uncommitted() -> str:
    changed = _run("git", "status", "--porcelain", "--untracked-files=no")
    return ", with uncommitted changes" if changed else ""


def _postgres_version(folder: Path) -> str:
    binaries = postgres_binaries()
    return str(version(binaries, identity=choose_identity(binaries, folder=folder)))


def _sender_version() -> str:
    try:
        return storescu_version()
    except NotMeasured:
        return "not installed"


def _first(pattern: str, file: Path) -> str:
    found = re.search(pattern, file.read_text("utf-8")) if file.exists() else None
    return found[1] if found else "unknown"


def _run(*command: str) -> str:
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip()
