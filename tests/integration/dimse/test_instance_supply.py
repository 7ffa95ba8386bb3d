"""What is handed out to be sent, and that a large retrieval takes no more memory than a small."""

import hashlib
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from ingestion.dicom.attributes import Level
from ingestion.dicom.retrieve_keys import RetrieveKeys
from ingestion.dimse.database_use import close_idle_connections, database_turn
from ingestion.dimse.protocol.commands import SubOperations
from ingestion.dimse.services.instance_supply import InstanceSupply
from ingestion.dimse.services.retrieval_progress import Progress
from ingestion.models import Instance, StorageSpace
from ingestion.use_cases.register_receipts import register_receipts
from ingestion.use_cases.retrieve_instances import HeldInstance
from ingestion.use_cases.select_instances import BATCH, select_instances
from tests.builders import build_ct, part10_bytes
from tests.held_instances import hold
from tests.integration.dimse.conftest import Start
from tests.integration.dimse.retrieving import (
    CANCELLED,
    GET_RQ,
    STUDY_ROOT_GET,
    Answer,
    associate_to_get,
    cancel_request,
    collect,
    hold_study,
    identifier,
    retrieve_request,
)
from tests.receipts import make_receipt
from tests.scripted_acceptor import Message, read_message, response
from tests.scripted_peer import STORE_RQ, ScriptedPeer

STUDY = "1.2.3"


@pytest.fixture(autouse=True)
def _connections_end() -> Iterator[None]:
    yield
    close_idle_connections()


def supply_of(space: StorageSpace, study_instance_uid: str = STUDY) -> InstanceSupply:
    selection = select_instances(
        RetrieveKeys(Level.STUDY, {Level.STUDY: (study_instance_uid,)}), space
    )
    return InstanceSupply(selection, space, Progress(len(selection)))


def taken(supply: InstanceSupply) -> list[str]:
    return [instance.sop_instance_uid for instance in iter(supply.take, None)]


def hold_rows(space: StorageSpace, count: int) -> HeldInstance:
    """Instances of one study that all rest in the same file."""
    held = hold(space, part10_bytes(build_ct()))
    common: dict[str, Any] = {
        "location": held.location,
        "size_bytes": held.size_bytes,
        "data_set_offset": held.data_set_offset,
        "study": STUDY,
    }
    receipts = [
        make_receipt(
            space,
            sop=f"1.2.3.1.{number}",
            data_set_sha256=hashlib.sha256(str(number).encode()).digest(),
            instance_number=number,
            **common,
        )
        for number in range(1, count + 1)
    ]
    for start in range(0, count, 500):
        register_receipts(receipts[start : start + 500])
    return held


def test_every_instance_is_handed_out_once_in_order(space: StorageSpace) -> None:
    hold_rows(space, BATCH + 3)
    supply = supply_of(space)
    assert len(supply) == BATCH + 3
    assert taken(supply) == [f"1.2.3.1.{number}" for number in range(1, BATCH + 4)]
    assert (len(supply), supply.take()) == (0, None)


def test_what_is_put_back_comes_next(space: StorageSpace) -> None:
    hold_rows(space, 3)
    supply = supply_of(space)
    first = supply.take()
    assert first is not None
    supply.put_back(first)
    assert len(supply) == 3
    assert taken(supply)[0] == first.sop_instance_uid


def test_what_is_deleted_before_its_turn_matches_no_longer(space: StorageSpace) -> None:
    hold_rows(space, 3)
    supply = supply_of(space)
    Instance.objects.filter(sop_instance_uid="1.2.3.1.2").update(deleted_at=timezone.now())
    assert taken(supply) == ["1.2.3.1.1", "1.2.3.1.3"]
    assert supply.progress.pending() == SubOperations(remaining=2)


def test_rest_fails_by_name_as_far_as_names_are_told(space: StorageSpace) -> None:
    hold_rows(space, 2 * BATCH)
    supply = supply_of(space)
    supply.take()
    supply.fail_rest("nobody is there")
    assert supply.progress.final() == SubOperations(failed=2 * BATCH), "what was taken, too"
    assert len(supply.progress.failed_uids) == 2 * BATCH - 1
    assert (len(supply), supply.take()) == (0, None)


def test_what_cannot_be_looked_up_fails_without_a_name(space: StorageSpace) -> None:
    hold_rows(space, 3)
    supply = supply_of(space)
    space.options = {"root": "not absolute"}
    assert supply.take() is None
    assert supply.progress.final() == SubOperations(failed=3)
    assert supply.progress.failed_uids == ()


def test_large_objects_are_asked_for_ahead_even_if_they_are_gone(space: StorageSpace) -> None:
    images = hold_study(space, 8, rows=512, columns=300)
    supply = supply_of(space, images[0].StudyInstanceUID)
    held = supply.take()
    assert held is not None
    assert held.size_bytes > 256 * 1024
    for image in images[5:7]:
        row = Instance.objects.get(sop_instance_uid=image.SOPInstanceUID)
        held.store.delete(row.location)
    assert taken(supply) == [image.SOPInstanceUID for image in images[1:]]


def test_memory_of_a_retrieval_does_not_grow_with_it(
    start_service: Start, space: StorageSpace
) -> None:
    hold_rows(space, 2000)
    service = start_service()
    peaks: list[int] = []
    with associate_to_get(service.connect()) as peer:
        peer.send(
            retrieve_request(GET_RQ, STUDY_ROOT_GET, identifier("STUDY", StudyInstanceUID=STUDY))
        )
        tracemalloc.start()
        stored = 0
        while (came := read_message(peer)) is not None:
            if came.command_field == STORE_RQ:
                stored += 1
                peer.send(response(came))
                if stored % 500 == 0:
                    peaks.append(tracemalloc.get_traced_memory()[1])
                    tracemalloc.reset_peak()
            elif Answer.of(came).status != 0xFF00:
                break
        tracemalloc.stop()
    assert (Answer.of(came).counts if came else None) == (None, 2000, 0, 0)
    assert max(peaks[1:]) < peaks[0] + 256 * 1024


@contextmanager
def table_locked() -> Iterator[None]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE ingestion_instance IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("hold_up", [table_locked, database_turn])
def test_cancel_is_heard_while_the_next_portion_is_looked_up(
    start_service: Start, space: StorageSpace, hold_up: Callable[[], AbstractContextManager[None]]
) -> None:
    hold_rows(space, BATCH + 3)
    service = start_service(limits={"dimse_queries_max": 1}, dimse_query_wait_seconds=60)
    with associate_to_get(service.connect()) as peer:
        peer.send(
            retrieve_request(GET_RQ, STUDY_ROOT_GET, identifier("STUDY", StudyInstanceUID=STUDY))
        )
        last_of_portion = next(
            came for came in _stored(peer) if came.sop_instance_uid == f"1.2.3.1.{BATCH}"
        )
        with hold_up():
            peer.send(response(last_of_portion))
            peer.connection.settimeout(5)
            peer.send(cancel_request())
            final = collect(peer).final
    assert (final.status, final.counts) == (CANCELLED, (3, BATCH, 0, 0))


def _stored(peer: ScriptedPeer) -> Iterator[Message]:
    """Every C-STORE-RQ, answered when the next one is asked for."""
    while (came := read_message(peer)) is not None:
        if came.command_field == STORE_RQ:
            yield came
            peer.send(response(came))
