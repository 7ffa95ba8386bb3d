"""Asks for C-MOVE, and is the destination that is called."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydicom.dataset import Dataset

from ingestion.dimse.requestor.association_pool import process_pool
from ingestion.models import RemoteApplicationEntity
from tests.integration.dimse.conftest import Service
from tests.integration.dimse.retrieving import (
    MOVE_RQ,
    STUDY_ROOT_MOVE,
    Retrieved,
    associate_to_move,
    collect,
    identifier,
    retrieve_request,
)
from tests.scripted_acceptor import ScriptedAcceptor
from tests.scripted_peer import RELEASE_RP, ScriptedPeer

Script = Callable[[ScriptedPeer], None]


@contextmanager
def destination(script: Script, **fields: object) -> Iterator[ScriptedAcceptor]:
    with ScriptedAcceptor(script) as acceptor:
        values = {"host": "127.0.0.1", "port": acceptor.port, "response_timeout_seconds": 5.0}
        RemoteApplicationEntity.objects.create(ae_title="DEST", **(values | fields))
        yield acceptor
        process_pool().close()  # associations that are kept for a moment


def move(
    peer: ScriptedPeer,
    keys: bytes,
    *,
    to: str = "DEST",
    sop_class_uid: str = STUDY_ROOT_MOVE,
    priority: int = 0,
) -> Retrieved:
    peer.send(retrieve_request(MOVE_RQ, sop_class_uid, keys, destination=to, priority=priority))
    return collect(peer)


def move_request(study: list[Dataset]) -> bytes:
    """Asks to have the study sent to that destination."""
    return retrieve_request(MOVE_RQ, STUDY_ROOT_MOVE, study_key(study), destination="DEST")


def moved(service: Service, study: list[Dataset], **options: str) -> Retrieved:
    with associate_to_move(service.connect()) as peer:
        retrieved = move(peer, study_key(study), **options)  # type: ignore[arg-type]
        assert peer.release().kind == RELEASE_RP
    return retrieved


def uids(study: list[Dataset]) -> list[str]:
    return [image.SOPInstanceUID for image in study]


def study_key(study: list[Dataset]) -> bytes:
    return identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID)
