"""Associations, from the request to the end, as a peer sees them. Source: PS3.8 9.2, PS3.7 9."""

import logging
import struct
from typing import Any

import pytest

from ingestion.dimse.upper_layer import Rejection
from ingestion.errors import DatabaseUnavailable, MalformedDataSet, OutOfSpace
from tests.eventually import eventually
from tests.scripted_peer import (
    ABORT,
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    CANCEL_RQ,
    CT_IMAGE_STORAGE,
    FIND_RQ,
    RELEASE_RP,
    STORE_RQ,
    Pdu,
    ScriptedPeer,
    abort,
    associate_rq,
    command_set,
    echo_command,
    element,
    item,
    message,
    p_data,
    pdu,
    pdv,
    store_command,
)
from tests.unit.dimse.conftest import Connect
from tests.unit.dimse.custodian import Custodian

DATA_SET = bytes(range(256)) * 300  # 76,800 bytes: several PDUs


def ended(caplog: pytest.LogCaptureFixture) -> dict[str, object] | None:
    """The one line about the end of an association, once it is there."""
    for record in caplog.records:
        line: object = record.msg  # structlog hands the fields on as they are
        if isinstance(line, dict) and line["event"] == "association ended":
            return {**line, "level": record.levelname}
    return None


def associated(peer: ScriptedPeer) -> ScriptedPeer:
    assert peer.associate().kind == ASSOCIATE_AC
    return peer


def aborted(peer: ScriptedPeer) -> tuple[int, int]:
    """Source and reason of the A-ABORT that comes next."""
    answer = peer.read_pdu()
    assert answer.kind == ABORT
    return answer.body[2], answer.body[3]


# --- C-ECHO, C-STORE


def test_echo_is_answered_and_release_is_confirmed(connect: Connect) -> None:
    peer = associated(connect())
    response = peer.request(1, echo_command(message_id=7))
    assert (response.command_field, response.message_id, response.status) == (0x8030, 7, 0)
    assert peer.release() == Pdu(RELEASE_RP, bytes(4))


def test_stored_data_set_is_kept_byte_for_byte(connect: Connect, custodian: Custodian) -> None:
    peer = associated(connect())
    response = peer.request(3, store_command("1.2.3", message_id=9), DATA_SET)
    assert (response.context_id, response.command_field, response.message_id) == (3, 0x8001, 9)
    assert (response.status, response.sop_instance_uid) == (0, "1.2.3")
    assert response.elements[0x0002] == CT_IMAGE_STORAGE.encode() + b"\0"
    assert custodian.kept == {"1.2.3": DATA_SET}
    arrival = custodian.arrivals[0]
    assert arrival.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    assert arrival.sop_class_uid == CT_IMAGE_STORAGE
    conversation = arrival.conversation
    assert (conversation.calling_ae_title, conversation.called_ae_title) == ("MODALITY", "INGEST")
    assert (conversation.peer_address, conversation.storage_space.slug) == ("127.0.0.1", "main")
    assert conversation.association_id


def test_many_instances_in_one_association_are_all_kept(
    connect: Connect, custodian: Custodian
) -> None:
    peer = associated(connect())
    for number in range(20):
        assert peer.request(3, store_command(f"1.{number}"), b"%d" % number).status == 0
    assert custodian.kept == {f"1.{number}": b"%d" % number for number in range(20)}


@pytest.mark.parametrize("step", ["take", "write", "keep"])
@pytest.mark.parametrize(
    ("error", "status_class"),
    [
        (OutOfSpace("the spool's disk is below its free space limit"), 0xA7),
        (MalformedDataSet("an element ends too early"), 0xC0),
        (DatabaseUnavailable("the database did not confirm"), None),
    ],
    ids=["space", "malformed", "database"],
)
def test_failure_of_one_instance_leaves_its_neighbours_alone(
    connect: Connect, custodian: Custodian, step: str, error: Exception, status_class: int | None
) -> None:
    custodian.failures["1.2"] = (step, error)  # type: ignore[assignment]
    peer = associated(connect())
    assert peer.request(3, store_command("1.1"), DATA_SET).status == 0
    refused = peer.request(3, store_command("1.2"), DATA_SET)
    assert refused.status != 0
    assert status_class is None or refused.status >> 8 == status_class
    assert (refused.comment, refused.sop_instance_uid) == (str(error), "1.2")
    assert peer.request(3, store_command("1.3"), DATA_SET).status == 0
    assert sorted(custodian.kept) == ["1.1", "1.3"]
    assert custodian.open_count == 0


