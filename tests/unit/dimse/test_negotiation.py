"""Which presentation contexts are accepted. Source: PS3.4 B.5, PS3.8 Table 9-18."""

from dataclasses import replace

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_items import UserIdentitySubItemAC

from ingestion.dimse.protocol.association_request import AssociationRequest, ProposedContext
from ingestion.dimse.protocol.association_rules import EVERYTHING, Rules
from ingestion.dimse.protocol.extended_negotiation import OfferedIdentity, Roles
from ingestion.dimse.protocol.negotiation import (
    AnsweredContext,
    accepted,
    encode_acceptance,
    negotiate,
    negotiate_extensions,
)
from ingestion.dimse.protocol.supported_services import Openness, Service, service_of

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
# PS3.6 Table A-1, "(Retired)": storage that PS3.4 B.5 had once, and old archives hold.
RETIRED_STORAGE = [
    "1.2.840.10008.5.1.1.29",  # Hardcopy Grayscale
    "1.2.840.10008.5.1.1.30",  # Hardcopy Color
    "1.2.840.10008.5.1.4.1.1.3",  # Ultrasound Multi-frame
    "1.2.840.10008.5.1.4.1.1.5",  # Nuclear Medicine
    "1.2.840.10008.5.1.4.1.1.6",  # Ultrasound
    "1.2.840.10008.5.1.4.1.1.8",  # Standalone Overlay
    "1.2.840.10008.5.1.4.1.1.9",  # Standalone Curve
    "1.2.840.10008.5.1.4.1.1.10",  # Standalone Modality LUT
    "1.2.840.10008.5.1.4.1.1.11",  # Standalone VOI LUT
    "1.2.840.10008.5.1.4.1.1.12.3",  # X-Ray Angiographic Bi-Plane
    "1.2.840.10008.5.1.4.1.1.129",  # Standalone PET Curve
]
PRIVATE_OR_UNKNOWN = [
    "1.3.12.2.1107.5.9.1",  # CSA Non-Image
    "1.2.840.10008.5.1.4.1.1.88.999",  # below the storage root, and of no edition yet
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


@pytest.mark.parametrize("uid", [*STORAGE, *RETIRED_STORAGE])
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


@pytest.mark.parametrize("uid", PRIVATE_OR_UNKNOWN)
def test_private_and_unknown_classes_need_the_option(uid: str) -> None:
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


CT = STORAGE[1]
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
COMMITMENT = "1.2.840.10008.1.20.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
MPEG4 = "1.2.840.10008.1.2.4.102"
JPEG = "1.2.840.10008.1.2.4.50"


def answered(
    abstract_syntax: str,
    *transfer_syntaxes: str,
    roles: Roles | None = None,
    rules: Rules = EVERYTHING,
) -> AnsweredContext:
    """The answer to one context."""
    asked = replace(
        request(ProposedContext(1, abstract_syntax, transfer_syntaxes or (IMPLICIT,))),
        roles={abstract_syntax: roles} if roles else {},
    )
    return negotiate(asked, Openness.KNOWN, rules)[0]


@pytest.mark.parametrize(
    ("proposed", "chosen"),
    [
        ([JPEG, EXPLICIT, IMPLICIT], EXPLICIT),
        ([IMPLICIT, EXPLICIT], IMPLICIT),
        (["1.2.840.10008.1.2.2"], "1.2.840.10008.1.2.2"),
        ([JPEG], None),
        (["1.2.840.10008.1.2.1.99"], None),  # deflated
    ],
)
def test_queries_come_in_a_syntax_that_we_read(proposed: list[str], chosen: str | None) -> None:
    context = answered(STUDY_ROOT_FIND, *proposed)
    assert (context.result == 0) == (chosen is not None)
    assert chosen is None or context.transfer_syntax == chosen


@pytest.mark.parametrize(
    ("uid", "proposed", "granted"),
    [
        (CT, (True, False), (True, False)),
        (CT, (False, True), (False, True)),
        (CT, (True, True), (True, True)),
        (COMMITMENT, (False, True), (False, True)),
        (STUDY_ROOT_FIND, (True, True), (True, False)),
    ],
)
def test_peer_is_what_it_wants_to_be_where_that_makes_sense(
    uid: str, proposed: tuple[bool, bool], granted: tuple[bool, bool]
) -> None:
    context = answered(uid, roles=Roles(*proposed))
    assert (context.result, context.peer_is_scu, context.peer_is_scp) == (0, *granted)


@pytest.mark.parametrize(
    ("uid", "roles"), [(STUDY_ROOT_FIND, Roles(is_scu=False, is_scp=True)), (CT, Roles(False))]
)
def test_context_without_a_role_is_rejected_by_the_user(uid: str, roles: Roles) -> None:
    assert answered(uid, roles=roles).result == 1


def test_who_only_retrieves_gets_a_syntax_that_every_object_can_have() -> None:
    only_scp = Roles(is_scu=False, is_scp=True)
    assert answered(CT, JPEG, IMPLICIT, EXPLICIT, roles=only_scp).transfer_syntax == EXPLICIT
    assert answered(CT, JPEG, IMPLICIT, roles=only_scp).transfer_syntax == IMPLICIT
    assert answered(CT, JPEG, roles=only_scp).transfer_syntax == JPEG
    assert answered(CT, JPEG, EXPLICIT, roles=Roles(True, True)).transfer_syntax == JPEG


def test_video_is_retrieved_as_it_is() -> None:
    only_scp, video, mpeg4 = Roles(False, True), "1.2.840.10008.5.1.4.1.1.77.1.4.1", MPEG4
    assert answered(video, IMPLICIT, EXPLICIT, mpeg4, roles=only_scp).transfer_syntax == mpeg4
    assert answered(video, IMPLICIT, EXPLICIT, roles=only_scp).transfer_syntax == EXPLICIT


# What the rules allow → results of Verification, CT storage, MR storage, FIND, GET.
MR = "1.2.840.10008.5.1.4.1.1.4"
RULES = [
    (Rules(), [0, 0, 0, 0, 0]),
    (Rules(services=frozenset()), [0, 1, 1, 1, 1]),
    (Rules(services=frozenset({"store"})), [0, 0, 0, 1, 1]),
    (Rules(services=frozenset({"find", "get"})), [0, 1, 1, 0, 0]),
    (Rules(sop_classes=frozenset({CT})), [0, 0, 1, 0, 0]),
    (Rules(transfer_syntaxes=frozenset({JPEG})), [0, 4, 4, 0, 0]),
    (Rules(transfer_syntaxes=frozenset({EXPLICIT, JPEG})), [0, 0, 0, 0, 0]),
]


@pytest.mark.parametrize(("rules", "results"), RULES)
def test_rules_decide_what_is_accepted(rules: Rules, results: list[int]) -> None:
    uids = ["1.2.840.10008.1.1", CT, MR, STUDY_ROOT_FIND, STUDY_ROOT_GET]
    given = [answered(uid, IMPLICIT, EXPLICIT, rules=rules) for uid in uids]
    assert [context.result for context in given] == results
    if rules.transfer_syntaxes and results[1] == 0:
        assert given[1].transfer_syntax == EXPLICIT


def test_rules_of_storage_do_not_hold_for_what_is_retrieved() -> None:
    only_get = Rules(services=frozenset({"get"}), sop_classes=frozenset({MR}))
    context = answered(CT, roles=Roles(is_scu=True, is_scp=True), rules=only_get)
    assert (context.result, context.peer_is_scu, context.peer_is_scp) == (0, False, True)
    only_store = Rules(services=frozenset({"store"}))
    context = answered(CT, roles=Roles(is_scu=True, is_scp=True), rules=only_store)
    assert (context.result, context.peer_is_scu, context.peer_is_scp) == (0, True, False)


def test_roles_are_answered_where_they_were_proposed_and_accepted() -> None:
    asked = replace(
        request(
            ProposedContext(1, CT, (IMPLICIT,)),
            ProposedContext(3, MR, (IMPLICIT,)),
            ProposedContext(5, OTHER_SERVICES[0], (IMPLICIT,)),
        ),
        roles={CT: Roles(False, True), OTHER_SERVICES[0]: Roles(False, True)},
    )
    information = decoded_acceptance(asked).user_information
    assert information is not None
    assert {
        uid: (role.scu_role, role.scp_role) for uid, role in information.role_selection.items()
    } == {CT: (0, 1)}


@pytest.mark.parametrize(
    ("uid", "proposed", "answer"),
    [
        (STUDY_ROOT_FIND, "01 01 01 01 01", "01 01 01 01 00"),
        (STUDY_ROOT_FIND, "00 01 00 01 01", "00 01 00 01 00"),
        (STUDY_ROOT_FIND, "01", "01"),
        (STUDY_ROOT_FIND, "01 01 01 01 01 01 01 01 01", "01 01 01 01 00 01 01"),
        (STUDY_ROOT_FIND, "", ""),
        (STUDY_ROOT_FIND, "FF", "01"),
        (STUDY_ROOT_MOVE, "01 01", "01 00"),
        (STUDY_ROOT_GET, "01", "01"),
        (CT, "02 00 00 00 00 00", None),
        (OTHER_SERVICES[0], "01", None),
    ],
)
def test_extended_negotiation_is_answered_with_what_we_do(
    uid: str, proposed: str, answer: str | None
) -> None:
    asked = replace(
        request(ProposedContext(1, uid, (IMPLICIT,))), extended={uid: bytes.fromhex(proposed)}
    )
    agreed = negotiate_extensions(asked, accepted(negotiate(asked, Openness.KNOWN)))
    assert agreed == ({} if answer is None else {uid: bytes.fromhex(answer)})
    information = decoded_acceptance(asked).user_information
    assert information is not None
    assert information.ext_neg is None or len(information.ext_neg) == len(agreed)


def test_identity_is_confirmed_without_a_word() -> None:
    asked = request(ProposedContext(1, CT, (IMPLICIT,)))
    confirmed = decoded_acceptance(asked, confirms_identity=True).user_information
    silent = decoded_acceptance(asked).user_information
    assert confirmed is not None
    assert silent is not None
    assert isinstance(confirmed.user_identity, UserIdentitySubItemAC)
    assert confirmed.user_identity.server_response == b""
    assert silent.user_identity is None


def test_identity_is_never_shown() -> None:
    offered = OfferedIdentity(2, wants_response=True, primary=b"joe", secondary=b"secret")
    asked = replace(request(ProposedContext(1, CT, (IMPLICIT,))), user_identity=offered)
    assert "joe" not in repr(asked)
    assert "secret" not in repr(asked)
