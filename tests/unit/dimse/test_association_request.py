"""A-ASSOCIATE-RQ, against pynetdicom's encoder and against hostile bytes. Source: PS3.8 9.3.2."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import build_context

from ingestion.dimse.protocol.association_request import (
    AssociationRequest,
    ProposedContext,
    decode_association_request,
)
from ingestion.dimse.protocol.extended_negotiation import OfferedIdentity, Roles
from ingestion.dimse.protocol.upper_layer import Abort, ProtocolViolation
from tests.scripted_peer import ECHO_AND_CT, associate_rq, item

UIDS = st.lists(st.integers(0, 10**9), min_size=2, max_size=6).map(
    lambda components: ".".join(map(str, components))
)
TITLES = st.text("AZ_09", min_size=1, max_size=16)
CONTEXTS = st.lists(
    st.tuples(UIDS, st.lists(UIDS, min_size=1, max_size=4, unique=True)), min_size=1, max_size=6
)


@settings(max_examples=50)
@given(TITLES, TITLES, CONTEXTS, st.integers(0, 2**32 - 1), st.booleans())
def test_request_of_pynetdicom_is_understood(
    called: str,
    calling: str,
    contexts: list[tuple[str, list[str]]],
    pdu_bytes_max: int,
    is_asynchronous: bool,
) -> None:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.called_ae_title = called
    primitive.calling_ae_title = calling
    for index, (abstract, syntaxes) in enumerate(contexts):
        context = build_context(abstract, list(syntaxes))
        context.context_id = 2 * index + 1
        primitive.presentation_context_definition_list.append(context)
    primitive.user_information = user_information(pdu_bytes_max, is_asynchronous=is_asynchronous)
    assert decode_association_request(A_ASSOCIATE_RQ(primitive).encode()[6:]) == AssociationRequest(
        protocol_version=1,
        called_ae_title=called,
        calling_ae_title=calling,
        application_context_name="1.2.840.10008.3.1.1.1",
        contexts=tuple(
            ProposedContext(2 * index + 1, abstract, tuple(syntaxes))
            for index, (abstract, syntaxes) in enumerate(contexts)
        ),
        pdu_bytes_max=pdu_bytes_max,
        proposes_asynchronous_operations=is_asynchronous,
        implementation_version_name="PYTHON",
    )


def user_information(pdu_bytes_max: int, *, is_asynchronous: bool) -> list[Any]:
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = pdu_bytes_max
    class_uid = ImplementationClassUIDNotification()
    class_uid.implementation_class_uid = "1.2.3"
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = "PYTHON"
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 0
    window.maximum_number_operations_performed = 0
    return [maximum, class_uid, version, *([window] if is_asynchronous else [])]


ROLES = st.sampled_from([(True, False), (False, True), (True, True)])


@settings(max_examples=50)
@given(
    roles=st.dictionaries(UIDS, ROLES, max_size=3),
    extended=st.dictionaries(UIDS, st.binary(min_size=1, max_size=7), max_size=3),
    identity=st.none() | st.tuples(st.booleans(), st.binary(min_size=1), st.binary(min_size=1)),
)
def test_extensions_of_pynetdicom_are_understood(
    roles: dict[str, tuple[bool, bool]],
    extended: dict[str, bytes],
    identity: tuple[bool, bytes, bytes] | None,
) -> None:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.called_ae_title, primitive.calling_ae_title = "INGEST", "MODALITY"
    context = build_context("1.2.3", "1.2")
    context.context_id = 1
    primitive.presentation_context_definition_list = [context]
    primitive.user_information = [
        *user_information(0, is_asynchronous=False),
        *(role_selection(uid, *wanted) for uid, wanted in roles.items()),
        *(extended_negotiation(uid, information) for uid, information in extended.items()),
        common_extended_negotiation(),
        *([user_identity(*identity)] if identity else []),
    ]
    request = decode_association_request(A_ASSOCIATE_RQ(primitive).encode()[6:])
    assert request.roles == {uid: Roles(*wanted) for uid, wanted in roles.items()}
    assert request.extended == extended
    if identity is None:
        assert request.user_identity is None
    else:
        wants_response, name, passcode = identity
        assert request.user_identity == OfferedIdentity(2, wants_response, name, passcode)


def role_selection(uid: str, scu: bool, scp: bool) -> SCP_SCU_RoleSelectionNegotiation:
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid = uid
    role.scu_role, role.scp_role = scu, scp
    return role


def extended_negotiation(uid: str, information: bytes) -> SOPClassExtendedNegotiation:
    negotiation = SOPClassExtendedNegotiation()
    negotiation.sop_class_uid = uid
    negotiation.service_class_application_information = information
    return negotiation


def common_extended_negotiation() -> SOPClassCommonExtendedNegotiation:
    negotiation = SOPClassCommonExtendedNegotiation()
    negotiation.sop_class_uid = "1.2.3"
    negotiation.service_class_uid = "1.2.4"
    negotiation.related_general_sop_class_identification = ["1.2.5"]
    return negotiation


def user_identity(wants_response: bool, name: bytes, passcode: bytes) -> UserIdentityNegotiation:
    negotiation = UserIdentityNegotiation()
    negotiation.user_identity_type = 2
    negotiation.positive_response_requested = wants_response
    negotiation.primary_field = name
    negotiation.secondary_field = passcode
    return negotiation


@pytest.mark.parametrize(
    "request_pdu",
    [
        associate_rq([]),
        associate_rq([*ECHO_AND_CT, (1, "1.2", ["1.2"])]),
        associate_rq([(2, "1.2", ["1.2"])]),
        associate_rq([(1, "1.2", ["1.2"])], further_items=item(0x20, b"\1")),
        associate_rq(user_items=b"\x59\0"),
        associate_rq()[:-1],
        associate_rq()[:70],
    ],
    ids=["none", "same ID twice", "even ID", "no ID", "torn user item", "torn", "short"],
)
def test_malformed_request_is_an_invalid_parameter(request_pdu: bytes) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        decode_association_request(request_pdu[6:])
    assert caught.value.abort is Abort.INVALID_PDU_PARAMETER


def test_128_contexts_are_taken_and_not_one_more() -> None:
    contexts = [(2 * index + 1, "1.2.3", ["1.2"]) for index in range(128)]
    assert len(decode_association_request(associate_rq(contexts)[6:]).contexts) == 128


def test_title_outside_ascii_is_read_without_an_error() -> None:
    request = bytearray(associate_rq()[6:])
    request[4:8] = b"\xff\xfe\x80\x81"
    assert not decode_association_request(bytes(request)).called_ae_title.isascii()


@given(st.binary(max_size=300))
def test_anything_is_a_request_or_a_violation(body: bytes) -> None:
    try:
        decode_association_request(body)
    except ProtocolViolation:
        return


@given(st.integers(0, 250), st.binary(min_size=1, max_size=8))
def test_damaged_request_is_a_request_or_a_violation(offset: int, damage: bytes) -> None:
    body = bytearray(associate_rq()[6:])
    body[offset : offset + len(damage)] = damage
    try:
        decode_association_request(bytes(body))
    except ProtocolViolation:
        return