def test_store_without_data_set_is_refused(connect: Connect, custodian: Custodian) -> None:
    peer = associated(connect())
    command = command_set(STORE_RQ, sop_class_uid=CT_IMAGE_STORAGE, sop_instance_uid="1.2")
    assert peer.request(3, command).status >> 8 == 0xC0
    assert peer.request(3, store_command("1.3"), b"x").status == 0
    assert list(custodian.kept) == ["1.3"]


def test_sop_class_other_than_the_contexts_is_refused(
    connect: Connect, custodian: Custodian
) -> None:
    peer = associated(connect())
    other = store_command("1.2", sop_class_uid="1.2.840.10008.5.1.4.1.1.4")
    assert peer.request(3, other, DATA_SET).status == 0x0122
    assert not custodian.arrivals


@pytest.mark.parametrize(
    ("context_id", "command", "data_set"),
    [
        (3, command_set(FIND_RQ, sop_class_uid=CT_IMAGE_STORAGE, data_set_type=1), b"identifier"),
        (3, command_set(0x0030, sop_class_uid="1.2.840.10008.1.1"), None),
        (1, store_command("1.2", sop_class_uid="1.2.840.10008.1.1"), b"data"),
    ],
    ids=["C-FIND", "C-ECHO in a storage context", "C-STORE in the verification context"],
)
def test_operation_not_agreed_on_is_unrecognized_and_the_association_goes_on(
    connect: Connect, context_id: int, command: bytes, data_set: bytes | None
) -> None:
    peer = associated(connect())
    assert peer.request(context_id, command, data_set).status == 0x0211
    assert peer.request(1, echo_command()).status == 0


@pytest.mark.parametrize("data_set", [None, b"data"])
def test_unknown_command_field_is_unrecognized_not_fatal(
    connect_fast: Connect, data_set: bytes | None
) -> None:
    peer = associated(connect_fast())
    kind = 0x0101 if data_set is None else 0
    command = command_set(0x0077, sop_class_uid=CT_IMAGE_STORAGE, data_set_type=kind)
    response = peer.request(3, command, data_set)
    assert (response.command_field, response.status) == (0x8077, 0x0211)
    assert peer.request(1, echo_command()).status == 0


def test_cancel_of_nothing_has_no_answer(connect: Connect) -> None:
    peer = associated(connect())
    cancel = (
        element(0x0100, struct.pack("<H", CANCEL_RQ))
        + element(0x0120, struct.pack("<H", 5))
        + element(0x0800, struct.pack("<H", 0x0101))
    )
    cancel = element(0, struct.pack("<I", len(cancel))) + cancel
    peer.send(message(3, cancel))
    assert peer.request(1, echo_command(message_id=6)).message_id == 6


# --- fragments


def test_one_byte_fragments(connect: Connect, custodian: Custodian) -> None:
    peer = associated(connect())
    command = store_command("1.2")
    for index in range(len(command)):
        piece = command[index : index + 1]
        peer.send(p_data(pdv(3, piece, command=True, last=index == len(command) - 1)))
    data_set = DATA_SET[:300]
    pieces = [
        pdv(3, data_set[index : index + 1], last=index == len(data_set) - 1)
        for index in range(len(data_set))
    ]
    peer.send(p_data(*pieces))
    assert peer.read_response().status == 0
    assert custodian.kept == {"1.2": data_set}


