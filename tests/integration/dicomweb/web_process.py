"""The web as the product serves it: gunicorn in a process of its own, on a free port."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from tests.eventually import eventually
from tests.free_ports import free_port

REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class RunningWeb:
    """A server: where it listens, which process is its master, and what all of them wrote."""

    url: str
    pid: int
    log: Path

    def peak_bytes(self) -> int:
        """The largest resident memory that any of its workers ever had."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        statuses = [Path(f"/proc/{child}/status").read_text() for child in children]
        peaks = [line for text in statuses for line in text.splitlines() if "VmHWM" in line]
        return max(int(line.split()[1]) for line in peaks) * 1024


@contextmanager
def running_web(folder: Path, *arguments: str) -> Iterator[RunningWeb]:
    """Serve the test's database; ends the process it started. `arguments` go to gunicorn."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    log = folder / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "gunicorn", "ingestion.wsgi:application"),
                *("-c", "python:ingestion.embedded.gunicorn_settings"),
                *("--bind", f"127.0.0.1:{port}"),
                *arguments,
            ],
            cwd=REPOSITORY,
            env=os.environ | {"INGESTION_DATABASE_URL": _database_url()},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            eventually(lambda: _is_up(base), within_seconds=60)
            yield RunningWeb(base, process.pid, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _database_url() -> str:
    """The environment's server with the database that pytest-django made."""
    url = urlsplit(os.environ["INGESTION_DATABASE_URL"])
    return url._replace(path=f"/{settings.DATABASES['default']['NAME']}").geturl()


def _is_up(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/health/live", timeout=60) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False
