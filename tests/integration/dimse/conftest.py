"""The DIMSE service with a real database and a real folder, on both data paths."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pytest_django import Settings

from ingestion.dimse.listener import open_listening_socket
from ingestion.dimse.serve import Entrances, serve_until
from ingestion.models import (
    Backend,
    LocalApplicationEntity,
    RemoteApplicationEntity,
    StorageSpace,
)
from tests.builders import data_set_bytes
from tests.integration.dimse.retrieving import hold_study
from tests.receipts import make_space
from tests.scripted_peer import Response, ScriptedPeer, store_command

CT_CONTEXT_ID = 3


@dataclass
class Service:
    """A running service and the folder of its storage space."""

    port: int
    tls_port: int  # 0 unless TLS is on
    objects: Path
    stop: Callable[[], None]

    def connect(self) -> ScriptedPeer:
        return ScriptedPeer.connect("127.0.0.1", self.port)

    def stored_files(self) -> list[Path]:
        return sorted(self.objects.rglob("*.dcm"))

    def spooled_files(self) -> list[Path]:
        return [path for path in (self.objects / ".incoming").rglob("*") if path.is_file()]


Start = Callable[..., Service]


@pytest.fixture
def space(transactional_db: None, tmp_path: Path) -> StorageSpace:
    """The space behind INGEST; MODALITY may call from loopback."""
    space = make_space(backend=Backend.FILESYSTEM, options={"root": str(tmp_path / "objects")})
    LocalApplicationEntity.objects.create(ae_title="INGEST", storage_space=space)
    RemoteApplicationEntity.objects.create(
        ae_title="MODALITY", addresses="127.0.0.0/8", may_call_all=True
    )
    return space


@pytest.fixture
def study(space: StorageSpace) -> list[Dataset]:
    """Three CT images of one series in that space."""
    return hold_study(space)


@pytest.fixture
def start_service(space: StorageSpace, settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """`start_service(limits={…}, **fields of the environment)`."""
    with ExitStack() as stack:

        def start(limits: dict[str, Any] | None = None, **environment: Any) -> Service:
            settings.LIMITS = settings.LIMITS.model_copy(
                update={"spool_free_bytes_min": 0} | (limits or {})
            )
            settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
                update={"dimse_drain_seconds": 0.0, "limits": settings.LIMITS} | environment
            )
            has_tls = settings.ENVIRONMENT.dimse_tls_port is not None
            service = _start(tmp_path / "objects", has_tls=has_tls)
            stack.callback(service.stop)
            return service

        yield start


def _start(objects: Path, *, has_tls: bool) -> Service:
    plain = open_listening_socket("127.0.0.1", 0)
    secure = open_listening_socket("127.0.0.1", 0) if has_tls else None
    stop = threading.Event()
    thread = threading.Thread(
        target=serve_until, args=(Entrances(plain, secure), stop.wait), name="service"
    )
    thread.start()

    def end() -> None:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()

    tls_port = secure.getsockname()[1] if secure else 0
    return Service(plain.getsockname()[1], tls_port, objects, end)


@pytest.fixture(params=["fast", "stock"])
def data_path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def service(start_service: Start, data_path: str) -> Service:
    return start_service(dimse_data_path=data_path)


def store(peer: ScriptedPeer, dataset: Dataset, *, message_id: int = 1) -> Response:
    """C-STORE in the context for CT images that `associate` proposes."""
    command = store_command(dataset.SOPInstanceUID, message_id=message_id)
    return peer.request(CT_CONTEXT_ID, command, data_set_bytes(dataset))


@pytest.fixture
def commands(space: StorageSpace) -> Iterator[ExitStack]:
    """Ends the commands that a test starts."""
    with ExitStack() as stack:
        yield stack
