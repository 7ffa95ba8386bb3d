"""What peers negotiate beyond presentation contexts, and what holds on the association then.

Source: PS3.7 D.3.3.4 (roles), D.3.3.5 and D.3.3.6 (extended negotiation), D.3.3.7 (user identity).
"""

import struct

import pytest

from ingestion.dimse.journal.association_end import AssociationEnding
from ingestion.dimse.protocol.association_request import AssociationRequest
from ingestion.dimse.protocol.association_rules import Rules
from ingestion.dimse.protocol.supported_services import Openness
from ingestion.dimse.protocol.upper_layer import Refusal, Rejection
from ingestion.dimse.security.association_policy import LocalEntity
from tests.eventually import eventually
from tests.scripted_peer import (
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    FIND_RQ,
    IMPLICIT_LITTLE,
    command_set,
    echo_command,
    item,
    message,
    store_command,
)
from tests.unit.dimse.conftest import SPACE, Connect
from tests.unit.dimse.custodian import Custodian
from tests.unit.dimse.scripted_service import ScriptedService, final

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
PRIVATE = "1.3.12.2.1107.5.9.1"


def role(uid: str, scu: int, scp: int) -> bytes:
    return item(0x54, struct.pack(">H", len(uid)) + uid.encode() + bytes([scu, scp]))


def extended(uid: str, information: bytes) -> bytes:
    return item(0x56, struct.pack(">H", len(uid)) + uid.encode() + information)


def identity(
    kind: int, primary: bytes, secondary: bytes = b"", *, wants_response: int = 1
) -> bytes:
    return item(
        0x58,
        bytes([kind, wants_response])
        + struct.pack(">H", len(primary))
        + primary
        + struct.pack(">H", len(secondary))
        + secondary,
    )


def test_peer_that_only_takes_objects_may_not_send_them(
    connect_fast: Connect, custodian: Custodian
) -> None:
    peer = connect_fast()
    answer = peer.associate(user_items=role(CT_IMAGE_STORAGE, 0, 1))
    assert role(CT_IMAGE_STORAGE, 0, 1) in answer.body
    assert peer.request(3, store_command("1.2"), b"data").status == 0x0211
    assert not custodian.kept
    assert peer.request(1, echo_command()).status == 0


def test_peer_that_is_both_may_send(connect_fast: Connect, custodian: Custodian) -> None:
    peer = connect_fast()
    answer = peer.associate(user_items=role(CT_IMAGE_STORAGE, 1, 1))
    assert role(CT_IMAGE_STORAGE, 1, 1) in answer.body
    assert peer.request(3, store_command("1.2"), b"data").status == 0
    assert custodian.kept == {"1.2": b"data"}


def test_what_is_agreed_on_is_known_to_the_service(connect_fast: Connect) -> None:
    service = ScriptedService(lambda request, *_: iter([final(request)]))
    peer = connect_fast(begin=service.begin)
    answer = peer.associate(
        [(1, STUDY_ROOT_FIND, [IMPLICIT_LITTLE])],
        user_items=extended(STUDY_ROOT_FIND, bytes([1, 0, 1])) + extended("1.2.3", b"\1"),
    )
    assert extended(STUDY_ROOT_FIND, bytes([1, 0, 1])) in answer.body
    assert b"1.2.3\1" not in answer.body
    find = command_set(FIND_RQ, sop_class_uid=STUDY_ROOT_FIND, data_set_type=0)
    peer.send(message(1, find, b"query"))
    assert peer.read_message()[0].status == 0
    _, context, desk = service.asked[0]
    assert context.service == "find"
    assert desk.conversation.extended == {STUDY_ROOT_FIND: bytes([1, 0, 1])}
    assert desk.tally.operations == {}  # the table counts, and this service stands in its place


def test_common_extended_negotiation_is_let_pass(connect: Connect) -> None:
    common = item(0x57, struct.pack(">H", 3) + b"1.2" + struct.pack(">H", 3) + b"1.3" + bytes(2))
    peer = connect()
    assert peer.associate(user_items=common).kind == ASSOCIATE_AC
    assert peer.request(1, echo_command()).status == 0


