"""Command sets, against pynetdicom's own codec. Source: PS3.7 6.3.1, 9.3, E.1."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ, N_ACTION_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_ECHO, C_STORE, N_ACTION
from pynetdicom.dsutils import decode, encode

from ingestion.dimse.commands import Request, decode_request, encode_response
from ingestion.dimse.upper_layer import ProtocolViolation

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
    try:
        decode_request(encoded_command)
    except ProtocolViolation:
        return


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