def test_command_and_data_set_in_one_pdu(connect: Connect, custodian: Custodian) -> None:
    peer = associated(connect())
    peer.send(p_data(pdv(3, store_command("1.2"), command=True), pdv(3, b"data")))
    assert peer.read_response().status == 0
    assert custodian.kept == {"1.2": b"data"}


def test_messages_sent_without_waiting_are_answered_in_order(
    connect_fast: Connect, custodian: Custodian
) -> None:
    peer = associated(connect_fast())
    peer.send(
        p_data(
            pdv(3, store_command("1.1", message_id=1), command=True),
            pdv(3, b"a"),
            pdv(1, echo_command(message_id=2), command=True),
            pdv(3, store_command("1.3", message_id=3), command=True),
            pdv(3, b"c"),
        )
    )
    assert [peer.read_response().message_id for _ in range(3)] == [1, 2, 3]
    assert custodian.kept == {"1.1": b"a", "1.3": b"c"}


def test_empty_fragments_do_no_harm(connect_fast: Connect, custodian: Custodian) -> None:
    peer = associated(connect_fast())
    command = store_command("1.2")
    peer.send(p_data(pdv(3, b"", command=True, last=False), pdv(3, command, command=True)))
    peer.send(p_data(pdv(3, b"", last=False), pdv(3, b"ab", last=False), pdv(3, b"")), p_data())
    assert peer.read_response().status == 0
    assert custodian.kept == {"1.2": b"ab"}


def test_pdu_of_exactly_the_maximum_length_is_taken(connect: Connect, custodian: Custodian) -> None:
    peer = associated(connect())
    data_set = bytes(32 * 1024 - 6)
    peer.send(p_data(pdv(3, store_command("1.2"), command=True)), p_data(pdv(3, data_set)))
    assert peer.read_response().status == 0
    assert custodian.kept == {"1.2": data_set}


def test_answer_fits_the_peers_maximum_length(connect: Connect) -> None:
    peer = connect()
    assert peer.associate(pdu_bytes_max=32).kind == ASSOCIATE_AC
    peer.send(message(3, store_command("1.2"), b"data"))
    first = peer.read_pdu()
    assert len(first.body) <= 32
    lengths = []
    while not first.body[5] & 2:
        first = peer.read_pdu()
        lengths.append(len(first.body))
    assert lengths
    assert max(lengths) <= 32


# --- what a peer must not do: PS3.8 Table 9-26 for the reasons


