"""Cuts the variable items of A-ASSOCIATE PDUs apart, and writes them.

Source: PS3.8 9.3.2 and 9.3.3 (items), Annex D and PS3.7 D.3.3 (user information).
"""

import enum
import struct
from collections.abc import Iterable, Iterator

from ingestion.dimse.protocol.upper_layer import Abort, ProtocolViolation

_ITEM = struct.Struct(">BxH")


class ItemType(enum.IntEnum):
    """PS3.8 9.3.2.1 to 9.3.2.3, 9.3.3.2, D.1; PS3.7 D.3.3.2 to D.3.3.7."""

    APPLICATION_CONTEXT = 0x10
    PRESENTATION_CONTEXT_RQ = 0x20
    PRESENTATION_CONTEXT_AC = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS_UID = 0x52
    ASYNCHRONOUS_OPERATIONS_WINDOW = 0x53
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION_NAME = 0x55
    EXTENDED_NEGOTIATION = 0x56
    USER_IDENTITY = 0x58
    USER_IDENTITY_RESPONSE = 0x59


def items(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each item. Raises `ProtocolViolation` when lengths disagree."""
    offset = 0
    while offset < len(encoded):
        if len(encoded) - offset < _ITEM.size:
            raise malformed("item without a header")
        kind, length = _ITEM.unpack_from(encoded, offset)
        offset += _ITEM.size
        if length > len(encoded) - offset:
            raise malformed("item longer than what holds it")
        yield kind, encoded[offset : offset + length]
        offset += length


def item(kind: int, value: bytes) -> bytes:
    """An item with its header."""
    return _ITEM.pack(kind, len(value)) + value


def first(found: Iterable[tuple[int, bytes]], wanted: int) -> bytes:
    """The value of the first item of a type, empty if there is none."""
    return next((value for kind, value in found if kind == wanted), b"")


def text(value: bytes) -> str:
    """AE titles and UIDs without their padding (PS3.8 Table 9-11, Annex F)."""
    return value.decode("ascii", errors="replace").strip(" \0")


def malformed(rule: str) -> ProtocolViolation:
    """What a PDU is answered with that breaks such a rule."""
    return ProtocolViolation(Abort.INVALID_PDU_PARAMETER, rule)
