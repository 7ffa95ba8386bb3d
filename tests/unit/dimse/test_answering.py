"""Requests with many answers, and what the peer may say meanwhile.

Source: PS3.7 9.1.2 (pending responses), 9.3.2.3 (C-CANCEL), 9.1.3 (C-GET); PS3.8 9.2, Sta6.
"""

import struct
import threading
import tracemalloc
from collections.abc import Iterator

import pytest

from ingestion.dimse.protocol.commands import CommandField, Request, encode_request, encode_response
from ingestion.dimse.services.operations import Link, Message
from ingestion.errors import ObjectMissing
from tests.eventually import eventually
from tests.scripted_peer import (
    ABORT,
    ASSOCIATE_AC,
    CANCEL_RQ,
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    FIND_RQ,
    IMPLICIT_LITTLE,
    P_DATA,
    RELEASE_RP,
    VERIFICATION,
    Pdu,
    ScriptedPeer,
    abort,
    command_set,
    echo_command,
    element,
    fragments,
    item,
    message,
    p_data,
    pdv,
    release_rq,
)
from tests.unit.dimse.conftest import Connect
from tests.unit.dimse.peers import aborted, ended
from tests.unit.dimse.scripted_service import Answers, ScriptedService, final, pending

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
CONTEXTS = (
    (1, VERIFICATION, [IMPLICIT_LITTLE]),
    (3, STUDY_ROOT_FIND, [IMPLICIT_LITTLE]),
    (5, CT_IMAGE_STORAGE, [EXPLICIT_LITTLE]),
)
CT_AS_SCP = item(0x54, struct.pack(">H", 25) + CT_IMAGE_STORAGE.encode() + bytes([0, 1]))
FIND = command_set(FIND_RQ, message_id=7, sop_class_uid=STUDY_ROOT_FIND, data_set_type=0)


def cancel(message_id: int) -> bytes:
    encoded = (
        element(0x0100, struct.pack("<H", CANCEL_RQ))
        + element(0x0120, struct.pack("<H", message_id))
        + element(0x0800, struct.pack("<H", 0x0101))
    )
    return element(0, struct.pack("<I", len(encoded))) + encoded


def store_response(message_id: int) -> bytes:
    encoded = (
        element(0x0100, struct.pack("<H", 0x8001))
        + element(0x0120, struct.pack("<H", message_id))
        + element(0x0800, struct.pack("<H", 0x0101))
        + element(0x0900, struct.pack("<H", 0xB000))
    )
    return element(0, struct.pack("<I", len(encoded))) + encoded


def asking(
    connect: Connect, answers: Answers, **fields: int
) -> tuple[ScriptedPeer, ScriptedService]:
    """A peer with an association on which everything is answered like this."""
    service = ScriptedService(answers)
    peer = connect(begin=service.begin)
    assert peer.associate(CONTEXTS, user_items=CT_AS_SCP, **fields).kind == ASSOCIATE_AC
    return peer, service


def until_cancelled(request: Request, _data_set: bytes, link: Link) -> Iterator[Message]:
    """Matches without an end."""
    while not link.is_cancelled():
        yield pending(request)
    yield final(request, 0xFE00)


def test_each_answer_is_sent_before_the_next_is_sought(connect_fast: Connect) -> None:
    go_on = threading.Event()

    def answers(request: Request, data_set: bytes, _link: Link) -> Iterator[Message]:
        yield pending(request, data_set + b" 1")
        assert go_on.wait(60)
        yield pending(request, data_set + b" 2")
        yield final(request)

    peer, service = asking(connect_fast, answers)
    peer.send(message(3, FIND, b"query"))
    first, data_set = peer.read_message()
    assert (first.context_id, first.command_field, first.message_id) == (3, 0x8020, 7)
    assert (first.status, data_set) == (0xFF00, b"query 1")
    assert first.elements[0x0002] == STUDY_ROOT_FIND.encode() + b"\0"
    go_on.set()
    assert peer.read_message()[1] == b"query 2"
    last, data_set = peer.read_message()
    assert (last.status, data_set) == (0, None)
    assert service.is_over.wait(60)
    assert peer.release() == Pdu(RELEASE_RP, bytes(4))


def test_cancel_ends_the_matches_and_the_association_goes_on(connect_fast: Connect) -> None:
    peer, _ = asking(connect_fast, until_cancelled)
    for _ in range(2):
        peer.send(message(3, FIND, b"query"))
        assert peer.read_message()[0].status == 0xFF00
        peer.send(message(3, cancel(7)))
        while (status := peer.read_message()[0].status) == 0xFF00:
            pass
        assert status == 0xFE00


def test_cancel_right_behind_its_request_is_heard(connect_fast: Connect) -> None:
    peer, _ = asking(connect_fast, until_cancelled)
    peer.send(p_data(pdv(3, FIND, command=True), pdv(3, b"?"), pdv(3, cancel(7), command=True)))
    assert peer.read_message()[0].status == 0xFE00


