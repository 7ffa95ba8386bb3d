"""C-MOVE while it goes on: several associations, counts, cancels, peers that leave."""

import threading
from contextlib import suppress

import pytest
from django.db import connection, transaction
from pydicom.dataset import Dataset

from ingestion.models import StorageSpace
from tests.builders import build_ct, part10_bytes
from tests.eventually import eventually
from tests.held_instances import hold
from tests.integration.dimse.conftest import Service, Start
from tests.integration.dimse.moving import Script, destination, move_request, moved, uids
from tests.integration.dimse.retrieving import (
    CANCELLED,
    SUCCESS,
    associate_to_move,
    cancel_request,
    collect,
    hold_study,
)
from tests.scripted_acceptor import (
    StoringPeer,
    accept,
    associate_rj,
    read_message,
    read_request,
    response,
)
from tests.scripted_peer import (
    ConnectionEnded,
    ScriptedPeer,
    abort,
)

HELD_UP_SECONDS = 600.0  # of a destination's silence: far longer than a test waits


@pytest.fixture
def service(start_service: Start) -> Service:
    return start_service()


class Barrier:
    """A destination that answers nothing before so many associations have a message."""

    def __init__(self, parties: int) -> None:
        self.barrier = threading.Barrier(parties, timeout=60)
        self.stored: list[str] = []

    def __call__(self, peer: ScriptedPeer) -> None:
        accept(peer)
        is_first = True
        while (message := read_message(peer)) is not None:
            if is_first:
                self.barrier.wait()
            is_first = False
            self.stored.append(message.sop_instance_uid)
            peer.send(response(message))


def test_several_associations_send_at_the_same_time(service: Service, space: StorageSpace) -> None:
    study = hold_study(space, 9)
    script = Barrier(3)
    with destination(script, associations_max=3) as acceptor:
        final = moved(service, study).final
        assert acceptor.connections == 3
    assert (final.status, final.counts) == (SUCCESS, (None, 9, 0, 0))
    assert sorted(script.stored) == sorted(uids(study))


def test_fewer_associations_than_wished_for_suffice(service: Service, space: StorageSpace) -> None:
    study = hold_study(space, 6)
    storing, lock = StoringPeer(), threading.Lock()
    taken: list[ScriptedPeer] = []

    def take_one(peer: ScriptedPeer) -> None:
        with lock:
            taken.append(peer)
        if taken[0] is peer:
            storing(peer)
        else:
            read_request(peer)
            peer.send(associate_rj(2, 3, 2))

    with destination(take_one, associations_max=4):
        final = moved(service, study).final
    assert (final.status, final.counts) == (SUCCESS, (None, 6, 0, 0))


def test_pending_responses_count(service: Service, study: list[Dataset]) -> None:
    go_on = threading.Event()

    def answer_late(peer: ScriptedPeer) -> None:
        accept(peer)
        while (message := read_message(peer)) is not None:
            if message.sop_instance_uid == study[1].SOPInstanceUID:
                assert go_on.wait(60)
            peer.send(response(message))

    with destination(answer_late), associate_to_move(service.connect()) as mover:
        mover.send(move_request(study))
        first = read_message(mover)
        assert first is not None
        assert int.from_bytes(first.elements[0x0900], "little") == 0xFF00
        go_on.set()
        assert collect(mover).final.counts == (None, 3, 0, 0)


def held_up(release: threading.Event) -> Script:
    def hold_up(peer: ScriptedPeer) -> None:
        accept(peer)
        read_message(peer)
        assert release.wait(60)

    return hold_up


def test_cancel_is_answered_though_the_destination_hangs(
    service: Service, study: list[Dataset]
) -> None:
    release = threading.Event()
    with destination(held_up(release), response_timeout_seconds=HELD_UP_SECONDS):
        with associate_to_move(service.connect()) as mover:
            mover.send(move_request(study))
            read_message(mover)
            mover.send(cancel_request())
            final = collect(mover).final
        release.set()
    assert (final.status, final.counts) == (CANCELLED, (2, 0, 1, 0))
    assert final.failed_uids == [study[0].SOPInstanceUID]


def test_cancel_is_heard_while_the_database_seeks(service: Service, study: list[Dataset]) -> None:
    with destination(StoringPeer()), associate_to_move(service.connect()) as mover:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE ingestion_instance IN ACCESS EXCLUSIVE MODE")
            mover.send(move_request(study), cancel_request())
            mover.connection.settimeout(60)
            assert collect(mover).final.status == CANCELLED
        mover.send(move_request(study))
        assert collect(mover).final.status == SUCCESS


def test_cancel_breaks_off_what_the_destination_does_not_read(
    service: Service, space: StorageSpace
) -> None:
    image = build_ct(rows=2000, columns=4000)
    hold(space, part10_bytes(image))
    release = threading.Event()

    def read_nothing(peer: ScriptedPeer) -> None:
        accept(peer)
        assert release.wait(60)

    with destination(read_nothing, response_timeout_seconds=HELD_UP_SECONDS):
        with associate_to_move(service.connect()) as mover:
            mover.send(move_request([image]))
            read_message(mover)
            mover.send(cancel_request())
            final = collect(mover).final
        eventually(lambda: not _sub_associations())
        release.set()
    assert (final.status, final.counts) == (CANCELLED, (0, 0, 1, 0))


def test_service_that_stops_breaks_the_retrieval_off(
    service: Service, study: list[Dataset]
) -> None:
    release = threading.Event()
    with destination(held_up(release), response_timeout_seconds=HELD_UP_SECONDS):
        with associate_to_move(service.connect()) as mover:
            mover.send(move_request(study))
            read_message(mover)
            service.stop()
            assert mover.is_closed()
        eventually(lambda: not _sub_associations())
        release.set()


def test_peer_that_leaves_stops_the_retrieval(service: Service, space: StorageSpace) -> None:
    study = hold_study(space, 50)
    arrived, stored = threading.Event(), []

    def store_slowly(peer: ScriptedPeer) -> None:
        accept(peer)
        with suppress(ConnectionEnded, AssertionError):  # it is aborted
            while (message := read_message(peer)) is not None:
                stored.append(message.sop_instance_uid)
                arrived.set()
                assert gone.wait(60)
                peer.send(response(message))

    gone = threading.Event()
    with destination(store_slowly, response_timeout_seconds=HELD_UP_SECONDS) as acceptor:
        with associate_to_move(service.connect()) as mover:
            mover.send(move_request(study))
            assert arrived.wait(60)
            mover.send(abort())
        eventually(lambda: not _sub_associations())
        gone.set()
        assert acceptor.connections == 1
    assert len(stored) < 50


def _sub_associations() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sub-association"]
