"""What a peer must not do, and what is not agreed on. Source: PS3.8 9.3.4, Table 9-26."""

import logging
import struct
from typing import Any

import pytest

from ingestion.dimse.protocol.upper_layer import Rejection
from tests.eventually import eventually
from tests.scripted_peer import (
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    CT_IMAGE_STORAGE,
    associate_rq,
    command_set,
    echo_command,
    item,
    p_data,
    pdu,
    pdv,
    store_command,
)
from tests.unit.dimse.conftest import Connect
from tests.unit.dimse.custodian import Custodian
from tests.unit.dimse.peers import aborted, associated, ended

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
    peer = associated(connect(network_timeout_seconds=1.0))
    peer.send(VIOLATIONS[name][0])
    assert peer.is_closed()
    assert not custodian.kept


# Before a request that can be read PS3.8 Table 9-10 has AA-1 for all that comes: an A-ABORT of the
# service-user, whose reason is not significant (Table 9-26).
GARBAGE = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "zeros": bytes(64),
    "P-DATA first": p_data(pdv(1, echo_command(), command=True)),
    "release first": pdu(5, bytes(4)),
    "request too short": pdu(1, bytes(30)),
    "request without contexts": associate_rq([]),
    "request of 2 GB": struct.pack(">BxI", 1, 2**31),
    "request with torn items": pdu(1, associate_rq()[6:-3]),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_aborted_with_one_warning_and_no_traceback(
    connect_fast: Connect, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    peer = connect_fast()
    peer.send(GARBAGE[name])
    assert aborted(peer) == (0, 0)
    assert peer.is_closed()
    peer.connection.close()
    eventually(lambda: ended(caplog))
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].exc_info is None


@pytest.mark.parametrize("name", ["HTTP", "TLS hello", "zeros", "P-DATA first"])
def test_garbage_ends_the_stock_path_too(connect: Connect, name: str) -> None:
    peer = connect(artim_timeout_seconds=1.0, network_timeout_seconds=1.0)
    peer.send(GARBAGE[name])
    assert peer.is_closed()


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


def test_only_what_is_supported_is_accepted(connect: Connect) -> None:
    contexts = [
        (1, "1.2.840.10008.5.1.4.31", ["1.2.840.10008.1.2"]),  # Modality Worklist
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
    role = item(0x54, struct.pack(">H", 25) + CT_IMAGE_STORAGE.encode() + bytes([1, 1]))
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
