"""One whole product for all foreign programs, as `make run` starts it."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import ROOT, Run
from tests.interop.npm_packages import VIEWER

PROGRAM_SECONDS_MAX = 120


@dataclass(frozen=True, slots=True)
class Site:
    """Where the product is, and how foreign programs and tests reach it."""

    endpoints: dict[str, Any]
    state: Path

    def dcmtk(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one of DCMTK's programs; pynetdicom has others of the same names."""
        return subprocess.run(
            [f"/usr/bin/{program}", *words],
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS_MAX,
            check=False,
        )

    def manage(self, *words: str) -> str:
        """What a management command of the product says."""
        answer = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env={"INGESTION_STATE_FOLDER": str(self.state)},
            capture_output=True,
            text=True,
            timeout=PROGRAM_SECONDS_MAX,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    @property
    def peer(self) -> tuple[str, ...]:
        """What DCMTK's programs want to know of us."""
        dimse = self.endpoints["dimse"]
        return ("-aec", dimse["ae_title"], dimse["host"], str(dimse["port"]))

    def get(self, path: str, *, accept: str = "application/dicom+json") -> bytes:
        """The body of a DICOMweb resource. Raises `HTTPError`."""
        request = urllib.request.Request(
            self.endpoints["dicomweb"] + path,
            headers={"Accept": accept, "Authorization": f"Bearer {self.endpoints['token']}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            body: bytes = answer.read()
        return body

    def search(self, path: str) -> list[dict[str, Any]]:
        """The data sets that a search found."""
        found: list[dict[str, Any]] = json.loads(self.get(path))
        return found


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The product, running; its log must show no traceback at the end."""
    folder = tmp_path_factory.mktemp("interop")
    run = Run(state=folder / "state", log=folder / "log")
    run.state.mkdir()
    (run.state / "viewer").symlink_to(VIEWER)
    run.start()
    yield Site(endpoints=run.endpoints(), state=run.state)
    run.send(signal.SIGINT)
    assert "Traceback" not in run.log.read_text()
