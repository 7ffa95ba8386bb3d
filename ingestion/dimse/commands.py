"""Command sets, read and written. Always Implicit VR Little Endian.

Source: PS3.7 6.3.1 (encoding), 9.3 and 10.3 (messages), Annex C (statuses), Annex E (command
dictionary).
"""

import enum
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from ingestion.dimse.upper_layer import Abort, ProtocolViolation

COMMAND_BYTES_MAX = 64 * 1024  # real command sets have less than 500 bytes
ERROR_COMMENT_CHARACTERS_MAX = 64

_ELEMENT = struct.Struct("<HHI")
_US = struct.Struct("<H")
_TAG = struct.Struct("<HH")
_NO_DATA_SET = 0x0101
_A_DATA_SET = 0x0001
_RESPONSE = 0x8000

# PS3.7 Table E.1-1, elements of group 0000.
_AFFECTED_SOP_CLASS_UID = 0x0002
_REQUESTED_SOP_CLASS_UID = 0x0003
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
_MOVE_DESTINATION = 0x0600
_PRIORITY = 0x0700
_COMMAND_DATA_SET_TYPE = 0x0800
_STATUS = 0x0900
_OFFENDING_ELEMENT = 0x0901
_ERROR_COMMENT = 0x0902
_ERROR_ID = 0x0903
_AFFECTED_SOP_INSTANCE_UID = 0x1000
_REQUESTED_SOP_INSTANCE_UID = 0x1001
_EVENT_TYPE_ID = 0x1002
_ATTRIBUTE_IDENTIFIER_LIST = 0x1005
_ACTION_TYPE_ID = 0x1008
_REMAINING, _COMPLETED, _FAILED, _WARNING = 0x1020, 0x1021, 0x1022, 0x1023
_MOVE_ORIGINATOR_AE_TITLE = 0x1030
_MOVE_ORIGINATOR_MESSAGE_ID = 0x1031