UNACCEPTED = p_data(pdv(5, echo_command(), command=True))
VIOLATIONS = {
    "PDV of an unaccepted context": (UNACCEPTED, (2, 6)),
    "data set without a command": (p_data(pdv(3, b"data")), (2, 5)),
    "command in the middle of a data set": (
        p_data(pdv(3, store_command("1.2"), command=True), pdv(1, echo_command(), command=True)),
        (2, 5),
    ),
    "data set in another context": (
        p_data(pdv(3, store_command("1.2"), command=True), pdv(1, b"data")),
        (2, 5),
    ),
    "command in two contexts": (
        p_data(pdv(3, echo_command()[:9], command=True, last=False), pdv(1, b"x", command=True)),
        (2, 5),
    ),
    "PDU above the maximum length": (p_data(pdv(3, bytes(32 * 1024))), (2, 6)),
    "PDV longer than its PDU": (pdu(4, struct.pack(">IBB", 99, 1, 3) + b"x"), (2, 6)),
    "PDV too short for its header": (pdu(4, struct.pack(">IBB", 1, 1, 3)), (2, 6)),
    "PDU that ends inside a PDV header": (pdu(4, b"\0\0\0"), (2, 6)),
    "second A-ASSOCIATE-RQ": (associate_rq(), (2, 2)),
    "A-ASSOCIATE-AC": (pdu(2, bytes(100)), (2, 2)),
    "A-RELEASE-RP unasked": (pdu(6, bytes(4)), (2, 2)),
    "A-RELEASE-RQ of a wrong length": (pdu(5, bytes(5)), (2, 2)),
    "unknown PDU": (pdu(0x99, bytes(4)), (2, 1)),
    "command set that cannot be read": (p_data(pdv(1, b"\1\2\3", command=True)), (0, 0)),
    "command set without a field": (p_data(pdv(1, b"", command=True)), (0, 0)),
    "command set of 70 KB": (
        p_data(pdv(1, bytes(30_000), command=True, last=False)) * 3,
        (0, 0),
    ),
    "response to nothing": (
        p_data(pdv(1, command_set(0x8030, sop_class_uid=CT_IMAGE_STORAGE), command=True)),
        (0, 0),
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation_aborts_with_the_right_reason(
    connect_fast: Connect, custodian: Custodian, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent, source_and_reason = VIOLATIONS[name]
    peer = associated(connect_fast())
    peer.send(sent)
    assert aborted(peer) == source_and_reason
    assert peer.is_closed()
    peer.connection.close()
    line = eventually(lambda: ended(caplog))
    assert (line["outcome"], line["level"]) == ("protocol violated", "WARNING")
    assert custodian.open_count == 0
    assert not custodian.kept


@pytest.mark.parametrize(
    "name",
    [
        "PDV of an unaccepted context",
        "unknown PDU",
        "second A-ASSOCIATE-RQ",
        "command set that cannot be read",
    ],
)
def test_violation_ends_the_stock_path_too(
    connect: Connect, custodian: Custodian, name: str
) -> None:
    peer = associated(connect(network_timeout_seconds=0.3))
    peer.send(VIOLATIONS[name][0])
    assert peer.is_closed()
    assert not custodian.kept


GARBAGE = {
    "HTTP": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", (2, 1)),
    "TLS hello": (bytes.fromhex("16030100c8010000c40303") + bytes(200), (2, 1)),
    "zeros": (bytes(64), (2, 1)),
    "P-DATA first": (p_data(pdv(1, echo_command(), command=True)), (2, 2)),
    "release first": (pdu(5, bytes(4)), (2, 2)),
    "request too short": (pdu(1, bytes(30)), (2, 6)),
    "request without contexts": (associate_rq([]), (2, 6)),
    "request of 2 GB": (struct.pack(">BxI", 1, 2**31), (2, 6)),
    "request with torn items": (pdu(1, associate_rq()[6:-3]), (2, 6)),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_aborted_with_one_warning_and_no_traceback(
    connect_fast: Connect, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent, source_and_reason = GARBAGE[name]
    peer = connect_fast()
    peer.send(sent)
    assert aborted(peer) == source_and_reason
    assert peer.is_closed()
    peer.connection.close()
    eventually(lambda: ended(caplog))
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].exc_info is None


@pytest.mark.parametrize("name", ["HTTP", "TLS hello", "zeros", "P-DATA first"])
def test_garbage_ends_the_stock_path_too(connect: Connect, name: str) -> None:
    peer = connect(artim_timeout_seconds=0.2, network_timeout_seconds=0.2)
    peer.send(GARBAGE[name][0])
    assert peer.is_closed()


# --- refusals: PS3.8 Table 9-21


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"called": "NOBODY"}, (1, 1, 7)),
        ({"calling": "STRANGER"}, (1, 1, 3)),
        ({"application_context": "1.2.3"}, (1, 1, 2)),
        ({"called": "CLOSED"}, (2, 1, 1)),
    ],
    ids=["called", "calling", "application context", "closed space"],
)
def test_refused_with_the_reason(
    connect: Connect, fields: dict[str, Any], expected: tuple[int, int, int]
) -> None:
    answer = connect().associate(**fields)
    assert answer.kind == ASSOCIATE_RJ
    assert tuple(answer.body[1:]) == expected


def test_other_protocol_version_is_refused(connect_fast: Connect) -> None:
    answer = connect_fast().associate(protocol_version=2)
    assert (answer.kind, tuple(answer.body[1:])) == (ASSOCIATE_RJ, (1, 2, 2))


