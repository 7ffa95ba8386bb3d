"""The product, started as `make run` starts it, in a state folder of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from bench.errors import NotMeasured
from bench.http import HttpClient
from bench.peers.peer import Peer
from ingestion.embedded.postgres import postgres_url
from ingestion.embedded.processes import wait_until
from ingestion.embedded.product import ROOT, Product
from ingestion.embedded.servers import tail
from ingestion.embedded.state_folder import StateFolder
from ingestion.embedded.valkey import valkey_url

NAME = "Imaging Ingestion"
START_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 90.0
# What a developer's shell may set, and would change what is measured.
NOT_OURS = ("INGESTION_", "PYTHON")
STUDIES_PAGE = 1000
INSTANCES_OF_STUDY = "00201208"  # Number of Study Related Instances


@dataclass(frozen=True, slots=True)
class OwnRun:
    """A running product, with what only we can ask of ourselves."""

    folder: Path
    pid: int
    endpoints: Mapping[str, object]

    @property
    def peer(self) -> Peer:
        """Ourselves, as every server is measured."""
        dimse, web = self.endpoints["dimse"], urlsplit(str(self.endpoints["dicomweb"]))
        assert isinstance(dimse, dict)
        assert web.port is not None
        headers = {"Authorization": f"Bearer {self.endpoints['token']}"}
        return Peer(
            name=NAME,
            dimse_port=dimse["port"],
            ae_title=dimse["ae_title"],
            web_port=web.port,
            dicomweb_path=web.path,
            pids=(self.pid,),
            instances_held=partial(_instances_held, web.port, path=web.path, headers=headers),
            introduce=self._introduce,
            headers=headers,
        )

    def database_url(self) -> str:
        """Where its PostgreSQL is, password and all."""
        return postgres_url(self.folder / "postgres", port=self._ports()["postgres"])

    def environment(self) -> dict[str, str]:
        """What a process of the product is told."""
        ports = self._ports()
        product = Product(
            state_folder=self.folder, ports=ports, secrets=StateFolder(self.folder).secrets()
        )
        broker = valkey_url(self.folder / "valkey", port=ports["valkey"])
        return product.environment(
            {"INGESTION_DATABASE_URL": self.database_url(), "INGESTION_BROKER_URL": broker}
        )

    def run(self, *words: str) -> None:
        """Run one of our modules inside the product. Raises `NotMeasured` when it fails."""
        answer = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise NotMeasured(f"{words[0]} failed: {answer.stderr[-500:]}")

    def _introduce(self, ae_title: str, port: int) -> None:
        self.run("bench.peers.introduce", ae_title, str(port))

    def _ports(self) -> Mapping[str, int]:
        ports: dict[str, int] = json.loads((self.folder / "ports.json").read_text("utf-8"))
        return ports


@contextmanager
def start_ours(folder: Path) -> Iterator[Peer]:
    """Run the product with its state in `folder`. Raises `NotMeasured` when it does not start."""
    with run_ours(folder) as run:
        yield run.peer


@contextmanager
def run_ours(folder: Path) -> Iterator[OwnRun]:
    """As `start_ours`, for who must look inside."""
    folder.mkdir(parents=True)
    log = folder.with_name(f"{folder.name}.log")
    theirs = {name: text for name, text in os.environ.items() if not name.startswith(NOT_OURS)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ingestion.embedded"],
            cwd=ROOT,
            env={**theirs, "INGESTION_STATE_FOLDER": str(folder)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        endpoints = _endpoints(folder, is_alive=lambda: process.poll() is None, log=log)
        yield OwnRun(folder.resolve(), process.pid, endpoints)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS_MAX)


def _endpoints(folder: Path, *, is_alive: Callable[[], bool], log: Path) -> Mapping[str, object]:
    file = folder / "endpoints.json"
    told = wait_until(lambda: file.exists() or not is_alive(), within_seconds=START_SECONDS_MAX)
    if not told or not file.exists():
        raise NotMeasured(f"the product did not start:{tail(log)}")
    endpoints: dict[str, object] = json.loads(file.read_text("utf-8"))
    return endpoints


def _instances_held(port: int, *, path: str, headers: Mapping[str, str]) -> int:
    """How many instances can be searched, by QIDO-RS."""
    held, offset = 0, 0
    with HttpClient(port, headers) as client:
        while True:
            query = f"limit={STUDIES_PAGE}&offset={offset}&includefield={INSTANCES_OF_STUDY}"
            page = client.get_json(f"{path}/studies?{query}")
            held += sum(int(study[INSTANCES_OF_STUDY]["Value"][0]) for study in page)
            if len(page) < STUDIES_PAGE:
                return held
            offset += STUDIES_PAGE
