"""C-FIND as a stream: cancelled, broken off, limited, in few statements and little memory."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from ingestion.dimse.protocol.identifiers import decode_identifier
from ingestion.models import RemoteApplicationEntity, Series, StorageSpace, Study
from ingestion.use_cases.find_entities import ROWS_CHUNK
from ingestion.use_cases.find_entities import find as find_entities
from ingestion.use_cases.find_query import FindOption, InformationModel, understand
from ingestion.use_cases.search_query import HeaderLimits, Scope
from tests.builders import data_set_bytes
from tests.eventually import eventually
from tests.integration.dimse.conftest import Start
from tests.integration.dimse.find_client import (
    CANCEL,
    CONTEXT_IDS,
    OUT_OF_RESOURCES,
    PENDING,
    STUDY_ROOT,
    SUCCESS,
    Answer,
    associate,
    find,
    find_command,
    keep,
    query,
    read_answer,
)
from tests.scripted_peer import (
    CANCEL_RQ,
    EXPLICIT_LITTLE,
    ScriptedPeer,
    abort,
    element,
    message,
    p_data,
    pdv,
)

MANY = 20_000  # more than the buffers of a connection hold
ALL_STUDIES = query("STUDY", StudyInstanceUID="", PatientName="", StudyDescription="")


def keep_many(space: StorageSpace, amount: int) -> None:
    """Studies of which only the manifest knows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ingestion_study (storage_space_id, study_instance_uid, patient_id,"
            " patient_name, patient_name_normalized, study_description)"
            " SELECT %s, '1.2.840.' || n, 'P' || n, 'Doe^Jane', 'doe jane', repeat('d', 64)"
            " FROM generate_series(0, %s) AS n",
            [space.pk, amount - 1],
        )


def send_query(peer: ScriptedPeer, identifier: object = ALL_STUDIES) -> None:
    encoded = data_set_bytes(identifier, EXPLICIT_LITTLE)  # type: ignore[arg-type]
    peer.send(message(CONTEXT_IDS[STUDY_ROOT], find_command(STUDY_ROOT, message_id=7), encoded))


def send_cancel(peer: ScriptedPeer, *, message_id: int = 7) -> None:
    """C-CANCEL-RQ (PS3.7 9.3.2.3)."""
    values = [(0x0100, CANCEL_RQ), (0x0120, message_id), (0x0800, 0x0101)]
    encoded = b"".join(element(number, value.to_bytes(2, "little")) for number, value in values)
    command = element(0, len(encoded).to_bytes(4, "little")) + encoded
    peer.send(p_data(pdv(CONTEXT_IDS[STUDY_ROOT], command, command=True)))


def drained(peer: ScriptedPeer) -> tuple[int, int]:
    """How many matches came, and the status of the final response."""
    for matches in count():
        response, data_set = peer.read_message()
        if data_set is None:
            return matches, response.status
    raise AssertionError


@pytest.fixture
def peer(space: StorageSpace, start_service: Start) -> Iterator[ScriptedPeer]:
    with start_service(limits={"dimse_queries_max": 1}).connect() as peer:
        peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        yield associate(peer)


