"""Command sets, against pynetdicom's own codec. Source: PS3.7 6.3.1, 9.3, E.1."""

from contextlib import suppress
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pynetdicom.dimse_messages import (
    C_ECHO_RQ,
    C_MOVE_RQ,
    C_STORE_RQ,
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
    N_GET_RQ,
    DIMSEMessage,
)
from pynetdicom.dimse_primitives import C_ECHO, C_MOVE, C_STORE, N_ACTION, N_EVENT_REPORT, N_GET
from pynetdicom.dsutils import decode, encode

from ingestion.dimse.protocol.commands import (
    CommandField,
    Request,
    Response,
    SubOperations,
    decode_command,
    encode_request,
    encode_response,
)
from ingestion.dimse.protocol.upper_layer import ProtocolViolation
from tests.command_sets import decode_request, decode_response
from tests.scripted_peer import elements

Tags = tuple[tuple[int, int], ...]

UIDS = st.lists(st.integers(0, 10**9), min_size=2, max_size=6).map(
    lambda components: ".".join(map(str, components))
)
MESSAGE_IDS = st.integers(0, 65535)


def encoded(message: DIMSEMessage) -> bytes:
    command = encode(message.command_set, True, True)
    assert command is not None
    return command


@given(MESSAGE_IDS, UIDS, UIDS)
def test_c_store_rq_of_pynetdicom_is_understood(
    message_id: int, sop_class_uid: str, sop_instance_uid: str
) -> None:
    primitive = C_STORE()
    primitive.MessageID = message_id
    primitive.AffectedSOPClassUID = sop_class_uid
    primitive.AffectedSOPInstanceUID = sop_instance_uid
    primitive.Priority = 2
    primitive.MoveOriginatorApplicationEntityTitle = "MOVER"
    primitive.DataSet = BytesIO(b"data")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    assert decode_request(encoded(message)) == Request(
        command_field=1,
        message_id=message_id,
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        has_data_set=True,
        priority=2,
    )


@given(MESSAGE_IDS)
def test_c_echo_rq_of_pynetdicom_is_understood(message_id: int) -> None:
    primitive = C_ECHO()
    primitive.MessageID = message_id
    primitive.AffectedSOPClassUID = "1.2.840.10008.1.1"
    message = C_ECHO_RQ()
    message.primitive_to_message(primitive)
    assert decode_request(encoded(message)) == Request(
        0x30, message_id, "1.2.840.10008.1.1", "", has_data_set=False
    )


def test_requested_uids_of_n_services_count_as_the_affected_ones() -> None:
    primitive = N_ACTION()
    primitive.MessageID = 3
    primitive.RequestedSOPClassUID = "1.2.840.10008.1.20.1"
    primitive.RequestedSOPInstanceUID = "1.2.840.10008.1.20.1.1"
    primitive.ActionTypeID = 1
    message = N_ACTION_RQ()
    message.primitive_to_message(primitive)
    request = decode_request(encoded(message))
    assert request.sop_class_uid == "1.2.840.10008.1.20.1"
    assert request.sop_instance_uid == "1.2.840.10008.1.20.1.1"


@given(
    st.sampled_from([0x0001, 0x0020, 0x0030, 0x0130]),
    MESSAGE_IDS,
    UIDS | st.just(""),
    UIDS | st.just(""),
    st.integers(0, 65535),
    st.text(),
)
def test_response_is_read_by_pynetdicom_as_meant(
    command_field: int, message_id: int, sop_class: str, sop_instance: str, status: int, text: str
) -> None:
    request = Request(command_field, message_id, sop_class, sop_instance, has_data_set=True)
    response = encode_response(request, status, error_comment=text)
    command: Dataset = decode(BytesIO(response), True, True)
    assert command.CommandGroupLength == len(response) - 12
    assert command.CommandField == command_field | 0x8000
    assert command.MessageIDBeingRespondedTo == message_id
    assert command.CommandDataSetType == 0x0101
    assert command.Status == status
    assert command.get("AffectedSOPClassUID", "") == sop_class
    assert command.get("AffectedSOPInstanceUID", "") == sop_instance
    comment = command.get("ErrorComment", "") or ""
    assert len(comment) <= 64
    assert "\\" not in comment
    assert [element.tag for element in command] == sorted(element.tag for element in command)