def test_above_the_limits_is_refused_for_now(connect: Connect) -> None:
    answer = connect(turned_away=Rejection.LOCAL_LIMIT_EXCEEDED).associate()
    assert (answer.kind, tuple(answer.body[1:])) == (ASSOCIATE_RJ, (2, 3, 2))


def test_refused_connection_is_closed(connect: Connect) -> None:
    peer = connect()
    assert peer.associate(called="NOBODY").kind == ASSOCIATE_RJ
    assert peer.is_closed()


# --- negotiation as a peer sees it


def test_only_what_is_supported_is_accepted(connect: Connect) -> None:
    contexts = [
        (1, "1.2.840.10008.5.1.4.1.2.2.1", ["1.2.840.10008.1.2"]),  # C-FIND
        (3, CT_IMAGE_STORAGE, ["1.2.3.4", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.1"]),
        (5, CT_IMAGE_STORAGE, ["1.2.3.4"]),
        (7, "1.2.3.4.5", ["1.2.840.10008.1.2"]),
    ]
    answer = connect().associate(contexts)
    assert answer.kind == ASSOCIATE_AC
    results = {body[0]: (body[2], body[8:]) for body in accepted_items(answer.body)}
    assert {context_id: result for context_id, (result, _) in results.items()} == {
        1: 3,
        3: 0,
        5: 4,
        7: 3,
    }
    assert results[3][1] == b"1.2.840.10008.1.2.4.90"


def accepted_items(body: bytes) -> list[bytes]:
    """The bodies of the presentation context items of an A-ASSOCIATE-AC."""
    offset, found = 68, []
    while offset < len(body):
        kind, length = struct.unpack_from(">BxH", body, offset)
        if kind == 0x21:
            found.append(body[offset + 4 : offset + 4 + length])
        offset += 4 + length
    return found


def test_extended_negotiation_and_identity_are_not_held_against_a_peer(connect: Connect) -> None:
    window = item(0x53, bytes(4))
    role = item(0x54, struct.pack(">H", 25) + CT_IMAGE_STORAGE.encode() + bytes([0, 1]))
    extended = item(0x56, struct.pack(">H", 25) + CT_IMAGE_STORAGE.encode() + bytes(6))
    identity = item(0x58, bytes([1, 1]) + struct.pack(">H", 3) + b"Joe" + struct.pack(">H", 0))
    peer = connect()
    answer = peer.associate(user_items=window + role + extended + identity)
    assert answer.kind == ASSOCIATE_AC
    assert item(0x53, b"\0\1\0\1") in answer.body
    assert peer.request(3, store_command("1.2"), b"data").status == 0


def test_unknown_items_are_skipped(connect_fast: Connect) -> None:
    peer = connect_fast()
    answer = peer.associate(user_items=item(0x77, b"?"), further_items=item(0x99, b"??"))
    assert answer.kind == ASSOCIATE_AC
    assert peer.request(1, echo_command()).status == 0


def test_acceptance_says_who_we_are_and_how_long_a_pdu_may_be(connect: Connect) -> None:
    body = connect().associate().body
    assert item(0x51, struct.pack(">I", 32 * 1024)) in body
    assert item(0x55, b"IMG_INGEST_1") in body
    assert body[4:36] == b"INGEST".ljust(16) + b"MODALITY".ljust(16)


# --- peers that go, stay silent, or trickle


def test_peer_that_vanishes_inside_a_data_set_leaves_nothing(
    connect: Connect, custodian: Custodian, caplog: pytest.LogCaptureFixture
) -> None:
    peer = associated(connect())
    peer.send(p_data(pdv(3, store_command("1.2"), command=True)))
    peer.send(p_data(pdv(3, bytes(20_000), last=False)), p_data(pdv(3, bytes(9)))[:12])
    peer.connection.close()
    eventually(lambda: ended(caplog))
    assert not custodian.kept
    assert custodian.open_count == 0
    assert all(record.exc_info is None for record in caplog.records)


def test_abort_by_the_peer_inside_a_data_set_leaves_nothing(
    connect_fast: Connect, custodian: Custodian, caplog: pytest.LogCaptureFixture
) -> None:
    peer = associated(connect_fast())
    peer.send(p_data(pdv(3, store_command("1.2"), command=True), pdv(3, b"a", last=False)))
    eventually(lambda: custodian.open_count == 1)
    peer.send(abort())
    assert peer.is_closed()
    assert eventually(lambda: ended(caplog))["outcome"] == "aborted by peer"
    assert (custodian.kept, custodian.open_count) == ({}, 0)


def test_silence_before_the_request_ends_the_connection(connect: Connect) -> None:
    peer = connect(artim_timeout_seconds=0.1)
    assert peer.is_closed()


def test_trickling_request_ends_when_artim_does(connect_fast: Connect) -> None:
    peer = connect_fast(artim_timeout_seconds=0.2)
    request = associate_rq()
    sent = 0

    def trickle() -> bool:
        nonlocal sent
        try:
            peer.send(request[sent : sent + 1])
        except OSError:
            return True
        sent += 1
        return False

    eventually(trickle)
    assert sent < len(request)


def test_silence_inside_an_association_aborts_it(
    connect_fast: Connect, custodian: Custodian, caplog: pytest.LogCaptureFixture
) -> None:
    peer = associated(connect_fast(network_timeout_seconds=0.1))
    peer.send(p_data(pdv(3, store_command("1.2"), command=True), pdv(3, b"a", last=False)))
    assert aborted(peer) == (2, 0)
    peer.connection.close()
    assert eventually(lambda: ended(caplog))["outcome"] == "peer silent"
    assert (custodian.kept, custodian.open_count) == ({}, 0)


def test_silence_ends_the_stock_path_too(connect: Connect) -> None:
    peer = associated(connect(network_timeout_seconds=0.1))
    assert peer.is_closed()


def test_peer_that_never_closes_after_release_is_closed_in_time(connect: Connect) -> None:
    peer = associated(connect(artim_timeout_seconds=0.1))
    assert peer.release().kind == RELEASE_RP
    assert peer.is_closed()


def test_stopping_aborts_an_idle_association(
    connect_fast: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    peer = associated(connect_fast())
    assert peer.request(1, echo_command()).status == 0
    peer.served.stop()  # type: ignore[attr-defined]
    assert aborted(peer) == (2, 0)
    peer.connection.close()
    assert eventually(lambda: ended(caplog))["outcome"] == "service stopped"


def test_stopping_ends_the_stock_path_too(connect: Connect) -> None:
    peer = associated(connect())
    assert peer.request(1, echo_command()).status == 0
    peer.served.stop()  # type: ignore[attr-defined]
    assert peer.is_closed()


# --- the log


def test_end_is_one_info_line_with_counts(
    connect: Connect, caplog: pytest.LogCaptureFixture, custodian: Custodian
) -> None:
    caplog.set_level(logging.INFO)
    custodian.failures["1.3"] = ("keep", MalformedDataSet("broken"))
    peer = associated(connect())
    peer.request(3, store_command("1.2"), b"four")
    peer.request(3, store_command("1.3"), b"four")
    peer.release()
    peer.connection.close()
    line = eventually(lambda: ended(caplog))
    assert line["level"] == "INFO"
    assert line["outcome"] == "released"
    assert (line["calling_ae_title"], line["called_ae_title"]) == ("MODALITY", "INGEST")
    assert line["peer_address"] == "127.0.0.1"
    counts = (line["instances_stored"], line["instances_refused"], line["bytes_stored"])
    assert counts == (1, 1, 4)
    assert len(str(line["association_id"])) == 32


def test_connection_without_a_word_is_no_news(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    peer = connect(artim_timeout_seconds=0.2)
    peer.connection.close()
    peer.thread.join(5)  # type: ignore[attr-defined]
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]
