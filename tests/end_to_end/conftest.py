"""The whole product, run as a person would, in a folder of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ingestion.embedded.ports import choose_port
from ingestion.embedded.processes import ProcessMark, processes_marked_with
from ingestion.embedded.product import PREFERRED_PORTS
from ingestion.embedded.state_folder import MARKER, StateFolder
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]
READY_SECONDS = 180
STOP_SECONDS = 120


@dataclass(slots=True)
class Run:
    """One supervisor and its state folder."""

    state: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the supervisor, and no more. Its first ports are its own, not the preferred."""
        if not (self.state / "ports.json").exists():
            # Two first starts at the same moment would race for the preferred ones.
            StateFolder(self.state).ports({name: choose_port() for name in PREFERRED_PORTS})
        # A run that was killed could not remove what it told; it is not true of the next.
        (self.state / "endpoints.json").unlink(missing_ok=True)
        theirs = {n: v for n, v in os.environ.items() if not n.startswith("INGESTION_")}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ingestion.embedded"],
                cwd=ROOT,
                env={**theirs, "INGESTION_STATE_FOLDER": str(self.state)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def endpoints(self) -> dict[str, Any]:
        """What scripts are told once everything is ready."""
        file = self.state / "endpoints.json"

        def told() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            return file.exists()

        try:
            eventually(told, within_seconds=READY_SECONDS, every_seconds=0.2)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()}") from None
        endpoints: dict[str, Any] = json.loads(file.read_text())
        return endpoints

    def send(self, number: signal.Signals) -> int:
        """Send the supervisor a signal, and give its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def children(self) -> list[ProcessMark]:
        """Every living process of the product."""
        return processes_marked_with(MARKER, str(self.state.resolve()))


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Run]:
    """A run whose path has a space; it is ended however the test goes."""
    run = Run(state=tmp_path / "state folder", log=tmp_path / "log")
    yield run
    if run.process is not None and run.process.poll() is None:
        run.send(signal.SIGINT)


def get(url: str) -> int:
    """The status of a GET."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status
    finally:
        connection.close()
