"""The elements of command sets: their numbers, and how their values are encoded.

Source: PS3.7 6.3.1 (Implicit VR Little Endian), Annex E (command dictionary).
"""

import struct
from collections.abc import Iterable, Mapping

from ingestion.dimse.protocol.upper_layer import Abort, ProtocolViolation

ERROR_COMMENT_CHARACTERS_MAX = 64

_COMMAND_GROUP_LENGTH = 0x0000
_ELEMENT = struct.Struct("<HHI")
_US = struct.Struct("<H")
_TAG = struct.Struct("<HH")


class Element:
    """Numbers in group 0000 (PS3.7 Table E.1-1)."""

    AFFECTED_SOP_CLASS_UID = 0x0002
    REQUESTED_SOP_CLASS_UID = 0x0003
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
    MOVE_DESTINATION = 0x0600
    PRIORITY = 0x0700
    COMMAND_DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    OFFENDING_ELEMENT = 0x0901
    ERROR_COMMENT = 0x0902
    ERROR_ID = 0x0903
    AFFECTED_SOP_INSTANCE_UID = 0x1000
    REQUESTED_SOP_INSTANCE_UID = 0x1001
    EVENT_TYPE_ID = 0x1002
    ATTRIBUTE_IDENTIFIER_LIST = 0x1005
    ACTION_TYPE_ID = 0x1008
    REMAINING = 0x1020
    COMPLETED = 0x1021
    FAILED = 0x1022
    WARNING = 0x1023
    MOVE_ORIGINATOR_AE_TITLE = 0x1030
    MOVE_ORIGINATOR_MESSAGE_ID = 0x1031


def decode_elements(encoded: bytes | bytearray) -> dict[int, bytes]:
    """The values of a command set by element number. Raises `ProtocolViolation`."""
    encoded = bytes(encoded)  # once, rather than for each value
    elements: dict[int, bytes] = {}
    offset, end = 0, len(encoded)
    while offset < end:
        if end - offset < _ELEMENT.size:
            raise ProtocolViolation(Abort.BY_SERVICE_USER, "command set ends inside an element")
        group, element, length = _ELEMENT.unpack_from(encoded, offset)
        offset += _ELEMENT.size
        if group or length > end - offset:
            raise ProtocolViolation(Abort.BY_SERVICE_USER, "command set that cannot be read")
        elements[element] = encoded[offset : offset + length]
        offset += length
    return elements


def required_number(elements: Mapping[int, bytes], element: int) -> int:
    """A value of VR US. Raises `ProtocolViolation` when there is none."""
    number = optional_number(elements, element)
    if number is None:
        raise ProtocolViolation(Abort.BY_SERVICE_USER, f"command set lacks (0000,{element:04X})")
    return number


def optional_number(elements: Mapping[int, bytes], element: int) -> int | None:
    """A value of VR US, None when there is none."""
    value = elements.get(element)
    if value is None or len(value) != _US.size:
        return None
    return int.from_bytes(value, "little")


def text(elements: Mapping[int, bytes], element: int, instead: int = 0) -> str:
    """The text of an element, of another one if that is absent, else empty."""
    value = elements.get(element) or (elements.get(instead) if instead else None)
    if not value:
        return ""
    return value.decode("ascii", errors="replace").strip("\0 ")[:64]


def tags(elements: Mapping[int, bytes], element: int) -> tuple[tuple[int, int], ...]:
    """Values of VR AT."""
    value = elements.get(element)
    return tuple(_TAG.iter_unpack(value[: len(value) & ~3])) if value else ()


def encode_elements(values: Mapping[int, bytes]) -> bytes:
    """A command set of the values that are not empty; they are given in the order of elements."""
    encoded = b"".join(
        _ELEMENT.pack(0, number, len(value)) + value for number, value in values.items() if value
    )
    return _ELEMENT.pack(0, _COMMAND_GROUP_LENGTH, 4) + struct.pack("<I", len(encoded)) + encoded


def encoded_number(value: int | None) -> bytes:
    """A value of VR US; empty for None."""
    return b"" if value is None else _US.pack(value)


def encoded_uid(value: str) -> bytes:
    """A value of VR UI."""
    return _padded(value, b"\0")


def encoded_text(value: str) -> bytes:
    """A value of VR AE or LO."""
    return _padded(value, b" ")


def encoded_tags(values: Iterable[tuple[int, int]]) -> bytes:
    """Values of VR AT."""
    return b"".join(_TAG.pack(*tag) for tag in values) if values else b""


def encoded_comment(comment: str) -> bytes:
    """Text as VR LO allows it: 64 characters, no backslash, no control characters."""
    printable = "".join(
        character if " " <= character <= "~" and character != "\\" else " " for character in comment
    )
    return encoded_text(" ".join(printable.split())[:ERROR_COMMENT_CHARACTERS_MAX])


def _padded(value: str, padding: bytes) -> bytes:
    encoded = value.encode("ascii", errors="replace")
    return encoded + padding if len(encoded) % 2 else encoded