def busy_connections() -> int:
    """Other connections of the server that are inside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL"
            " AND backend_type = 'client backend'"
            " AND datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def test_all_of_many_matches_come(space: StorageSpace, peer: ScriptedPeer) -> None:
    keep_many(space, ROWS_CHUNK * 2 + 1)
    answer = find(peer, ALL_STUDIES)
    assert (answer.status, answer.pending) == (SUCCESS, {PENDING})
    assert len({found.StudyInstanceUID for found in answer.matches}) == ROWS_CHUNK * 2 + 1


def test_a_cancelled_query_ends_while_matches_stream(
    space: StorageSpace, peer: ScriptedPeer
) -> None:
    keep_many(space, MANY)
    send_query(peer)
    assert peer.read_message()[0].status == PENDING
    send_cancel(peer)
    matches, status = drained(peer)
    assert status == CANCEL
    assert matches < MANY - 1
    eventually(lambda: busy_connections() == 0)
    assert find(peer, query("STUDY", StudyInstanceUID="1.2.840.7")).status == SUCCESS


def test_a_query_that_waits_for_the_database_is_cancelled(
    space: StorageSpace, peer: ScriptedPeer
) -> None:
    keep_many(space, 1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE ingestion_study IN ACCESS EXCLUSIVE MODE")
        send_query(peer)
        eventually(lambda: busy_connections() == 1)
        peer.connection.settimeout(60)
        send_cancel(peer)
        assert read_answer(peer).status == CANCEL
        eventually(lambda: busy_connections() == 0)
    assert len(find(peer, ALL_STUDIES).matches) == 1


def test_a_peer_that_aborts_frees_the_database(space: StorageSpace, peer: ScriptedPeer) -> None:
    keep_many(space, 1)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE ingestion_study IN ACCESS EXCLUSIVE MODE")
        send_query(peer)
        eventually(lambda: busy_connections() == 1)
        peer.send(abort())
        eventually(lambda: busy_connections() == 0)


def test_a_peer_that_leaves_in_the_middle_frees_the_database(
    space: StorageSpace, peer: ScriptedPeer
) -> None:
    keep_many(space, MANY)
    send_query(peer)
    assert peer.read_message()[0].status == PENDING
    assert busy_connections() == 1
    peer.connection.close()
    eventually(lambda: busy_connections() == 0)


def test_a_query_whose_headers_do_not_match_is_cancelled(
    space: StorageSpace, peer: ScriptedPeer
) -> None:
    """Thousands of entities share one header, which is read for each of them."""
    keep(space, "1.2.1", "1.2.1.1", "1.2.1.1.1")
    study = Study.objects.get()
    keep_many(space, 90_000)
    Study.objects.update(document=study.document)
    send_query(peer, query("STUDY", StudyInstanceUID="", EthnicGroup="nowhere"))
    send_cancel(peer)
    peer.connection.settimeout(60)
    answer = read_answer(peer)
    assert (answer.status, answer.matches) == (CANCEL, [])


def test_who_finds_no_turn_is_told_to_come_later(space: StorageSpace, start_service: Start) -> None:
    keep_many(space, MANY)
    service = start_service(limits={"dimse_queries_max": 1}, dimse_query_wait_seconds=0.1)
    with service.connect() as first, service.connect() as second:
        first.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        associate(first)
        send_query(first)
        assert first.read_message()[0].status == PENDING
        associate(second).connection.settimeout(60)
        answer = find(second, ALL_STUDIES)
        assert (answer.status, answer.matches) == (OUT_OF_RESOURCES, [])
        assert "dimse_queries_max" in answer.final.comment
        assert drained(first) == (MANY - 1, SUCCESS)


def test_slow_readers_leave_turns_to_other_peers(space: StorageSpace, start_service: Start) -> None:
    keep_many(space, MANY)
    RemoteApplicationEntity.objects.create(
        ae_title="VIEWER", addresses="127.0.0.0/8", may_call_all=True
    )
    service = start_service(limits={"dimse_queries_max": 2}, dimse_query_wait_seconds=0.1)
    with service.connect() as slow, service.connect() as same, service.connect() as other:
        slow.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        associate(slow)
        send_query(slow)
        assert slow.read_message()[0].status == PENDING
        answer = find(associate(same), ALL_STUDIES)
        assert (answer.status, answer.matches) == (OUT_OF_RESOURCES, [])
        assert "of this peer" in answer.final.comment
        found = find(
            associate(other, calling="VIEWER"), query("STUDY", StudyInstanceUID="1.2.840.7")
        )
        assert (found.status, len(found.matches)) == (SUCCESS, 1)
        assert drained(slow) == (MANY - 1, SUCCESS)


def test_a_reader_that_takes_nothing_frees_the_database_after_the_timeout(
    space: StorageSpace, start_service: Start
) -> None:
    keep_many(space, MANY)
    service = start_service(
        limits={"dimse_queries_max": 1},
        dimse_network_timeout_seconds=1.0,
        dimse_query_wait_seconds=20.0,
    )
    with service.connect() as stalled, service.connect() as other:
        stalled.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        associate(stalled)
        send_query(stalled)
        assert stalled.read_message()[0].status == PENDING
        assert busy_connections() == 1
        eventually(lambda: busy_connections() == 0)
        found = find(associate(other), query("STUDY", StudyInstanceUID="1.2.840.7"))
        assert (found.status, len(found.matches)) == (SUCCESS, 1)


def test_more_headers_than_may_be_read_end_the_query_with_what_was_found(
    space: StorageSpace, start_service: Start
) -> None:
    for number in range(4):
        study = f"1.2.{number + 1}"
        keep(space, study, f"{study}.1", f"{study}.1.1", PatientComments="c")
    with start_service(limits={"query_documents_max": 3}).connect() as peer:
        associate(peer)
        answer = find(peer, query("STUDY", StudyInstanceUID="", PatientComments="c"))
        assert answer.status == OUT_OF_RESOURCES
        assert len(answer.matches) == 3
        assert find(peer, query("STUDY", PatientComments="")).status == SUCCESS


def test_interleaved_associations_do_not_mix(space: StorageSpace, start_service: Start) -> None:
    keep_many(space, 500)
    service = start_service()
    answers: dict[str, Answer] = {}

    def ask(uid: str) -> None:
        with service.connect() as peer:
            associate(peer)
            answers[uid] = find(peer, query("STUDY", StudyInstanceUID=uid, PatientID=""))

    threads = [threading.Thread(target=ask, args=(f"1.2.840.{number}",)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number in range(20):
        (found,) = answers[f"1.2.840.{number}"].matches
        assert found.PatientID == f"P{number}"


@pytest.mark.parametrize(
    ("level", "keys", "statements"),
    [
        ("STUDY", {"PatientName": "doe*", "ModalitiesInStudy": ""}, 1),
        ("STUDY", {"PatientName": "doe*", "PatientComments": ""}, 1),
        ("SERIES", {"StudyInstanceUID": "1.2.840.1", "Modality": ""}, 1),
    ],
)
def test_a_query_is_one_statement(
    space: StorageSpace, level: str, keys: dict[str, str], statements: int
) -> None:
    """Beside those that begin and end its transaction."""
    keep_many(space, 3)
    Series.objects.create(study=Study.objects.earliest("pk"), series_instance_uid="1.2")
    encoded = data_set_bytes(query(level, **keys), EXPLICIT_LITTLE)
    asked = understand(
        decode_identifier(encoded, EXPLICIT_LITTLE),
        InformationModel.STUDY_ROOT,
        options=FindOption(0),
        scope=Scope((space.pk,)),
        header_limits=HeaderLimits(100, seconds_max=0),
    )
    with CaptureQueriesContext(connection) as captured, closing(find_entities(asked)) as found:
        list(found)
    made = [entry["sql"] for entry in captured if entry["sql"] not in ("BEGIN", "COMMIT")]
    assert len(made) == statements, made