class CommandField(enum.IntEnum):
    """PS3.7 Table E.1-1, Command Field."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = 0x0FFF


# PS3.7 10.3: these requests state the Requested SOP Class and Instance, all others the Affected.
_REQUESTED = frozenset(
    {
        CommandField.N_GET_RQ,
        CommandField.N_SET_RQ,
        CommandField.N_ACTION_RQ,
        CommandField.N_DELETE_RQ,
    }
)


class Status(enum.IntEnum):
    """Statuses of more than one service (PS3.7 Annex C; PS3.4 C.4 for what goes on)."""

    SUCCESS = 0x0000
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_SOP_INSTANCE = 0x0111
    NO_SUCH_SOP_INSTANCE = 0x0112
    NO_SUCH_EVENT_TYPE = 0x0113
    NO_SUCH_ARGUMENT = 0x0114
    INVALID_ARGUMENT_VALUE = 0x0115
    INVALID_SOP_INSTANCE = 0x0117
    NO_SUCH_SOP_CLASS = 0x0118
    CLASS_INSTANCE_CONFLICT = 0x0119
    MISSING_ATTRIBUTE = 0x0120
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NO_SUCH_ACTION_TYPE = 0x0123
    NOT_AUTHORIZED = 0x0124
    DUPLICATE_INVOCATION = 0x0210
    UNRECOGNIZED_OPERATION = 0x0211
    MISTYPED_ARGUMENT = 0x0212
    RESOURCE_LIMITATION = 0x0213
    CANCEL = 0xFE00
    PENDING = 0xFF00


@dataclass(frozen=True, slots=True)
class Request:
    """A request as its command set states it; absent texts are empty.

    Affected and Requested SOP Class and Instance UIDs are not told apart.
    """

    command_field: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_data_set: bool
    priority: int = 0
    move_destination: str = ""
    move_originator: tuple[str, int] | None = None  # AE title, message ID
    event_type_id: int | None = None
    action_type_id: int | None = None
    attribute_identifiers: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class SubOperations:
    """Counts of C-STORE sub-operations. `remaining` is None where it may not be sent."""

    remaining: int | None = None
    completed: int = 0
    failed: int = 0
    warning: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """A response as its command set states it; absent texts are empty."""

    command_field: int
    message_id: int  # being responded to
    status: int
    has_data_set: bool
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    error_comment: str = ""
    offending_elements: tuple[tuple[int, int], ...] = ()
    sub_operations: SubOperations | None = None
    event_type_id: int | None = None
    action_type_id: int | None = None


def decode_command(encoded: bytes | bytearray) -> Request | Response:
    """Read a command set. Raises `ProtocolViolation` for what is none."""
    elements = _elements(encoded)
    command_field = _required_number(elements, _COMMAND_FIELD)
    if command_field & _RESPONSE:
        return _response(command_field, elements)
    return _request(command_field, elements)


def decode_request(encoded: bytes | bytearray) -> Request:
    """Read the command set of a request. Raises `ProtocolViolation` for all else."""
    command = decode_command(encoded)
    if isinstance(command, Response):
        raise ProtocolViolation(Abort.BY_SERVICE_USER, "a response that answers no request")
    return command


def decode_response(encoded: bytes | bytearray) -> Response:
    """Read the command set of a response. Raises `ProtocolViolation` for all else."""
    command = decode_command(encoded)
    if isinstance(command, Request):
        raise ProtocolViolation(Abort.BY_SERVICE_USER, "a request where a response is due")
    return command


def encode_response(  # noqa: PLR0913 - one for each element that a response may have
    request: Request,
    status: int,
    *,
    error_comment: str = "",
    has_data_set: bool = False,
    sub_operations: SubOperations | None = None,
    offending_elements: Sequence[tuple[int, int]] = (),
    error_id: int | None = None,
    attribute_identifiers: Sequence[tuple[int, int]] = (),
    sop_instance_uid: str = "",
    event_type_id: int | None = None,
    action_type_id: int | None = None,
) -> bytes:
    """The command set that answers a request.

    The SOP Class and SOP Instance UIDs are echoed when the request had them;
    `sop_instance_uid` replaces the latter, for N-CREATE.
    """
    instance = sop_instance_uid or request.sop_instance_uid
    return _command_set(
        _element(_AFFECTED_SOP_CLASS_UID, _padded(request.sop_class_uid, b"\0")),
        _element(_COMMAND_FIELD, _US.pack(request.command_field | _RESPONSE)),
        _element(_MESSAGE_ID_BEING_RESPONDED_TO, _US.pack(request.message_id)),
        _element(_COMMAND_DATA_SET_TYPE, _US.pack(_A_DATA_SET if has_data_set else _NO_DATA_SET)),
        _element(_STATUS, _US.pack(status)),
        _element(_OFFENDING_ELEMENT, b"".join(_TAG.pack(*tag) for tag in offending_elements)),
        _element(_ERROR_COMMENT, _padded(_comment(error_comment), b" ")),
        _element(_ERROR_ID, _number(error_id)),
        _element(_AFFECTED_SOP_INSTANCE_UID, _padded(instance, b"\0")),
        _element(_EVENT_TYPE_ID, _number(event_type_id)),
        _element(
            _ATTRIBUTE_IDENTIFIER_LIST, b"".join(_TAG.pack(*tag) for tag in attribute_identifiers)
        ),
        _element(_ACTION_TYPE_ID, _number(action_type_id)),
        _encoded_counts(sub_operations) if sub_operations else b"",
    )


def encode_request(  # noqa: PLR0913 - one for each element that a request may have
    command_field: CommandField,
    *,
    message_id: int,
    sop_class_uid: str = "",
    sop_instance_uid: str = "",
    has_data_set: bool = False,
    priority: int | None = None,
    move_destination: str = "",
    move_originator: tuple[str, int] | None = None,
    event_type_id: int | None = None,
    action_type_id: int | None = None,
) -> bytes:
    """The command set of a request. Of a C-CANCEL-RQ the message ID is that to cancel."""
    is_requested = command_field in _REQUESTED
    is_cancel = command_field is CommandField.C_CANCEL_RQ
    sop_class = _padded(sop_class_uid, b"\0")
    sop_instance = _padded(sop_instance_uid, b"\0")
    originator, originator_message_id = move_originator or ("", None)
    return _command_set(
        _element(_REQUESTED_SOP_CLASS_UID if is_requested else _AFFECTED_SOP_CLASS_UID, sop_class),
        _element(_COMMAND_FIELD, _US.pack(command_field)),
        _element(
            _MESSAGE_ID_BEING_RESPONDED_TO if is_cancel else _MESSAGE_ID, _US.pack(message_id)
        ),
        _element(_MOVE_DESTINATION, _padded(move_destination, b" ")),
        _element(_PRIORITY, _number(priority)),
        _element(_COMMAND_DATA_SET_TYPE, _US.pack(_A_DATA_SET if has_data_set else _NO_DATA_SET)),
        _element(
            _REQUESTED_SOP_INSTANCE_UID if is_requested else _AFFECTED_SOP_INSTANCE_UID,
            sop_instance,
        ),
        _element(_EVENT_TYPE_ID, _number(event_type_id)),
        _element(_ACTION_TYPE_ID, _number(action_type_id)),
        _element(_MOVE_ORIGINATOR_AE_TITLE, _padded(originator, b" ")),
        _element(_MOVE_ORIGINATOR_MESSAGE_ID, _number(originator_message_id)),
    )


def _request(command_field: int, elements: dict[int, bytes]) -> Request:
    # C-CANCEL-RQ names the message it cancels and has no id of its own (PS3.7 9.3.2.3).
    is_cancel = command_field == CommandField.C_CANCEL_RQ
    message_id = _MESSAGE_ID_BEING_RESPONDED_TO if is_cancel else _MESSAGE_ID
    return Request(
        command_field=command_field,
        message_id=_required_number(elements, message_id),
        sop_class_uid=_text(elements, _AFFECTED_SOP_CLASS_UID, _REQUESTED_SOP_CLASS_UID),
        sop_instance_uid=_text(elements, _AFFECTED_SOP_INSTANCE_UID, _REQUESTED_SOP_INSTANCE_UID),
        has_data_set=_required_number(elements, _COMMAND_DATA_SET_TYPE) != _NO_DATA_SET,
        priority=_optional_number(elements, _PRIORITY) or 0,
        move_destination=_text(elements, _MOVE_DESTINATION),
        move_originator=_move_originator(elements),
        event_type_id=_optional_number(elements, _EVENT_TYPE_ID),
        action_type_id=_optional_number(elements, _ACTION_TYPE_ID),
        attribute_identifiers=_tags(elements, _ATTRIBUTE_IDENTIFIER_LIST),
    )


def _response(command_field: int, elements: dict[int, bytes]) -> Response:
    return Response(
        command_field=command_field,
        message_id=_required_number(elements, _MESSAGE_ID_BEING_RESPONDED_TO),
        status=_required_number(elements, _STATUS),
        has_data_set=_required_number(elements, _COMMAND_DATA_SET_TYPE) != _NO_DATA_SET,
        sop_class_uid=_text(elements, _AFFECTED_SOP_CLASS_UID, _REQUESTED_SOP_CLASS_UID),
        sop_instance_uid=_text(elements, _AFFECTED_SOP_INSTANCE_UID, _REQUESTED_SOP_INSTANCE_UID),
        error_comment=_text(elements, _ERROR_COMMENT),
        offending_elements=_tags(elements, _OFFENDING_ELEMENT),
        sub_operations=_counts(elements),
        event_type_id=_optional_number(elements, _EVENT_TYPE_ID),
        action_type_id=_optional_number(elements, _ACTION_TYPE_ID),
    )


def _elements(encoded: bytes | bytearray) -> dict[int, bytes]:
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


def _required_number(elements: dict[int, bytes], element: int) -> int:
    number = _optional_number(elements, element)
    if number is None:
        raise ProtocolViolation(Abort.BY_SERVICE_USER, f"command set lacks (0000,{element:04X})")
    return number


def _optional_number(elements: dict[int, bytes], element: int) -> int | None:
    value = elements.get(element)
    if value is None or len(value) != _US.size:
        return None
    return int.from_bytes(value, "little")


def _text(elements: dict[int, bytes], element: int, instead: int = 0) -> str:
    """The text of an element, of another one if that is absent, else empty."""
    value = elements.get(element) or (elements.get(instead) if instead else None)
    if not value:
        return ""
    return value.decode("ascii", errors="replace").strip("\0 ")[:64]


def _tags(elements: dict[int, bytes], element: int) -> tuple[tuple[int, int], ...]:
    value = elements.get(element)
    return tuple(_TAG.iter_unpack(value[: len(value) & ~3])) if value else ()


def _move_originator(elements: dict[int, bytes]) -> tuple[str, int] | None:
    message_id = _optional_number(elements, _MOVE_ORIGINATOR_MESSAGE_ID)
    return None if message_id is None else (_text(elements, _MOVE_ORIGINATOR_AE_TITLE), message_id)


def _counts(elements: dict[int, bytes]) -> SubOperations | None:
    if elements.keys().isdisjoint((_REMAINING, _COMPLETED, _FAILED, _WARNING)):
        return None
    return SubOperations(
        remaining=_optional_number(elements, _REMAINING),
        completed=_optional_number(elements, _COMPLETED) or 0,
        failed=_optional_number(elements, _FAILED) or 0,
        warning=_optional_number(elements, _WARNING) or 0,
    )


def _encoded_counts(counts: SubOperations) -> bytes:
    return b"".join(
        _element(element, _number(None if count is None else min(count, 0xFFFF)))  # VR US
        for element, count in (
            (_REMAINING, counts.remaining),
            (_COMPLETED, counts.completed),
            (_FAILED, counts.failed),
            (_WARNING, counts.warning),
        )
    )


def _command_set(*elements: bytes) -> bytes:
    encoded = b"".join(elements)
    return _element(0x0000, struct.pack("<I", len(encoded))) + encoded


def _element(element: int, value: bytes) -> bytes:
    """An element of group 0000; nothing at all when an optional value is absent."""
    return _ELEMENT.pack(0, element, len(value)) + value if value else b""


def _number(value: int | None) -> bytes:
    return b"" if value is None else _US.pack(value)


def _padded(value: str, padding: bytes) -> bytes:
    encoded = value.encode("ascii", errors="replace")
    return encoded + padding if len(encoded) % 2 else encoded


def _comment(text: str) -> str:
    """Text as VR LO allows it: 64 characters, no backslash, no control characters."""
    printable = "".join(
        character if " " <= character <= "~" and character != "\\" else " " for character in text
    )
    return " ".join(printable.split())[:ERROR_COMMENT_CHARACTERS_MAX]
