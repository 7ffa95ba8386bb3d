"""Associations over socket pairs, on both data paths, without any service."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from ingestion.dimse.acceptor.admission import Admission
from ingestion.dimse.acceptor.association import Association
from ingestion.dimse.acceptor.entity_cache import EntityCache
from ingestion.dimse.acceptor.house import House
from ingestion.dimse.acceptor.stock_path import StockAssociation
from ingestion.dimse.protocol.supported_services import Openness
from ingestion.dimse.security.association_policy import EntityTables, LocalEntity, RemoteEntity
from ingestion.models import StorageSpace
from tests.scripted_peer import ScriptedPeer
from tests.unit.dimse.custodian import Custodian

DataPath = type[Association] | type[StockAssociation]
Connect = Callable[..., ScriptedPeer]

SPACE = StorageSpace(slug="main", name="Main")
TABLES = EntityTables(
    local_entities={
        "INGEST": LocalEntity("INGEST", SPACE),
        "CLOSED": LocalEntity("CLOSED", SPACE, accepts_new_objects=False),
    },
    remote_entities={"MODALITY": (RemoteEntity("MODALITY", may_call_all=True),)},
)


@pytest.fixture(autouse=True)
def _quiet_pynetdicom() -> Iterator[None]:
    """As the service does: its tracebacks about peers would be errors of ours."""
    logger = logging.getLogger("pynetdicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


@pytest.fixture
def custodian() -> Custodian:
    return Custodian()


@pytest.fixture
def house(custodian: Custodian) -> Iterator[House]:
    cache = EntityCache(lambda: TABLES, release=lambda: None)
    yield House(
        admit=Admission(
            cache, require_room=lambda _space: None, any_calling_ae_from_loopback=False
        ),
        take_custody=custodian.take,
        openness=Openness.KNOWN,
        pdu_bytes_max=32 * 1024,
        artim_timeout_seconds=60,
        network_timeout_seconds=60,
    )
    cache.close()


@pytest.fixture(params=[Association, StockAssociation], ids=["fast", "stock"])
def data_path(request: pytest.FixtureRequest) -> DataPath:
    path: DataPath = request.param
    return path


@pytest.fixture
def connect_on(house: House) -> Iterator[Connect]:
    """`connect_on(data_path, **changes of the house)` → the peer of a served connection."""
    running: list[tuple[threading.Thread, ScriptedPeer, Association | StockAssociation]] = []

    def connect(path: DataPath, *, turned_away: object = None, **changes: object) -> ScriptedPeer:
        ours, theirs = socket.socketpair()
        served = path(
            ours,
            "127.0.0.1",
            house=replace(house, **changes),  # type: ignore[arg-type]
            turned_away=turned_away,  # type: ignore[arg-type]
        )
        thread = threading.Thread(target=served.run, name="served")
        thread.start()
        peer = ScriptedPeer(theirs)
        peer.thread = thread  # type: ignore[attr-defined]
        peer.served = served  # type: ignore[attr-defined]
        running.append((thread, peer, served))
        return peer

    yield connect
    for thread, peer, _ in running:
        peer.connection.close()
        thread.join(60)
        assert not thread.is_alive(), "an association outlives its connection"


@pytest.fixture
def connect(connect_on: Connect, data_path: DataPath) -> Connect:
    return lambda **changes: connect_on(data_path, **changes)


@pytest.fixture
def connect_fast(connect_on: Connect) -> Connect:
    """For what pynetdicom does otherwise; `stock_path` says where."""
    return lambda **changes: connect_on(Association, **changes)
