"""Orthanc from Debian's packages, durable, with a private PostgreSQL or with SQLite.

It is given what its manual offers for speed: TCP_NODELAY for DIMSE and HTTP, a job for each of
four retrievals at once and, unless a cell says otherwise, the largest PDU length. PostgreSQL is
the one that the product embeds, with the same settings.
Source: /etc/orthanc/orthanc.json of the package, which explains each setting.
"""

import http.client
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from bench.errors import NotMeasured
from bench.http import HttpClient
from bench.peers.peer import LOOPBACK, Peer, StartPeer
from ingestion.embedded.ports import accepts, choose_port
from ingestion.embedded.postgres import start_postgres
from ingestion.embedded.processes import start_process, wait_until
from ingestion.embedded.servers import tail

BINARY = Path("/usr/sbin/Orthanc")
PLUGINS = Path("/usr/share/orthanc/plugins")
INDEX_PLUGIN = PLUGINS / "libOrthancPostgreSQLIndex.so"
DICOMWEB_PLUGIN = PLUGINS / "libOrthancDicomWeb.so"
AE_TITLE = "ORTHANC"
# The largest PDU that Orthanc can be told to take, and what it takes as installed.
LARGEST_PDU_BYTES = 131_072
INSTALLED_PDU_BYTES = 16_384
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 60.0
# DCMTK inside Orthanc reads TCP_NODELAY.
ENVIRONMENT = {"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

CONFIGURATION: dict[str, object] = {
    "Name": "bench",
    "DicomAet": AE_TITLE,
    "DicomCheckCalledAet": False,
    "DicomAlwaysAllowStore": True,
    "DicomAlwaysAllowFind": True,
    "DicomAlwaysAllowGet": True,
    "DicomAlwaysAllowMove": True,
    "LimitFindResults": 0,
    "LimitFindInstances": 0,
    "ConcurrentJobs": 4,
    "SaveJobs": False,
    "RemoteAccessAllowed": False,
    "AuthenticationEnabled": False,
    "KeepAlive": True,
    "TcpNoDelay": True,
    "SyncStorageArea": True,
    "StorageCompression": False,
    "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
}


class Index(StrEnum):
    """Where Orthanc keeps what it knows."""

    POSTGRESQL = "PostgreSQL"
    SQLITE = "SQLite"


def orthanc_with(index: Index, *, pdu_bytes_max: int = LARGEST_PDU_BYTES) -> StartPeer:
    """What starts Orthanc with this index, taking PDUs of at most this length."""
    return partial(_running, index=index, pdu_bytes_max=pdu_bytes_max)


def missing_for(index: Index) -> str:
    """What is not installed and would be needed; '' when nothing is missing."""
    needed = [BINARY, DICOMWEB_PLUGIN] + [INDEX_PLUGIN] * (index is Index.POSTGRESQL)
    return ", ".join(path.name for path in needed if not path.exists())


def orthanc_version() -> str:
    """The version that is installed, as it says itself."""
    answer = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"Orthanc ([\d.]+)", answer.stdout)
    return found[1] if found else "unknown"


@contextmanager
def _running(folder: Path, *, index: Index, pdu_bytes_max: int) -> Iterator[Peer]:
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        plugins, settings, pids = [str(DICOMWEB_PLUGIN)], {}, []
        if index is Index.POSTGRESQL:
            server = start_postgres(folder / "postgres", durable=True)
            stack.callback(server.stop)
            pids.append(server.pid)
            plugins.append(str(INDEX_PLUGIN))
            settings = _postgresql_settings(server.url)
        http_port, dicom_port = choose_port(), choose_port()
        configuration = {
            **CONFIGURATION,
            "MaximumPduLength": pdu_bytes_max,
            "HttpPort": http_port,
            "DicomPort": dicom_port,
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "Plugins": plugins,
            **settings,
        }
        pid = stack.enter_context(_process(folder, configuration, port=http_port))
        yield Peer(
            name=f"Orthanc {index}",
            dimse_port=dicom_port,
            ae_title=AE_TITLE,
            web_port=http_port,
            dicomweb_path="/dicom-web",
            pids=(pid, *pids),
            instances_held=partial(_instances_held, http_port),
            introduce=partial(_introduce, http_port),
        )


@contextmanager
def _process(folder: Path, configuration: Mapping[str, object], *, port: int) -> Iterator[int]:
    file, log = folder / "orthanc.json", folder / "log"
    file.write_text(json.dumps(configuration), "utf-8")
    with log.open("wb") as output:
        process = start_process(
            [str(BINARY), str(file)], cwd=folder, environment=ENVIRONMENT, output=output
        )
    try:
        came_up = wait_until(
            lambda: process.poll() is not None or accepts(port), within_seconds=START_SECONDS_MAX
        )
        if not came_up or process.poll() is not None:
            raise NotMeasured(f"Orthanc did not start:{tail(log)}")
        yield process.pid
    finally:
        process.terminate()
        process.wait(STOP_SECONDS_MAX)


def _postgresql_settings(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {
        "PostgreSQL": {
            "EnableIndex": True,
            "EnableStorage": False,
            "Host": LOOPBACK,
            "Port": parts.port,
            "Database": parts.path.lstrip("/"),
            "Username": parts.username,
            "Password": parts.password,
            "EnableSsl": False,
        }
    }


def _introduce(http_port: int, ae_title: str, dicom_port: int) -> None:
    with HttpClient(http_port) as client:
        status, _ = client.exchange(
            "PUT",
            f"/modalities/{ae_title}",
            headers={"Content-Type": "application/json"},
            body=json.dumps([ae_title, LOOPBACK, dicom_port]).encode(),
        )
    if status != http.client.OK:
        raise NotMeasured(f"Orthanc answered an introduction with {status}")


def _instances_held(http_port: int) -> int:
    with HttpClient(http_port) as client:
        return int(client.get_json("/statistics")["CountInstances"])