@pytest.mark.parametrize(
    ("text", "comment"),
    [("x" * 70, "x" * 64), ("a\\b\n c", "a b c"), ("größer", "gr er"), ("", "")],
)
def test_error_comment_is_a_long_string(text: str, comment: str) -> None:
    response = encode_response(
        Request(1, 1, "1.2", "1.3", has_data_set=True), 1, error_comment=text
    )
    command: Dataset = decode(BytesIO(response), True, True)
    assert (command.get("ErrorComment", "") or "") == comment


@given(st.binary(max_size=200))
def test_anything_else_is_a_violation(encoded_command: bytes) -> None:
    with suppress(ProtocolViolation):
        assert isinstance(decode_command(encoded_command), Request | Response)


@given(st.data())
def test_command_set_cut_anywhere_is_a_violation_or_lacks_an_optional_end(
    data: st.DataObject,
) -> None:
    primitive = C_STORE()
    primitive.MessageID = 1
    primitive.AffectedSOPClassUID = "1.2"
    primitive.AffectedSOPInstanceUID = "1.3"
    primitive.Priority = 2
    primitive.DataSet = BytesIO(b"data")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    command = encoded(message)
    cut = data.draw(st.integers(0, len(command) - 1))
    try:
        request = decode_request(command[:cut])
    except ProtocolViolation:
        return
    assert request.sop_instance_uid == ""


# --- the other elements, and what we ask ourselves

NUMBERS = st.integers(0, 65535)
TITLES = st.text("AZ_09", min_size=1, max_size=16)
TAGS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4).map(tuple)


@settings(max_examples=30)
@given(MESSAGE_IDS, TITLES, st.integers(0, 2))
def test_c_move_rq_of_pynetdicom_is_understood(
    message_id: int, destination: str, priority: int
) -> None:
    primitive = C_MOVE()
    primitive.MessageID = message_id
    primitive.AffectedSOPClassUID = "1.2.840.10008.5.1.4.1.2.2.2"
    primitive.Priority = priority
    primitive.MoveDestination = destination
    primitive.Identifier = BytesIO(b"data")
    message = C_MOVE_RQ()
    message.primitive_to_message(primitive)
    assert decode_request(encoded(message)) == Request(
        command_field=0x21,
        message_id=message_id,
        sop_class_uid="1.2.840.10008.5.1.4.1.2.2.2",
        sop_instance_uid="",
        has_data_set=True,
        priority=priority,
        move_destination=destination,
    )


@settings(max_examples=30)
@given(NUMBERS, TAGS)
def test_numbers_and_tags_of_n_services_are_understood(number: int, tags: Tags) -> None:
    action, event, get = N_ACTION(), N_EVENT_REPORT(), N_GET()
    for primitive in (action, get):
        primitive.RequestedSOPClassUID = "1.2"
        primitive.RequestedSOPInstanceUID = "1.3"
    event.AffectedSOPClassUID = "1.2"
    event.AffectedSOPInstanceUID = "1.3"
    action.ActionTypeID = event.EventTypeID = number
    get.AttributeIdentifierList = [BaseTag((group << 16) + item) for group, item in tags]
    messages: list[tuple[Any, DIMSEMessage]] = [
        (action, N_ACTION_RQ()),
        (event, N_EVENT_REPORT_RQ()),
        (get, N_GET_RQ()),
    ]
    requests = []
    for asked, message in messages:
        asked.MessageID = 3
        message.primitive_to_message(asked)
        requests.append(decode_request(encoded(message)))
    assert [request.action_type_id for request in requests] == [number, None, None]
    assert [request.event_type_id for request in requests] == [None, number, None]
    assert [request.attribute_identifiers for request in requests] == [(), (), tags]
    assert {request.sop_instance_uid for request in requests} == {"1.3"}


COUNTS = st.builds(SubOperations, st.none() | NUMBERS, NUMBERS, NUMBERS, NUMBERS)


@settings(max_examples=30)
@given(NUMBERS, COUNTS, TAGS, st.booleans())
def test_response_with_everything_comes_back(
    status: int, counts: SubOperations, tags: Tags, has_data_set: bool
) -> None:
    request = Request(0x21, 7, "1.2", "", has_data_set=True)
    encoded_response = encode_response(
        request,
        status,
        error_comment="why",
        has_data_set=has_data_set,
        sub_operations=counts,
        offending_elements=tags,
        error_id=9,
        sop_instance_uid="1.4",
        event_type_id=2,
        action_type_id=1,
    )
    assert decode_response(encoded_response) == Response(
        command_field=0x8021,
        message_id=7,
        status=status,
        has_data_set=has_data_set,
        sop_class_uid="1.2",
        sop_instance_uid="1.4",
        error_comment="why",
        offending_elements=tags,
        sub_operations=counts,
        event_type_id=2,
        action_type_id=1,
    )
    command: Dataset = decode(BytesIO(encoded_response), True, True)
    assert command.get("NumberOfRemainingSuboperations") == counts.remaining
    assert command.NumberOfFailedSuboperations == counts.failed
    assert command.ErrorID == 9
    assert [element.tag for element in command] == sorted(element.tag for element in command)


