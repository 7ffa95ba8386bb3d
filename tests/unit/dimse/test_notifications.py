"""Requests of ours on an association of the peer's. Source: PS3.7 7.5.2, 10.1.1; D.3.3.3."""

import queue
import struct
from collections.abc import Iterator

import pytest

from ingestion.dimse.protocol.commands import CommandField, Request, Response, encode_request
from ingestion.dimse.services.notifications import Notifications
from ingestion.dimse.services.operations import Link, Message
from tests.scripted_peer import (
    ABORT,
    ASSOCIATE_AC,
    FIND_RQ,
    IMPLICIT_LITTLE,
    RELEASE_RP,
    VERIFICATION,
    ScriptedPeer,
    abort,
    command_set,
    echo_command,
    element,
    message,
    release_rq,
)
from tests.unit.dimse.conftest import Connect
from tests.unit.dimse.scripted_service import ScriptedService, final, pending

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
CONTEXTS = ((1, VERIFICATION, [IMPLICIT_LITTLE]), (3, STUDY_ROOT_FIND, [IMPLICIT_LITTLE]))
ASK = message(
    3, command_set(FIND_RQ, message_id=7, sop_class_uid=STUDY_ROOT_FIND, data_set_type=0), b"?"
)
REPORT_RQ, REPORT_RSP = 0x0100, 0x8100


def report(message_id: int) -> Message:
    command_set = encode_request(
        CommandField.N_EVENT_REPORT_RQ,
        message_id=message_id,
        sop_class_uid=STUDY_ROOT_FIND,
        has_data_set=True,
        event_type_id=1,
    )
    return Message(command_set, (b"report",))


def answer(message_id: int, *, data_set: bytes | None = None) -> bytes:
    values = [
        (0x0100, REPORT_RSP),
        (0x0120, message_id),
        (0x0800, 0x0101 if data_set is None else 0),
        (0x0900, 0x0116),
    ]
    body = b"".join(element(number, struct.pack("<H", value)) for number, value in values)
    return message(3, element(0, struct.pack("<I", len(body))) + body, data_set)


class Told:
    """An association whose peer is told something behind every response."""

    def __init__(self, connect: Connect) -> None:
        self.listens = True  # to what the peer says before the last response
        self.settled: queue.Queue[Response | None] = queue.Queue()
        service = ScriptedService(self._answers)
        self.peer: ScriptedPeer = connect(begin=service.begin)
        assert self.peer.associate(CONTEXTS).kind == ASSOCIATE_AC

    def _answers(self, request: Request, _data_set: bytes, link: Link) -> Iterator[Message]:
        if request.sop_class_uid == STUDY_ROOT_FIND:
            yield pending(request)
            if self.listens:
                link.is_cancelled()
        yield final(request)
        if request.sop_class_uid == STUDY_ROOT_FIND:
            link.notify(report, self.settled.put)

    def ask(self) -> None:
        """Ask, and read the responses."""
        self.peer.send(ASK)
        assert [self.peer.read_message()[0].status for _ in range(2)] == [0xFF00, 0]

    def read_report(self) -> int:
        """The message ID of what the peer is told next."""
        told, data_set = self.peer.read_message()
        assert (told.context_id, told.command_field, data_set) == (3, REPORT_RQ, b"report")
        return int.from_bytes(told.elements[0x0110], "little")

    def settlement(self) -> int | None:
        """The status of the answer, None when there was none."""
        response = self.settled.get(timeout=60)
        return None if response is None else response.status


@pytest.fixture
def told(connect_fast: Connect) -> Told:
    return Told(connect_fast)


@pytest.mark.parametrize("data_set", [None, b"event reply"])
def test_answer_settles_what_was_told(told: Told, data_set: bytes | None) -> None:
    told.ask()
    told.peer.send(answer(told.read_report(), data_set=data_set))
    assert told.settlement() == 0x0116
    assert told.peer.release().kind == RELEASE_RP
    assert told.settled.empty()


def test_peer_may_ask_on_and_answer_later_in_any_order(told: Told) -> None:
    told.ask()
    first = told.read_report()
    assert told.peer.request(1, echo_command(message_id=first)).status == 0
    told.ask()
    second = told.read_report()
    assert (first, second) == (0xFFFF, 0xFFFE)
    assert told.settled.empty()
    told.peer.send(answer(second), answer(first))
    assert (told.settlement(), told.settlement()) == (0x0116, 0x0116)


def test_answer_may_come_while_a_request_is_answered(told: Told) -> None:
    told.ask()
    message_id = told.read_report()
    told.peer.send(ASK, answer(message_id))
    assert [told.peer.read_message()[0].status for _ in range(2)] == [0xFF00, 0]
    told.read_report()
    assert told.settlement() == 0x0116


@pytest.mark.parametrize("end", [release_rq(), abort(), b""], ids=["release", "abort", "close"])
def test_end_of_the_association_settles_what_was_not_answered(told: Told, end: bytes) -> None:
    told.ask()
    told.read_report()
    told.peer.send(end)
    told.peer.connection.close()
    assert told.settlement() is None


def test_peer_that_is_leaving_is_told_nothing(told: Told) -> None:
    told.listens = False
    told.peer.send(ASK, release_rq())
    assert [told.peer.read_message()[0].status for _ in range(2)] == [0xFF00, 0]
    assert told.peer.read_pdu().kind == RELEASE_RP
    assert told.settlement() is None  # before the peer closes


@pytest.mark.parametrize("message_id", [1, 0xFFFE])
def test_answer_to_what_was_not_told_ends_the_association(told: Told, message_id: int) -> None:
    told.ask()
    told.read_report()
    told.peer.send(answer(message_id))
    assert told.peer.read_pdu().kind == ABORT
    told.peer.connection.close()
    assert told.settlement() is None


def test_message_ids_begin_anew_before_zero() -> None:
    notifications = Notifications()
    given = [notifications.add(lambda _response: None) for _ in range(0x10000)]
    assert given[0] == given[-1] == 0xFFFF
    assert sorted(given[:-1]) == list(range(1, 0x10000))
