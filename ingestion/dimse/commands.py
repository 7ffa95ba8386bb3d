"""Command sets: reads requests, writes responses. Always Implicit VR Little Endian.

Source: PS3.7 6.3.1 (encoding), 9.3 and 10.3 (messages), Annex E (command dictionary).
"""

import enum
import struct
from dataclasses import dataclass

from ingestion.dimse.upper_layer import Abort, ProtocolViolation

COMMAND_BYTES_MAX = 64 * 1024  # real command sets have less than 500 bytes
ERROR_COMMENT_CHARACTERS_MAX = 64

_ELEMENT = struct.Struct("<HHI")
_US = struct.Struct("<H")
_NO_DATA_SET = 0x0101
_RESPONSE = 0x8000

# PS3.7 Table E.1-1, elements of group 0000.
_AFFECTED_SOP_CLASS_UID = 0x0002
_REQUESTED_SOP_CLASS_UID = 0x0003
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
_COMMAND_DATA_SET_TYPE = 0x0800
_STATUS = 0x0900
_ERROR_COMMENT = 0x0902
_AFFECTED_SOP_INSTANCE_UID = 0x1000
_REQUESTED_SOP_INSTANCE_UID = 0x1001


class Status(enum.IntEnum):
    """Statuses that are not a matter of the stored object (PS3.7 Annex C)."""

    SUCCESS = 0x0000
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    UNRECOGNIZED_OPERATION = 0x0211
    MISTYPED_ARGUMENT = 0x0212


class CommandField(enum.IntEnum):
    """The requests that are told apart here (PS3.7 Table E.1-1)."""

    C_STORE_RQ = 0x0001
    C_ECHO_RQ = 0x0030
    C_CANCEL_RQ = 0x0FFF


@dataclass(frozen=True, slots=True)
class Request:
    """A request as its command set states it; absent UIDs are empty."""

    command_field: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_data_set: bool


def decode_request(encoded: bytes | bytearray) -> Request:
    """Read the command set of a request.

    Raises `ProtocolViolation` for what is no command set, and for a response: nothing was
    asked of the peer.
    """
    elements = _elements(encoded)
    command_field = _unsigned_short(elements, _COMMAND_FIELD)
    if command_field & _RESPONSE:
        raise ProtocolViolation(Abort.BY_SERVICE_USER, "a response that answers no request")
    # C-CANCEL-RQ names the message it cancels and has no id of its own (PS3.7 9.3.2.3).
    is_cancel = command_field == CommandField.C_CANCEL_RQ
    message_id = _MESSAGE_ID_BEING_RESPONDED_TO if is_cancel else _MESSAGE_ID
    return Request(
        command_field=command_field,
        message_id=_unsigned_short(elements, message_id),
        sop_class_uid=_uid(elements, _AFFECTED_SOP_CLASS_UID, _REQUESTED_SOP_CLASS_UID),
        sop_instance_uid=_uid(elements, _AFFECTED_SOP_INSTANCE_UID, _REQUESTED_SOP_INSTANCE_UID),
        has_data_set=_unsigned_short(elements, _COMMAND_DATA_SET_TYPE) != _NO_DATA_SET,
    )


def encode_response(request: Request, status: int, *, error_comment: str = "") -> bytes:
    """The command set that answers a request, without a data set.

    The SOP Class and SOP Instance UIDs are echoed when the request had them.
    """
    elements = b"".join(
        (
            _element(_AFFECTED_SOP_CLASS_UID, _padded(request.sop_class_uid, b"\0")),
            _element(_COMMAND_FIELD, _US.pack(request.command_field | _RESPONSE)),
            _element(_MESSAGE_ID_BEING_RESPONDED_TO, _US.pack(request.message_id)),
            _element(_COMMAND_DATA_SET_TYPE, _US.pack(_NO_DATA_SET)),
            _element(_STATUS, _US.pack(status)),
            _element(_ERROR_COMMENT, _padded(_comment(error_comment), b" ")),
            _element(_AFFECTED_SOP_INSTANCE_UID, _padded(request.sop_instance_uid, b"\0")),
        )
    )
    return _element(0x0000, struct.pack("<I", len(elements))) + elements


def _elements(encoded: bytes | bytearray) -> dict[int, bytes]:
    elements: dict[int, bytes] = {}
    offset = 0
    while offset < len(encoded):
        if len(encoded) - offset < _ELEMENT.size:
            raise ProtocolViolation(Abort.BY_SERVICE_USER, "command set ends inside an element")
        group, element, length = _ELEMENT.unpack_from(encoded, offset)
        offset += _ELEMENT.size
        if group or length > len(encoded) - offset:
            raise ProtocolViolation(Abort.BY_SERVICE_USER, "command set that cannot be read")
        elements[element] = bytes(encoded[offset : offset + length])
        offset += length
    return elements


def _unsigned_short(elements: dict[int, bytes], element: int) -> int:
    value = elements.get(element, b"")
    if len(value) != _US.size:
        raise ProtocolViolation(Abort.BY_SERVICE_USER, f"command set lacks (0000,{element:04X})")
    return int(_US.unpack(value)[0])


def _uid(elements: dict[int, bytes], *candidates: int) -> str:
    value = next((elements[element] for element in candidates if element in elements), b"")
    return value.decode("ascii", errors="replace").strip("\0 ")[:64]


def _element(element: int, value: bytes) -> bytes:
    """An element of group 0000; nothing at all when an optional value is absent."""
    return _ELEMENT.pack(0, element, len(value)) + value if value else b""


def _padded(value: str, padding: bytes) -> bytes:
    encoded = value.encode("ascii", errors="replace")
    return encoded + padding if len(encoded) % 2 else encoded


def _comment(text: str) -> str:
    """Text as VR LO allows it: 64 characters, no backslash, no control characters."""
    printable = "".join(
        character if " " <= character <= "~" and character != "\\" else " " for character in text
    )
    return " ".join(printable.split())[:ERROR_COMMENT_CHARACTERS_MAX]
