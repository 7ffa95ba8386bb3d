"""Real workers, as child processes on the test's own database."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from ingestion.embedded.processes import send_signal
from ingestion.embedded.servers import Server
from ingestion.embedded.valkey import start_valkey
from tests.eventually import eventually
from tests.http_receiver import HttpReceiver

SWEEP_SECONDS = 0.5
ROOT = Path(__file__).parents[3]

StartCelery = Callable[..., "CeleryProcess"]


class CeleryProcess:
    """A worker or a beat, in a process group of its own, with its log in a file."""

    def __init__(self, *words: str, broker_url: str, log: Path) -> None:
        self.log = log
        database = urlsplit(settings.ENVIRONMENT.database_url.get_secret_value())
        environment = {
            **os.environ,
            "INGESTION_DATABASE_URL": database._replace(
                path=f"/{connection.settings_dict['NAME']}"
            ).geturl(),
            "INGESTION_BROKER_URL": broker_url,
            "INGESTION_SWEEP_SECONDS": str(SWEEP_SECONDS),
            "INGESTION_OUTBOUND_ALLOW_PRIVATE_ADDRESSES": "true",
        }
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "workers", *words],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_logged(self, text: str) -> None:
        """Return when the log holds the text."""
        eventually(lambda: text in self.log.read_text(errors="replace"), within_seconds=60)

    def kill(self) -> None:
        """End the process and its children at once, as a power cut would."""
        send_signal(self.process.pid, signal.SIGKILL, whole_group=True)
        self.process.wait(60)


@pytest.fixture
def start_celery(transactional_db: None, tmp_path: Path) -> Iterator[StartCelery]:
    """Starts workers and beats; all end with the test, before the database is emptied."""
    with ExitStack() as started:

        def start(*words: str, broker_url: str) -> CeleryProcess:
            log = tmp_path / f"{words[0]}-{len(list(tmp_path.iterdir()))}.log"
            child = CeleryProcess(*words, broker_url=broker_url, log=log)
            started.callback(child.kill)
            return child

        yield start


@pytest.fixture
def start_worker(start_celery: StartCelery) -> StartCelery:
    """Starts a worker for all queues and returns when it takes work."""

    def start(*, broker_url: str) -> CeleryProcess:
        queues = "ingest,revisions,deliver,housekeeping"
        worker = start_celery("worker", "-E", "-Q", queues, "-c", "2", broker_url=broker_url)
        worker.wait_until_logged("worker ready")
        return worker

    return start


@pytest.fixture
def broker_url() -> str:
    """The broker that this process's wake-ups go to."""
    return str(settings.ENVIRONMENT.broker_url.get_secret_value())


@contextmanager
def private_broker(folder: Path, *, port: int | None = None) -> Iterator[Server]:
    """A Valkey of the test's own, which forgets everything when it stops."""
    server = start_valkey(folder, durable=False, port=port)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    """A subscriber that takes everything, until its script says otherwise."""
    with HttpReceiver() as listening:
        yield listening
