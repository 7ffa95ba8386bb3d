"""Which presentation contexts are accepted. Source: PS3.4 B.5, PS3.8 Table 9-18."""

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC

from ingestion.dimse.association_policy import EVERYTHING, Rules
from ingestion.dimse.association_request import AssociationRequest, ProposedContext
from ingestion.dimse.negotiation import (
    accepted,
    encode_acceptance,
    negotiate,
    negotiate_extensions,
)
from ingestion.dimse.supported_services import Openness, Service, service_of

# PS3.4 Table B.5-1, some of every kind; PS3.6 Table A-1 for the others.
STORAGE = [
    "1.2.840.10008.5.1.4.1.1.1",  # Computed Radiography
    "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
    "1.2.840.10008.5.1.4.1.1.88.59",  # Key Object Selection Document
    "1.2.840.10008.5.1.4.1.1.104.1",  # Encapsulated PDF
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.481.5",  # RT Plan
    "1.2.840.10008.5.1.4.34.7",  # RT Beams Delivery Instruction
]
# PS3.4 Tables A.4-1, C.6.1.3-1, C.6.2.3-1, C.6.3.3-1, F.7.1-1, J.3.6, R.3.
OURS = {
    "1.2.840.10008.1.1": "verification",
    "1.2.840.10008.5.1.4.1.2.1.1": "find",
    "1.2.840.10008.5.1.4.1.2.1.2": "move",
    "1.2.840.10008.5.1.4.1.2.1.3": "get",
    "1.2.840.10008.5.1.4.1.2.2.1": "find",
    "1.2.840.10008.5.1.4.1.2.2.2": "move",
    "1.2.840.10008.5.1.4.1.2.2.3": "get",
    "1.2.840.10008.5.1.4.1.2.3.1": "find",
    "1.2.840.10008.5.1.4.1.2.3.2": "move",
    "1.2.840.10008.5.1.4.1.2.3.3": "get",
    "1.2.840.10008.1.20.1": "commitment",
    "1.2.840.10008.3.1.2.3.3": "procedure_step",
    "1.2.840.10008.5.1.4.33": "availability",
}
OTHER_SERVICES = [
    "1.2.840.10008.5.1.4.31",  # Modality Worklist
    "1.2.840.10008.5.1.1.9",  # Basic Grayscale Print Management
    "1.2.840.10008.5.1.4.1.1.201.6",  # Repository Query, below the storage root
]
PRIVATE_OR_RETIRED = [
    "1.3.12.2.1107.5.9.1",  # CSA Non-Image
    "1.2.840.10008.5.1.4.1.1.6",  # Ultrasound (retired)
]


def request(*contexts: ProposedContext, is_asynchronous: bool = False) -> AssociationRequest:
    return AssociationRequest(
        1, "INGEST", "MODALITY", "1.2.840.10008.3.1.1.1", contexts, 0, is_asynchronous, ""
    )


def decoded_acceptance(
    asked: AssociationRequest, rules: Rules = EVERYTHING, *, confirms_identity: bool = False
) -> A_ASSOCIATE_AC:
    """Our answer as pynetdicom reads it."""
    contexts = negotiate(asked, Openness.KNOWN, rules)
    encoded = encode_acceptance(
        asked,
        contexts,
        pdu_bytes_max=4096,
        extended=negotiate_extensions(asked, accepted(contexts)),
        confirms_identity=confirms_identity,
    )
    pdu = A_ASSOCIATE_AC()
    pdu.decode(encoded)
    return pdu


@pytest.mark.parametrize("uid", STORAGE)
@pytest.mark.parametrize("openness", Openness)
def test_storage_is_always_supported(uid: str, openness: Openness) -> None:
    assert service_of(uid, openness) is Service.STORE


@pytest.mark.parametrize("uid", OURS)
@pytest.mark.parametrize("openness", Openness)
def test_our_services_are_told_apart(uid: str, openness: Openness) -> None:
    assert service_of(uid, openness) == OURS[uid]


@pytest.mark.parametrize("uid", [*OTHER_SERVICES, "", "no uid", "1..2"])
@pytest.mark.parametrize("openness", Openness)
def test_other_services_never_are(uid: str, openness: Openness) -> None:
    assert service_of(uid, openness) is None


@pytest.mark.parametrize("uid", PRIVATE_OR_RETIRED)
def test_private_and_retired_classes_need_the_option(uid: str) -> None:
    assert service_of(uid, Openness.ANY) is Service.STORE
    assert service_of(uid, Openness.KNOWN) is None


@pytest.mark.parametrize(
    ("proposed", "openness", "chosen"),
    [
        (["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"], Openness.KNOWN, "1.2.840.10008.1.2"),
        (["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"], Openness.KNOWN, "1.2.840.10008.1.2.1"),
        (["1.2.840.10008.1.2.4.201"], Openness.KNOWN, "1.2.840.10008.1.2.4.201"),
        (["1.2.840.10008.1.2.2"], Openness.KNOWN, "1.2.840.10008.1.2.2"),
        (["1.2.3.4", "1.2.840.10008.1.2"], Openness.KNOWN, "1.2.840.10008.1.2"),
        (["1.2.3.4", "1.2.840.10008.1.2"], Openness.ANY, "1.2.3.4"),
        (["1.2.3.4"], Openness.KNOWN, None),
        ([], Openness.ANY, None),
        (["nonsense"], Openness.ANY, None),
    ],
)
def test_first_transfer_syntax_that_can_be_kept_is_chosen(
    proposed: list[str], openness: Openness, chosen: str | None
) -> None:
    context = ProposedContext(1, STORAGE[0], tuple(proposed))
    answered = accepted(negotiate(request(context), openness))
    assert (answered[1].transfer_syntax if answered else None) == chosen


def test_acceptance_is_read_by_pynetdicom_as_meant() -> None:
    asked = request(
        ProposedContext(1, STORAGE[0], ("1.2.840.10008.1.2.4.90",)),
        ProposedContext(3, OTHER_SERVICES[0], ("1.2.840.10008.1.2",)),
        ProposedContext(255, STORAGE[0], ("not a uid" * 20,)),
        is_asynchronous=True,
    )
    pdu = decoded_acceptance(asked)
    assert [(c.presentation_context_id, c.result) for c in pdu.presentation_context] == [
        (1, 0),
        (3, 3),
        (255, 4),
    ]
    assert pdu.presentation_context[0].transfer_syntax == "1.2.840.10008.1.2.4.90"
    assert pdu.application_context_name == "1.2.840.10008.3.1.1.1"
    information = pdu.user_information
    assert information is not None
    assert information.maximum_length == 4096
    window = information.async_ops_window
    assert window is not None
    assert window.max_operations_invoked == window.max_operations_performed == 1


def test_window_is_not_mentioned_to_a_peer_that_did_not_ask() -> None:
    asked = request(ProposedContext(1, STORAGE[0], ("1.2.840.10008.1.2",)))
    pdu = decoded_acceptance(asked)
    assert pdu.user_information is not None
    assert pdu.user_information.async_ops_window is None