def test_more_sub_operations_than_can_be_said_are_the_most_that_can() -> None:
    request = Request(0x21, 7, "1.2", "", has_data_set=True)
    response = decode_response(
        encode_response(request, 0, sub_operations=SubOperations(None, 100_000, 65536, 0))
    )
    assert response.sub_operations == SubOperations(None, 65535, 65535, 0)


# PS3.7 9.3 and 10.3: elements of each request; "requested" where the SOP Instance exists already.
REQUESTS: dict[CommandField, tuple[int, ...]] = {
    CommandField.C_STORE_RQ: (0x0002, 0x1000),
    CommandField.C_FIND_RQ: (0x0002, 0x1000),
    CommandField.N_EVENT_REPORT_RQ: (0x0002, 0x1000),
    CommandField.N_CREATE_RQ: (0x0002, 0x1000),
    CommandField.N_GET_RQ: (0x0003, 0x1001),
    CommandField.N_SET_RQ: (0x0003, 0x1001),
    CommandField.N_ACTION_RQ: (0x0003, 0x1001),
    CommandField.N_DELETE_RQ: (0x0003, 0x1001),
}


@pytest.mark.parametrize("field", REQUESTS)
def test_request_names_its_sop_instance_as_its_service_does(field: CommandField) -> None:
    command = elements(
        encode_request(field, message_id=5, sop_class_uid="1.2", sop_instance_uid="1.3.4")
    )
    sop_class, sop_instance = REQUESTS[field]
    assert {number for number in command if number & 0xFFFE in {0x0002, 0x1000}} == {
        sop_class,
        sop_instance,
    }
    assert (command[sop_class], command[sop_instance]) == (b"1.2\0", b"1.3.4\0")
    assert command[0x0110] == b"\5\0"


def test_c_store_rq_of_a_move_says_who_asked() -> None:
    encoded_request = encode_request(
        CommandField.C_STORE_RQ,
        message_id=5,
        sop_class_uid="1.2",
        sop_instance_uid="1.3",
        has_data_set=True,
        priority=2,
        move_originator=("MOVER", 77),
    )
    command: Dataset = decode(BytesIO(encoded_request), True, True)
    assert command.MoveOriginatorApplicationEntityTitle == "MOVER"
    assert command.MoveOriginatorMessageID == 77
    assert command.Priority == 2
    assert command.CommandDataSetType == 1
    assert decode_request(encoded_request).move_originator == ("MOVER", 77)


def test_cancel_names_the_message_that_it_cancels() -> None:
    command = elements(encode_request(CommandField.C_CANCEL_RQ, message_id=5))
    assert set(command) == {0x0000, 0x0100, 0x0120, 0x0800}
    assert command[0x0120] == b"\5\0"


def test_request_is_no_response_and_response_no_request() -> None:
    request = encode_request(CommandField.C_ECHO_RQ, message_id=1, sop_class_uid="1.2")
    assert isinstance(decode_command(request), Request)
    assert isinstance(decode_command(encode_response(decode_request(request), 0)), Response)


# PS3.7 Table E.1-1, Command Field.
COMMAND_FIELDS = {
    "C_STORE": 0x0001,
    "C_GET": 0x0010,
    "C_FIND": 0x0020,
    "C_MOVE": 0x0021,
    "C_ECHO": 0x0030,
    "N_EVENT_REPORT": 0x0100,
    "N_GET": 0x0110,
    "N_SET": 0x0120,
    "N_ACTION": 0x0130,
    "N_CREATE": 0x0140,
    "N_DELETE": 0x0150,
}


def test_command_fields_are_those_of_the_standard() -> None:
    expected = {"C_CANCEL_RQ": 0x0FFF}
    for name, number in COMMAND_FIELDS.items():
        expected |= {f"{name}_RQ": number, f"{name}_RSP": number | 0x8000}
    assert {field.name: field.value for field in CommandField} == expected