@pytest.mark.parametrize("wants_response", [0, 1])
def test_proven_identity_is_confirmed_if_that_is_asked(
    connect: Connect, wants_response: int
) -> None:
    endings: list[AssociationEnding] = []
    seen: list[AssociationRequest] = []

    def check(request: AssociationRequest, _entity: LocalEntity, peer_address: str) -> str:
        assert peer_address == "127.0.0.1"
        seen.append(request)
        return "joe"

    peer = connect(check_identity=check, record=endings.append)
    offered = identity(2, b"Joe", b"secret", wants_response=wants_response)
    answer = peer.associate(user_items=offered)
    assert answer.kind == ASSOCIATE_AC
    assert (item(0x59, bytes(2)) in answer.body) == bool(wants_response)
    assert seen[0].user_identity is not None
    assert (seen[0].user_identity.kind, seen[0].user_identity.primary) == (2, b"Joe")
    assert seen[0].user_identity.secondary == b"secret"
    peer.release()
    peer.connection.close()
    assert eventually(lambda: endings)[0].user_identity == "joe"


def test_identity_that_nobody_looks_at_is_not_confirmed(connect: Connect) -> None:
    answer = connect().associate(user_items=identity(1, b"Joe"))
    assert answer.kind == ASSOCIATE_AC
    assert item(0x59, bytes(2)) not in answer.body


def test_identity_that_is_not_proven_is_refused_and_not_logged(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    def check(_request: AssociationRequest, _entity: LocalEntity, _peer: str) -> str:
        raise Refusal(Rejection.IDENTITY_NOT_ACCEPTED, "user identity not accepted")

    peer = connect(check_identity=check)
    answer = peer.associate(user_items=identity(2, b"Joe", b"secret"))
    assert (answer.kind, answer.body) == (ASSOCIATE_RJ, bytes([0, 1, 2, 1]))
    peer.connection.close()
    eventually(lambda: caplog.records)
    assert "Joe" not in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    "torn",
    [
        item(0x54, b"\0"),
        item(0x54, struct.pack(">H", 9) + b"1.2"),
        item(0x54, struct.pack(">H", 3) + b"1.2"),
        item(0x56, struct.pack(">H", 9) + b"1.2"),
        item(0x58, b"\1"),
        item(0x58, b"\1\1\0\5Joe"),
        item(0x58, b"\1\1\0\3Joe"),
    ],
)
def test_torn_user_information_is_a_violation(connect_fast: Connect, torn: bytes) -> None:
    peer = connect_fast()
    answer = peer.associate(user_items=torn)
    assert (answer.kind, answer.body[2:]) == (7, bytes([0, 0]))  # PS3.8 9.2, AA-1


def test_rules_of_the_called_entity_hold(connect: Connect) -> None:
    only_echo = LocalEntity("INGEST", SPACE, rules=Rules(services=frozenset()))
    peer = connect(admit=lambda _request, _peer: only_echo)
    answer = peer.associate()
    assert answer.kind == ASSOCIATE_AC
    assert peer.request(1, echo_command()).status == 0


def test_private_object_is_kept_where_unknown_ones_may_be(
    connect: Connect, custodian: Custodian
) -> None:
    contexts = [(1, PRIVATE, ["1.3.12.2.1107.5.9.2", EXPLICIT_LITTLE])]
    peer = connect(openness=Openness.ANY)
    assert peer.associate(contexts).kind == ASSOCIATE_AC
    assert peer.request(1, store_command("1.2", sop_class_uid=PRIVATE), b"data").status == 0
    assert custodian.kept == {"1.2": b"data"}
    assert custodian.arrivals[0].transfer_syntax_uid == "1.3.12.2.1107.5.9.2"


def test_hundred_and_more_contexts_are_all_answered(connect_fast: Connect) -> None:
    contexts = [(2 * n + 1, CT_IMAGE_STORAGE, [EXPLICIT_LITTLE]) for n in range(128)]
    peer = connect_fast()
    assert peer.associate(contexts).kind == ASSOCIATE_AC
    for context_id in (1, 127, 255):
        assert peer.request(context_id, store_command("1.2"), b"data").status == 0
