"""C-GET and C-MOVE of what rests on another machine: read before its turn, and never waited for."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from ingestion.models import Instance, StorageSpace
from tests.builders import data_set_bytes
from tests.eventually import eventually
from tests.integration.dimse.conftest import Service, Start
from tests.integration.dimse.moving import destination, move_request, moved, study_key, uids
from tests.integration.dimse.retrieving import (
    CANCELLED,
    GET_RQ,
    SOME_FAILED,
    STUDY_ROOT_GET,
    SUCCESS,
    associate_to_get,
    associate_to_move,
    cancel_request,
    collect,
    hold_study,
    retrieve_request,
)
from tests.remote_storage import Far, rest_far_away
from tests.scripted_acceptor import Message, StoringPeer
from tests.scripted_peer import ASSOCIATE_AC, RELEASE_RP, ScriptedPeer, abort

AHEAD = 2


@pytest.fixture
def far(space: StorageSpace, tmp_path: Path) -> Iterator[Far]:
    far = rest_far_away(space, tmp_path / "far")
    yield far
    far.go_on()


@pytest.fixture
def service(start_service: Start) -> Service:
    return start_service(limits={"dimse_reads_ahead_max": AHEAD})


def ask_to_get(peer: ScriptedPeer, study: list[Dataset]) -> None:
    peer.send(retrieve_request(GET_RQ, STUDY_ROOT_GET, study_key(study)))


def get(service: Service, study: list[Dataset]) -> dict[str, Message]:
    with associate_to_get(service.connect()) as peer:
        ask_to_get(peer, study)
        retrieved = collect(peer)
        assert peer.release().kind == RELEASE_RP
    assert (retrieved.final.status, retrieved.final.counts) == (SUCCESS, (None, len(study), 0, 0))
    return retrieved.stored


def content(study: list[Dataset]) -> dict[str, bytes]:
    return {image.SOPInstanceUID: data_set_bytes(image) for image in study}


def data_sets(stored: dict[str, Message]) -> dict[str, bytes]:
    return {uid: message.data_set for uid, message in stored.items()}


# Part of an object is read ahead, and what follows when it is sent.
@pytest.mark.parametrize("rows", [16, 1200])
def test_what_is_far_away_comes_to_the_byte_and_is_opened_once(
    far: Far, service: Service, space: StorageSpace, rows: int
) -> None:
    study = hold_study(space, 5, rows=rows, columns=600)
    far.opened.clear()
    stored = get(service, study)
    assert list(stored) == uids(study)
    assert data_sets(stored) == content(study)
    assert len(far.opened) == len(study)


def test_c_move_of_what_is_far_away(far: Far, service: Service, space: StorageSpace) -> None:
    study = hold_study(space, 7)
    far.opened.clear()
    storing = StoringPeer()
    with destination(storing, associations_max=2):
        final = moved(service, study).final
    assert (final.status, final.counts) == (SUCCESS, (None, 7, 0, 0))
    assert {each.sop_instance_uid: each.data_set for each in storing.messages} == content(study)
    assert len(far.opened) == 7


def test_no_more_is_read_ahead_than_may_be(far: Far, service: Service, space: StorageSpace) -> None:
    study = hold_study(space, 6)
    far.opened.clear()

    def look(came: Message) -> None:
        wanted = min(uids(study).index(came.sop_instance_uid) + 1 + AHEAD, len(study))
        eventually(lambda: len(far.opened) >= wanted)
        assert len(far.opened) == wanted

    with associate_to_get(service.connect()) as peer:
        ask_to_get(peer, study)
        assert collect(peer, before_answer=look).final.status == SUCCESS


def test_missing_object_that_is_far_away_fails_singly(
    far: Far, service: Service, space: StorageSpace, tmp_path: Path
) -> None:
    study = hold_study(space)
    missing = Instance.objects.get(sop_instance_uid=study[1].SOPInstanceUID)
    (tmp_path / "far" / missing.location).unlink()
    with associate_to_get(service.connect()) as peer:
        ask_to_get(peer, study)
        final = collect(peer).final
    assert (final.status, final.counts) == (SOME_FAILED, (None, 2, 1, 0))
    assert final.failed_uids == [study[1].SOPInstanceUID]


def test_cancel_of_c_get_is_heard_while_the_store_hangs(
    far: Far, service: Service, space: StorageSpace
) -> None:
    study = hold_study(space)
    with associate_to_get(service.connect()) as peer:
        far.hang()
        ask_to_get(peer, study)
        peer.send(cancel_request())
        peer.connection.settimeout(60)
        final = collect(peer).final
        assert (final.status, final.counts) == (CANCELLED, (3, 0, 0, 0))
        far.go_on()
        ask_to_get(peer, study)
        assert collect(peer).final.status == SUCCESS


def test_cancel_of_c_move_is_heard_while_the_store_hangs(
    far: Far, service: Service, space: StorageSpace
) -> None:
    study = hold_study(space)
    asked = move_request(study)
    with destination(StoringPeer()), associate_to_move(service.connect()) as mover:
        far.hang()
        mover.send(asked, cancel_request())
        mover.connection.settimeout(60)
        final = collect(mover).final
        assert (final.status, final.counts) == (CANCELLED, (3, 0, 0, 0))
        far.go_on()
        mover.send(asked)
        assert collect(mover).final.status == SUCCESS


def leave(peer: ScriptedPeer) -> None:
    peer.connection.settimeout(60)
    assert peer.release().kind == RELEASE_RP


@pytest.mark.parametrize("end", [leave, lambda peer: peer.send(abort())], ids=["release", "abort"])
def test_peer_that_leaves_is_let_go_while_the_store_hangs(
    far: Far, start_service: Start, space: StorageSpace, end: Callable[[ScriptedPeer], None]
) -> None:
    service = start_service(limits={"associations_max": 1})
    study = hold_study(space)
    with associate_to_get(service.connect()) as peer:
        far.hang()
        ask_to_get(peer, study)
        eventually(lambda: far.opened)
        end(peer)

    def has_room() -> bool:
        with service.connect() as other:
            return other.associate().kind == ASSOCIATE_AC

    eventually(has_room)


def test_service_that_stops_does_not_wait_for_a_store_that_hangs(
    far: Far, service: Service, space: StorageSpace
) -> None:
    study = hold_study(space)
    with associate_to_get(service.connect()) as peer:
        far.hang()
        ask_to_get(peer, study)
        eventually(lambda: far.opened)
        service.stop()
        # It has ended, and was not given up.
        assert "association" not in {thread.name for thread in threading.enumerate()}
