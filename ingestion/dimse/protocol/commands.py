"""Command sets, read and written.

Source: PS3.7 9.3 and 10.3 (messages), Annex C (statuses), Table E.1-1 (command fields).
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingestion.dimse.protocol.command_elements import (
    Element,
    decode_elements,
    encode_elements,
    encoded_comment,
    encoded_number,
    encoded_tags,
    encoded_text,
    encoded_uid,
    optional_number,
    required_number,
    tags,
    text,
)

COMMAND_BYTES_MAX = 64 * 1024  # real command sets have less than 500 bytes

_NO_DATA_SET = 0x0101
_A_DATA_SET = 0x0001
_RESPONSE = 0x8000


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
    elements = decode_elements(encoded)
    command_field = required_number(elements, Element.COMMAND_FIELD)
    if command_field & _RESPONSE:
        return _response(command_field, elements)
    return _request(command_field, elements)


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
    return encode_elements(
        {
            Element.AFFECTED_SOP_CLASS_UID: encoded_uid(request.sop_class_uid),
            Element.COMMAND_FIELD: encoded_number(request.command_field | _RESPONSE),
            Element.MESSAGE_ID_BEING_RESPONDED_TO: encoded_number(request.message_id),
            Element.COMMAND_DATA_SET_TYPE: _data_set_type(has_data_set=has_data_set),
            Element.STATUS: encoded_number(status),
            Element.OFFENDING_ELEMENT: encoded_tags(offending_elements),
            Element.ERROR_COMMENT: encoded_comment(error_comment),
            Element.ERROR_ID: encoded_number(error_id),
            Element.AFFECTED_SOP_INSTANCE_UID: encoded_uid(
                sop_instance_uid or request.sop_instance_uid
            ),
            Element.EVENT_TYPE_ID: encoded_number(event_type_id),
            Element.ATTRIBUTE_IDENTIFIER_LIST: encoded_tags(attribute_identifiers),
            Element.ACTION_TYPE_ID: encoded_number(action_type_id),
            **(_encoded_counts(sub_operations) if sub_operations else {}),
        }
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
    sop_class = Element.REQUESTED_SOP_CLASS_UID if is_requested else Element.AFFECTED_SOP_CLASS_UID
    sop_instance = (
        Element.REQUESTED_SOP_INSTANCE_UID if is_requested else Element.AFFECTED_SOP_INSTANCE_UID
    )
    originator, originator_message_id = move_originator or ("", None)
    return encode_elements(
        {
            sop_class: encoded_uid(sop_class_uid),
            Element.COMMAND_FIELD: encoded_number(command_field),
            _message_id_element(is_cancel=is_cancel): encoded_number(message_id),
            Element.MOVE_DESTINATION: encoded_text(move_destination),
            Element.PRIORITY: encoded_number(priority),
            Element.COMMAND_DATA_SET_TYPE: _data_set_type(has_data_set=has_data_set),
            sop_instance: encoded_uid(sop_instance_uid),
            Element.EVENT_TYPE_ID: encoded_number(event_type_id),
            Element.ACTION_TYPE_ID: encoded_number(action_type_id),
            Element.MOVE_ORIGINATOR_AE_TITLE: encoded_text(originator),
            Element.MOVE_ORIGINATOR_MESSAGE_ID: encoded_number(originator_message_id),
        }
    )


def _request(command_field: int, elements: Mapping[int, bytes]) -> Request:
    message_id = _message_id_element(is_cancel=command_field == CommandField.C_CANCEL_RQ)
    return Request(
        command_field=command_field,
        message_id=required_number(elements, message_id),
        sop_class_uid=text(
            elements, Element.AFFECTED_SOP_CLASS_UID, Element.REQUESTED_SOP_CLASS_UID
        ),
        sop_instance_uid=text(
            elements, Element.AFFECTED_SOP_INSTANCE_UID, Element.REQUESTED_SOP_INSTANCE_UID
        ),
        has_data_set=required_number(elements, Element.COMMAND_DATA_SET_TYPE) != _NO_DATA_SET,
        priority=optional_number(elements, Element.PRIORITY) or 0,
        move_destination=text(elements, Element.MOVE_DESTINATION),
        move_originator=_move_originator(elements),
        event_type_id=optional_number(elements, Element.EVENT_TYPE_ID),
        action_type_id=optional_number(elements, Element.ACTION_TYPE_ID),
        attribute_identifiers=tags(elements, Element.ATTRIBUTE_IDENTIFIER_LIST),
    )


def _response(command_field: int, elements: Mapping[int, bytes]) -> Response:
    return Response(
        command_field=command_field,
        message_id=required_number(elements, Element.MESSAGE_ID_BEING_RESPONDED_TO),
        status=required_number(elements, Element.STATUS),
        has_data_set=required_number(elements, Element.COMMAND_DATA_SET_TYPE) != _NO_DATA_SET,
        sop_class_uid=text(
            elements, Element.AFFECTED_SOP_CLASS_UID, Element.REQUESTED_SOP_CLASS_UID
        ),
        sop_instance_uid=text(
            elements, Element.AFFECTED_SOP_INSTANCE_UID, Element.REQUESTED_SOP_INSTANCE_UID
        ),
        error_comment=text(elements, Element.ERROR_COMMENT),
        offending_elements=tags(elements, Element.OFFENDING_ELEMENT),
        sub_operations=_counts(elements),
        event_type_id=optional_number(elements, Element.EVENT_TYPE_ID),
        action_type_id=optional_number(elements, Element.ACTION_TYPE_ID),
    )


def _move_originator(elements: Mapping[int, bytes]) -> tuple[str, int] | None:
    message_id = optional_number(elements, Element.MOVE_ORIGINATOR_MESSAGE_ID)
    return (
        None
        if message_id is None
        else (text(elements, Element.MOVE_ORIGINATOR_AE_TITLE), message_id)
    )


def _counts(elements: Mapping[int, bytes]) -> SubOperations | None:
    if elements.keys().isdisjoint(
        (Element.REMAINING, Element.COMPLETED, Element.FAILED, Element.WARNING)
    ):
        return None
    return SubOperations(
        remaining=optional_number(elements, Element.REMAINING),
        completed=optional_number(elements, Element.COMPLETED) or 0,
        failed=optional_number(elements, Element.FAILED) or 0,
        warning=optional_number(elements, Element.WARNING) or 0,
    )


def _encoded_counts(counts: SubOperations) -> dict[int, bytes]:
    """The counts, as far as VR US can say them."""
    return {
        element: encoded_number(None if count is None else min(count, 0xFFFF))
        for element, count in (
            (Element.REMAINING, counts.remaining),
            (Element.COMPLETED, counts.completed),
            (Element.FAILED, counts.failed),
            (Element.WARNING, counts.warning),
        )
    }


def _message_id_element(*, is_cancel: bool) -> int:
    """C-CANCEL-RQ names the message it cancels and has no ID of its own (PS3.7 9.3.2.3)."""
    return Element.MESSAGE_ID_BEING_RESPONDED_TO if is_cancel else Element.MESSAGE_ID


def _data_set_type(*, has_data_set: bool) -> bytes:
    return encoded_number(_A_DATA_SET if has_data_set else _NO_DATA_SET)
