"""A private server of ours: its URL, its process, and how it is stopped."""

import secrets
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ingestion.embedded.processes import send_signal, wait_until
from ingestion.errors import Unavailable

LOG_TAIL_LINES = 15
START_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A started server that accepts connections at `url` (which holds its password)."""

    name: str
    url: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path
    stop_signals: tuple[signal.Signals, ...]

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.process.pid

    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process.poll() is None

    def stop(self, *, within_seconds: float = 15.0) -> None:
        """Stop it, politely first, for certain at last. Repeats are harmless.

        `within_seconds` bounds the wait after each signal.
        """
        for number in (*self.stop_signals, signal.SIGKILL):
            if not self.is_running():
                return
            send_signal(self.pid, number)
            wait_until(lambda: not self.is_running(), within_seconds=within_seconds)


def own_password(folder: Path) -> str:
    """The password kept with a server's data; made on first use, mode 0600."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "password"
    if not file.exists():
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text("ascii")


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read; whole or not at all."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text, "utf-8")
    draft.replace(file)


def tail(log: Path) -> str:
    """The last lines of a log, indented for a message."""
    lines = log.read_text("utf-8", errors="replace").splitlines() if log.exists() else []
    return "".join(f"\n    {line}" for line in lines[-LOG_TAIL_LINES:])


def failure(name: str, log: Path) -> Unavailable:
    """The error of a server that did not come up, with the end of its log."""
    return Unavailable(f"{name} did not start; the end of {log}:{tail(log)}")