def test_cancel_in_one_byte_fragments_is_heard(connect_fast: Connect) -> None:
    peer, _ = asking(connect_fast, until_cancelled)
    peer.send(message(3, FIND, b"query"))
    encoded = cancel(7)
    for index in range(len(encoded)):
        is_last = index == len(encoded) - 1
        peer.send(p_data(pdv(3, encoded[index : index + 1], command=True, last=is_last)))
    while (status := peer.read_message()[0].status) == 0xFF00:
        pass
    assert status == 0xFE00


def test_cancel_of_another_message_is_let_pass(connect_fast: Connect) -> None:
    heard: list[bool] = []

    def answers(request: Request, _data_set: bytes, link: Link) -> Iterator[Message]:
        heard.append(link.is_cancelled())
        yield final(request)

    peer, _ = asking(connect_fast, answers)
    peer.send(message(3, FIND, b"query"), message(3, cancel(8)))
    assert peer.read_message()[0].status == 0
    assert heard == [False]


def test_cancel_that_trickles_ends_the_association_in_time(
    connect_fast: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def answers(_request: Request, _data_set: bytes, link: Link) -> Iterator[Message]:
        eventually(link.is_cancelled)
        yield from ()

    service = ScriptedService(answers)
    peer = connect_fast(begin=service.begin, dimse_timeout_seconds=1.0)
    peer.associate(CONTEXTS)
    peer.send(message(3, FIND, b"query"))

    def trickle() -> bool:
        try:
            peer.send(p_data(pdv(3, b"", command=True, last=False)))  # many within the timeout
        except OSError:
            return True
        return service.is_over.is_set()

    eventually(trickle, every_seconds=0.02)
    peer.connection.close()
    assert eventually(lambda: ended(caplog))["outcome"] == "peer silent"


ENDS = {
    "abort": (abort(), "aborted by peer"),
    "release": (release_rq(), "released"),
    "close": (b"", "peer vanished"),
    "second request": (message(1, echo_command(message_id=8)), "protocol violated"),
    "answer to nothing": (message(5, store_response(1)), "protocol violated"),
    "data set": (p_data(pdv(3, b"data")), "protocol violated"),
    "other PDU": (struct.pack(">BxI", 2, 4) + bytes(4), "protocol violated"),
}


@pytest.mark.parametrize("name", ENDS)
def test_end_while_answers_are_sought_ends_the_search(
    connect_fast: Connect, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    sent, outcome = ENDS[name]

    def answers(_request: Request, _data_set: bytes, link: Link) -> Iterator[Message]:
        waiting = threading.Event()
        while not link.is_cancelled():
            waiting.wait(0.01)  # nothing matches
        yield from ()

    peer, service = asking(connect_fast, answers)
    peer.send(message(3, FIND, b"query"))
    if sent:
        peer.send(sent)
    else:
        peer.connection.close()
    assert service.is_over.wait(60)
    if name == "release":
        assert peer.read_pdu() == Pdu(RELEASE_RP, bytes(4))
    elif outcome == "protocol violated":
        assert aborted(peer) in {(0, 0), (2, 2), (2, 5)}
    peer.connection.close()
    line = eventually(lambda: ended(caplog))
    assert line["outcome"] == outcome


def test_stop_ends_the_search_and_the_peer_is_told(
    connect_fast: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    peer, service = asking(connect_fast, until_cancelled)
    peer.send(message(3, FIND, b"query"))
    assert peer.read_message()[0].status == 0xFF00
    peer.served.stop()  # type: ignore[attr-defined]
    while (pdu := peer.read_pdu()).kind == P_DATA:
        pass
    assert (pdu.kind, pdu.body) == (ABORT, bytes([0, 0, 2, 0]))
    assert service.is_over.is_set()
    peer.connection.close()
    assert eventually(lambda: ended(caplog))["outcome"] == "service stopped"


def test_service_that_breaks_aborts_its_association_alone(
    connect_fast: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def answers(request: Request, _data_set: bytes, _link: Link) -> Iterator[Message]:
        yield pending(request)
        raise ZeroDivisionError

    peer, service = asking(connect_fast, answers)
    peer.send(message(3, FIND, b"query"))
    assert peer.read_message()[0].status == 0xFF00
    assert aborted(peer) == (2, 0)
    assert service.is_over.is_set()
    peer.connection.close()
    line = eventually(lambda: ended(caplog))
    assert (line["outcome"], line["level"]) == ("internal error", "ERROR")


def test_data_set_that_breaks_off_is_never_passed_off_as_whole(connect_fast: Connect) -> None:
    def answers(request: Request, _data_set: bytes, _link: Link) -> Iterator[Message]:
        def pieces() -> Iterator[bytes]:
            yield bytes(3_000_000)
            raise ObjectMissing("object: shorter than it was when it was stored")

        yield Message(encode_response(request, 0xFF00, has_data_set=True), pieces())

    peer, _ = asking(connect_fast, answers)
    peer.send(message(3, FIND, b"query"))
    while (pdu := peer.read_pdu()).kind == P_DATA:
        assert fragments(pdu.body)[-1][1] in {0, 3}  # nowhere the last fragment of the data set
    assert (pdu.kind, pdu.body) == (ABORT, bytes([0, 0, 2, 0]))


def test_peer_that_takes_no_answers_ends_in_time(
    connect_fast: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    service = ScriptedService(until_cancelled)
    peer = connect_fast(begin=service.begin, network_timeout_seconds=1.0)
    peer.associate(CONTEXTS)
    peer.send(message(3, FIND, b"query"))
    assert service.is_over.wait(60)
    peer.connection.close()
    assert eventually(lambda: ended(caplog))["outcome"] == "peer silent"


def test_requests_of_ours_go_out_and_are_answered_meanwhile(connect_fast: Connect) -> None:
    heard: list[object] = []

    def answers(request: Request, _data_set: bytes, link: Link) -> Iterator[Message]:
        context = next(c for c in link.contexts.values() if c.peer_is_scp)
        for message_id in (1, 2):
            command = encode_request(
                CommandField.C_STORE_RQ,
                message_id=message_id,
                sop_class_uid=context.abstract_syntax,
                sop_instance_uid="1.2",
                has_data_set=True,
                priority=0,
            )
            link.send(Message(command, (b"ob", b"ject"), context.context_id))
            response = link.receive_response()
            heard.append((response.message_id, response.status, link.is_cancelled()))
        yield final(request, 0xFE00)

    peer, _ = asking(connect_fast, answers)
    peer.send(message(3, FIND, b"query"))
    first, data_set = peer.read_message()
    assert (first.context_id, first.command_field, data_set) == (5, 0x0001, b"object")
    peer.send(message(5, store_response(1)))
    peer.read_message()
    peer.send(message(3, cancel(7)), message(5, store_response(2)))
    assert peer.read_message()[0].status == 0xFE00
    assert heard == [(1, 0xB000, False), (2, 0xB000, True)]


@pytest.mark.parametrize("pdu_bytes_max", [0, 8, 9, 12, 13, 64, 1000, 16384, 10**6])
def test_answers_fit_the_peers_maximum_length_whatever_it_is(
    connect_fast: Connect, pdu_bytes_max: int
) -> None:
    content = bytes(range(256)) * 40

    def answers(request: Request, _data_set: bytes, _link: Link) -> Iterator[Message]:
        yield pending(request, content)

    peer, _ = asking(connect_fast, answers, pdu_bytes_max=pdu_bytes_max)
    peer.send(message(3, FIND, b"query"))
    data_set = b""
    while True:
        pdu = peer.read_pdu()
        assert pdu.kind == P_DATA
        assert len(pdu.body) <= (pdu_bytes_max or 10**9)
        parts = fragments(pdu.body)
        assert all(len(fragment) % 2 == 0 for _, _, fragment in parts)
        data_set += b"".join(fragment for _, control, fragment in parts if not control & 1)
        if parts[-1][1] == 2:
            break
    assert data_set == content


def test_maximum_length_that_holds_nothing_is_a_violation(connect_fast: Connect) -> None:
    peer, _ = asking(connect_fast, lambda request, *_: iter([final(request)]), pdu_bytes_max=7)
    peer.send(message(3, FIND, b"query"))
    assert aborted(peer) == (2, 6)


def test_identifier_above_the_limit_is_refused_and_let_pass(connect_fast: Connect) -> None:
    service = ScriptedService(lambda request, *_: iter([final(request)]))
    peer = connect_fast(begin=service.begin, identifier_bytes_max=1000)
    peer.associate(CONTEXTS)
    peer.send(message(3, FIND, bytes(1000)))
    assert peer.read_message()[0].status == 0
    peer.send(message(3, FIND, bytes(100_000)))
    refused = peer.read_message()[0]
    assert (refused.status, refused.comment) == (0x0213, "data set above 1000 bytes")
    peer.send(message(3, FIND, bytes(1000)))
    assert peer.read_message()[0].status == 0


def test_many_answers_take_no_more_memory_than_a_few(connect_fast: Connect) -> None:
    held_bytes: list[int] = []

    def answers(request: Request, data_set: bytes, _link: Link) -> Iterator[Message]:
        for number in range(2000):
            yield pending(request, data_set)
            if number in {100, 1999}:
                held_bytes.append(tracemalloc.get_traced_memory()[0])
        yield final(request)

    peer, _ = asking(connect_fast, answers)
    peer.send(message(3, FIND, bytes(10_000)))
    tracemalloc.start()
    try:
        while peer.read_message()[0].status == 0xFF00:
            pass
    finally:
        tracemalloc.stop()
    early, late = held_bytes
    assert late < early + 100_000
