"""Orthanc as a node of the same hospital: it and the product know each other by AE title."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingestion.embedded.ports import LOOPBACK, accepts, choose_port
from tests.eventually import eventually

BINARY = "/usr/sbin/Orthanc"
AE_TITLE = "ORTHANC"
START_SECONDS_MAX = 60
REQUEST_SECONDS_MAX = 60


@dataclass(frozen=True, slots=True)
class Orthanc:
    """A running Orthanc, told what to do by its REST API."""

    dicom_port: int
    http_port: int

    def ask(self, path: str, body: object = None) -> Any:
        """What a resource answers: POST with a body, else GET. Raises `HTTPError`."""
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self.http_port}{path}",
            data=None if body is None else _encoded(body),
            headers={"Expect": ""},
        )
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS_MAX) as answer:
            return json.loads(answer.read() or b"null")

    def store(self, file: bytes) -> str:
        """Give it a file; returns the name that it gives the instance."""
        name: str = self.ask("/instances", file)["ID"]
        return name

    def delete_everything(self) -> None:
        """Leave it empty."""
        for name in self.ask("/patients"):
            request = urllib.request.Request(
                f"http://{LOOPBACK}:{self.http_port}/patients/{name}", method="DELETE"
            )
            urllib.request.urlopen(request, timeout=REQUEST_SECONDS_MAX).close()

    def sop_instance_uids(self) -> set[str]:
        """What it holds."""
        return {
            self.ask(f"/instances/{name}")["MainDicomTags"]["SOPInstanceUID"]
            for name in self.ask("/instances")
        }


@contextmanager
def run_orthanc(folder: Path, *, modalities: dict[str, list[object]]) -> Iterator[Orthanc]:
    """Run it with these modalities: by name, AE title, host and port."""
    folder.mkdir()
    orthanc = Orthanc(dicom_port=choose_port(), http_port=choose_port())
    configuration = {
        "Name": "neighbour",
        "DicomAet": AE_TITLE,
        "DicomPort": orthanc.dicom_port,
        "DicomCheckCalledAet": True,
        "DicomModalities": modalities,
        "HttpPort": orthanc.http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [],
    }
    file, log = folder / "orthanc.json", folder / "log"
    file.write_text(json.dumps(configuration))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BINARY, "--verbose", str(file)], cwd=folder, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        eventually(
            lambda: accepts(orthanc.http_port) and accepts(orthanc.dicom_port),
            within_seconds=START_SECONDS_MAX,
        )
        yield orthanc
    finally:
        process.terminate()
        process.wait(START_SECONDS_MAX)


def _encoded(body: object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()
