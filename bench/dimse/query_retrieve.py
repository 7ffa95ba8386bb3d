"""Clients of Query/Retrieve, Study Root, that count what comes and keep nothing.

Source: PS3.4 C.4.1 (C-FIND), C.4.2 (C-MOVE), C.4.3 (C-GET); PS3.7 9.1.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from bench.dimse.association import Association
from bench.dimse.encoding import (
    DATA_SET_PRESENT,
    NO_DATA_SET,
    SUCCESS,
    Command,
    Element,
    Proposal,
    command_set,
    identifier,
)
from bench.dimse.stream import Message
from bench.errors import NotMeasured
from bench.peers.peer import Peer

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
QUERY_RETRIEVE_LEVEL, STUDY_INSTANCE_UID = 0x00080052, 0x0020000D
PENDING, CANCELLED = (0xFF00, 0xFF01), 0xFE00
FIRST_CONTEXT = 1
# PS3.4 C.5.1.1.2.1: instances may be sought in all studies.
RELATIONAL_FIND = Proposal(STUDY_ROOT_FIND, ImplicitVRLittleEndian, extended=b"\1")


@dataclass(frozen=True, slots=True)
class Answered:
    """What one request brought: results or instances, distinct where they have a name."""

    count: int
    data_set_bytes: int
    seconds: float
    first_seconds: float = 0.0


def find_studies(peer: Peer, keys: Mapping[int, str]) -> Answered:
    """Ask for studies. Raises `NotMeasured` unless the last answer is success."""
    return _found(peer, Proposal(STUDY_ROOT_FIND, ImplicitVRLittleEndian), keys, level="STUDY")


def find_instances(peer: Peer, keys: Mapping[int, str]) -> Answered:
    """Ask for instances, of whatever study. Raises `NotMeasured` unless it ends in success."""
    return _found(peer, RELATIONAL_FIND, keys, level="IMAGE")


def seconds_of_cancel(peer: Peer, keys: Mapping[int, str], *, after: int) -> float:
    """Ask for instances, cancel after so many; how long what came before the last answer took.

    Raises `NotMeasured` unless that says that the query was cancelled.
    """
    with Association(peer, [RELATIONAL_FIND]) as association:
        message_id = _ask(association, Command.FIND_RQ, STUDY_ROOT_FIND, keys, level="IMAGE")
        for _ in range(after):
            association.receive()
        begun = time.perf_counter()
        association.send(FIRST_CONTEXT, _cancel(message_id))
        while (answer := association.receive()).number(Element.STATUS) in PENDING:
            pass
        seconds = time.perf_counter() - begun
    if answer.number(Element.STATUS) != CANCELLED:
        raise NotMeasured(f"{peer.name} was not cancelled")
    return seconds


def _found(peer: Peer, proposal: Proposal, keys: Mapping[int, str], *, level: str) -> Answered:
    with Association(peer, [proposal]) as association:
        begun = time.perf_counter()
        _ask(association, Command.FIND_RQ, STUDY_ROOT_FIND, keys, level=level)
        count, data_set_bytes, first = 0, 0, 0.0
        while (answer := association.receive()).number(Element.STATUS) in PENDING:
            count += 1
            data_set_bytes += answer.data_set_bytes
            first = first or time.perf_counter() - begun
        seconds = time.perf_counter() - begun
    _check(peer, answer)
    return Answered(count, data_set_bytes, seconds, first)


def move_study(peer: Peer, study_instance_uid: str, *, destination: str) -> Answered:
    """Have a study sent to a destination that the peer knows.

    `count` is what the peer says it completed. Raises `NotMeasured` unless that is all.
    """
    with Association(peer, [Proposal(STUDY_ROOT_MOVE, ImplicitVRLittleEndian)]) as association:
        begun = time.perf_counter()
        keys = {STUDY_INSTANCE_UID: study_instance_uid}
        _ask(association, Command.MOVE_RQ, STUDY_ROOT_MOVE, keys, destination=destination)
        while (answer := association.receive()).number(Element.STATUS) in PENDING:
            pass
        seconds = time.perf_counter() - begun
    _check(peer, answer)
    return Answered(answer.number(Element.COMPLETED), 0, seconds)


def get_study(peer: Peer, study_instance_uid: str) -> Answered:
    """Fetch a study of CT images on the same association, and forget it.

    Raises `NotMeasured` unless the last answer is success.
    """
    proposals = [
        Proposal(STUDY_ROOT_GET, ImplicitVRLittleEndian),
        Proposal(CTImageStorage, ExplicitVRLittleEndian, is_scp=True),
    ]
    sop_instance_uids, data_set_bytes = set(), 0
    with Association(peer, proposals) as association:
        begun = time.perf_counter()
        keys = {STUDY_INSTANCE_UID: study_instance_uid}
        _ask(association, Command.GET_RQ, STUDY_ROOT_GET, keys)
        while True:
            message = association.receive()
            if message.number(Element.COMMAND_FIELD) == Command.STORE_RQ:
                sop_instance_uids.add(message.text(Element.AFFECTED_SOP_INSTANCE_UID))
                data_set_bytes += message.data_set_bytes
                association.send(message.context_id, store_response(message))
            elif message.number(Element.STATUS) not in PENDING:
                break
        seconds = time.perf_counter() - begun
    _check(peer, message)
    return Answered(len(sop_instance_uids), data_set_bytes, seconds)


def store_response(request: Message) -> bytes:
    """C-STORE-RSP: success."""
    return command_set(
        {
            Element.AFFECTED_SOP_CLASS_UID: request.text(Element.AFFECTED_SOP_CLASS_UID),
            Element.COMMAND_FIELD: Command.STORE_RSP,
            Element.MESSAGE_ID_RESPONDED_TO: request.number(Element.MESSAGE_ID),
            Element.DATA_SET_TYPE: NO_DATA_SET,
            Element.STATUS: SUCCESS,
            Element.AFFECTED_SOP_INSTANCE_UID: request.text(Element.AFFECTED_SOP_INSTANCE_UID),
        }
    )


def _ask(
    association: Association,
    command: Command,
    sop_class_uid: str,
    keys: Mapping[int, str],
    *,
    level: str = "STUDY",
    destination: str = "",
) -> int:
    """Send a request; returns its Message ID."""
    message_id = association.next_message_id()
    elements: dict[int, int | str] = {
        Element.AFFECTED_SOP_CLASS_UID: sop_class_uid,
        Element.COMMAND_FIELD: command,
        Element.MESSAGE_ID: message_id,
        Element.PRIORITY: 0,
        Element.DATA_SET_TYPE: DATA_SET_PRESENT,
    }
    if destination:
        elements[Element.MOVE_DESTINATION] = destination
    data_set = identifier({QUERY_RETRIEVE_LEVEL: level, **keys})
    association.send(FIRST_CONTEXT, command_set(elements), [data_set])
    return message_id


def _cancel(message_id: int) -> bytes:
    return command_set(
        {
            Element.COMMAND_FIELD: Command.CANCEL_RQ,
            Element.MESSAGE_ID_RESPONDED_TO: message_id,
            Element.DATA_SET_TYPE: NO_DATA_SET,
        }
    )


def _check(peer: Peer, answer: Message) -> None:
    if status := answer.number(Element.STATUS):
        raise NotMeasured(f"{peer.name} answered with status 0x{status:04X}")
