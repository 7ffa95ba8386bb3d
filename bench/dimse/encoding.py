"""Encodes what a peer says: PDUs, the items of an association, command sets.

Sources: PS3.8 9.3 (PDUs), PS3.7 D.3.3.4 and D.3.3.5 (roles, extended negotiation), E.1 (commands).
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
IMPLEMENTATION_CLASS_UID = "2.25.270515486837294361952217538416523874652"
CALLING_AE_TITLE = "BENCH"
PDU_BYTES_MAX = 131_072
PDV_HEADER_BYTES = 6
COMMAND_LAST, DATA, DATA_LAST = 3, 0, 2
DATA_SET_PRESENT, NO_DATA_SET = 0x0001, 0x0101
SUCCESS = 0x0000
# What UIDs begin with: they are padded with NUL, all other text with a space (PS3.5 6.2).
UID_ROOTS = ("1.", "2.")


class Pdu(IntEnum):
    """PS3.8 9.3.1, PDU types."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class Command(IntEnum):
    """PS3.7 E.1-1, Command Field."""

    STORE_RQ = 0x0001
    GET_RQ = 0x0010
    FIND_RQ = 0x0020
    MOVE_RQ = 0x0021
    ECHO_RQ = 0x0030
    CANCEL_RQ = 0x0FFF
    STORE_RSP = 0x8001


class Element(IntEnum):
    """Elements of group 0000 by number."""

    AFFECTED_SOP_CLASS_UID = 0x0002
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    MESSAGE_ID_RESPONDED_TO = 0x0120
    MOVE_DESTINATION = 0x0600
    PRIORITY = 0x0700
    DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    AFFECTED_SOP_INSTANCE_UID = 0x1000
    COMPLETED = 0x1021


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context to ask for; with `is_scp` objects come to us by it.

    `extended` is service class application information (PS3.7 D.3.3.5).
    """

    abstract_syntax: str
    transfer_syntax: str
    is_scp: bool = False
    extended: bytes = b""


def pdu(kind: int, body: bytes) -> bytes:
    """One PDU."""
    return struct.pack(">BxI", kind, len(body)) + body


def item(kind: int, body: bytes) -> bytes:
    """One item of an association PDU."""
    return struct.pack(">BxH", kind, len(body)) + body


def fragment(context_id: int, control: int, data: bytes) -> bytes:
    """A P-DATA-TF of one PDV."""
    return pdu(Pdu.DATA, struct.pack(">IBB", len(data) + 2, context_id, control) + data)


def associate_request(called: str, proposals: Iterable[Proposal]) -> bytes:
    """A-ASSOCIATE-RQ; the contexts are numbered 1, 3, 5 …"""
    contexts, items = b"", b""
    for number, proposal in enumerate(proposals):
        context = item(0x30, proposal.abstract_syntax.encode())
        context += item(0x40, proposal.transfer_syntax.encode())
        contexts += item(0x20, bytes((2 * number + 1, 0, 0, 0)) + context)
        uid = proposal.abstract_syntax.encode()
        named = struct.pack(">H", len(uid)) + uid
        if proposal.is_scp:
            items += item(0x54, named + b"\0\1")
        if proposal.extended:
            items += item(0x56, named + proposal.extended)
    titles = f"{called:<16}{CALLING_AE_TITLE:<16}".encode()
    return pdu(Pdu.ASSOCIATE_RQ, _association(titles, contexts, items=items))


def associate_acceptance(request: bytes, transfer_syntaxes: Mapping[int, str]) -> bytes:
    """A-ASSOCIATE-AC to the body of a request: these contexts with these transfer syntaxes."""
    contexts = b"".join(
        item(0x21, bytes((context_id, 0, 0, 0)) + item(0x40, syntax.encode()))
        for context_id, syntax in transfer_syntaxes.items()
    )
    return pdu(Pdu.ASSOCIATE_AC, _association(request[4:36], contexts))


def command_set(elements: Mapping[int, int | str]) -> bytes:
    """A command set in Implicit VR Little Endian; numbers are US, texts are UIDs or titles."""
    encoded = b"".join(_element(number, elements[number]) for number in sorted(elements))
    return struct.pack("<HHII", 0, 0, 4, len(encoded)) + encoded


def identifier(elements: Mapping[int, str]) -> bytes:
    """An identifier in Implicit VR Little Endian, by tag; '' asks for the attribute."""
    return b"".join(
        struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) + len(value) % 2)
        + _padded(value, pad=b"\0" if value[:2] in UID_ROOTS else b" ")
        for tag, value in sorted(elements.items())
    )


def _association(titles: bytes, contexts: bytes, *, items: bytes = b"") -> bytes:
    """PS3.8 Table 9-11: version 1, titles, presentation contexts, user information."""
    user = item(0x51, struct.pack(">I", PDU_BYTES_MAX))
    user += item(0x52, IMPLEMENTATION_CLASS_UID.encode()) + items
    application = item(0x10, APPLICATION_CONTEXT.encode())
    return struct.pack(">Hxx", 1) + titles + bytes(32) + application + contexts + item(0x50, user)


def _element(number: int, value: int | str) -> bytes:
    pad = b" " if number == Element.MOVE_DESTINATION else b"\0"
    data = struct.pack("<H", value) if isinstance(value, int) else _padded(value, pad=pad)
    return struct.pack("<HHI", 0, number, len(data)) + data


def _padded(text: str, *, pad: bytes) -> bytes:
    return text.encode() + pad * (len(text) % 2)
