"""Identities of users and rules of entities, as peers meet them.

Source: PS3.7 D.3.3.7 (user identity); PS3.8 Tables 9-18 and 9-21 (what the refused are told).
"""

import struct
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import Permission, User

from ingestion.models import (
    AssociationRecord,
    LocalApplicationEntity,
    RemoteApplicationEntity,
    StorageSpace,
)
from tests.builders import build_ct, data_set_bytes
from tests.eventually import eventually
from tests.integration.dimse.conftest import Service, Start, store
from tests.scripted_peer import (
    ASSOCIATE_AC,
    ASSOCIATE_RJ,
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    VERIFICATION,
    Pdu,
    item,
    store_command,
)

MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
ACCEPTED, USER_REJECTED, NOT_SUPPORTED, NO_TRANSFER_SYNTAX = 0, 1, 3, 4
NO_IDENTITY, CONGESTED = (1, 2, 1), (2, 3, 1)


def identity(kind: int, primary: str, secondary: str = "", *, asks: bool = False) -> bytes:
    """A User Identity sub-item (PS3.7 Table D.3-14)."""
    fields = b"".join(
        struct.pack(">H", len(text.encode())) + text.encode() for text in (primary, secondary)
    )
    return item(0x58, bytes([kind, asks]) + fields)


def items(body: bytes) -> list[tuple[int, bytes]]:
    found = []
    offset = 0
    while offset < len(body):
        kind, length = struct.unpack_from(">BxH", body, offset)
        found.append((kind, body[offset + 4 : offset + 4 + length]))
        offset += 4 + length
    return found


def results(answer: Pdu) -> dict[int, int]:
    """Results by presentation context ID (PS3.8 9.3.3.2)."""
    assert answer.kind == ASSOCIATE_AC
    return {value[0]: value[2] for kind, value in items(answer.body[68:]) if kind == 0x21}


def confirms_identity(answer: Pdu) -> bool:
    assert answer.kind == ASSOCIATE_AC
    user = next(value for kind, value in items(answer.body[68:]) if kind == 0x50)
    return (0x59, b"\0\0") in items(user)


def ask(service: Service, user_items: bytes = b"") -> Pdu:
    with service.connect() as peer:
        return peer.associate(user_items=user_items)


def told(answer: Pdu) -> tuple[int, ...]:
    assert answer.kind == ASSOCIATE_RJ
    return tuple(answer.body[1:])


@pytest.fixture
def ada(space: StorageSpace) -> User:
    user = User.objects.create_user("ada", password="sesame")
    user.user_permissions.add(Permission.objects.get(codename="associate"))
    LocalApplicationEntity.objects.update(user_identity="required")
    return user


def test_user_who_may_associate_is_named(ada: User, service: Service) -> None:
    assert ask(service, identity(2, "ada", "sesame")).kind == ASSOCIATE_AC
    record = eventually(AssociationRecord.objects.first)
    assert record.user_identity == "ada"


def test_identity_is_confirmed_to_who_asks(ada: User, start_service: Start) -> None:
    service = start_service()
    assert confirms_identity(ask(service, identity(2, "ada", "sesame", asks=True)))
    assert not confirms_identity(ask(service, identity(2, "ada", "sesame")))


@pytest.mark.parametrize(
    "user_items",
    [
        b"",
        identity(1, "ada"),
        identity(2, "ada", "wrong"),
        identity(2, "nobody", "sesame"),
        identity(2, "ada\0", "sesame"),
        identity(2, "a" * 5000, "sesame"),
        identity(3, "ticket"),
        identity(4, "assertion"),
        identity(5, "no.token.here"),
    ],
    ids=["none", "name", "wrong", "nobody", "null", "long", "kerberos", "saml", "jwt"],
)
def test_identity_without_proof_is_refused(
    ada: User, start_service: Start, user_items: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    service = start_service()
    assert told(ask(service, user_items)) == NO_IDENTITY
    service.stop()
    assert "sesame" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("change", ["is inactive", "may not"])
def test_user_who_may_not_is_refused(ada: User, start_service: Start, change: str) -> None:
    if change == "is inactive":
        ada.is_active = False
        ada.save()
    else:
        ada.user_permissions.clear()
    assert told(ask(start_service(), identity(2, "ada", "sesame"))) == NO_IDENTITY


def test_guessing_locks_out(ada: User, start_service: Start) -> None:
    service = start_service()
    for _ in range(10):
        assert told(ask(service, identity(2, "ada", "guess"))) == NO_IDENTITY
    assert told(ask(service, identity(2, "ada", "sesame"))) == NO_IDENTITY


def test_token_names_its_user(ada: User, start_service: Start, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    keys = tmp_path / "keys.pem"
    keys.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    service = start_service(
        dimse_jwt_keys=keys, dimse_jwt_issuer="https://id.example", dimse_jwt_audience="imaging"
    )
    claims = {"sub": "grace", "iss": "https://id.example", "aud": "imaging"}
    good = jwt.encode({**claims, "exp": time.time() + 3600}, key, "ES256")
    assert confirms_identity(ask(service, identity(5, good, asks=True)))
    record = eventually(AssociationRecord.objects.first)
    assert record.user_identity == "grace"
    old = jwt.encode({**claims, "exp": time.time() - 60}, key, "ES256")
    assert told(ask(service, identity(5, old))) == NO_IDENTITY


def test_where_identities_are_ignored_nothing_is_asked(service: Service) -> None:
    answer = ask(service, identity(2, "ada", "wrong", asks=True))
    assert not confirms_identity(answer)


CT_MR_AND_FIND = [
    (1, VERIFICATION, [IMPLICIT_LITTLE]),
    (3, CT_IMAGE_STORAGE, [IMPLICIT_LITTLE, EXPLICIT_LITTLE]),
    (5, MR_IMAGE_STORAGE, [IMPLICIT_LITTLE]),
    (7, STUDY_ROOT_FIND, [IMPLICIT_LITTLE]),
]


def test_rules_of_both_entities_hold(start_service: Start) -> None:
    LocalApplicationEntity.objects.update(sop_class_uids=[CT_IMAGE_STORAGE])
    RemoteApplicationEntity.objects.update(
        services=["store"], transfer_syntax_uids=[EXPLICIT_LITTLE]
    )
    service = start_service()
    with service.connect() as peer:
        answer = peer.associate(CT_MR_AND_FIND)
        assert results(answer) == {
            1: ACCEPTED,
            3: ACCEPTED,
            5: USER_REJECTED,
            7: USER_REJECTED,
        }
        assert store(peer, build_ct()).status == 0


def test_transfer_syntax_that_no_rule_allows_is_refused(start_service: Start) -> None:
    RemoteApplicationEntity.objects.update(transfer_syntax_uids=[EXPLICIT_LITTLE])
    with start_service().connect() as peer:
        answer = peer.associate([(5, MR_IMAGE_STORAGE, [IMPLICIT_LITTLE])])
        assert results(answer) == {5: NO_TRANSFER_SYNTAX}


def test_private_uids_that_are_listed_are_accepted(start_service: Start) -> None:
    RemoteApplicationEntity.objects.update(
        sop_class_uids=["1.2.3.4"], transfer_syntax_uids=["1.2.3.5", EXPLICIT_LITTLE]
    )
    with start_service().connect() as peer:
        answer = peer.associate(
            [
                (1, "1.2.3.4", ["1.2.3.6", EXPLICIT_LITTLE]),
                (3, "1.2.3.4", ["1.2.3.5"]),
                (5, "1.2.3.7", [EXPLICIT_LITTLE]),
                (7, CT_IMAGE_STORAGE, [EXPLICIT_LITTLE]),
            ]
        )
        assert results(answer) == {1: ACCEPTED, 3: ACCEPTED, 5: NOT_SUPPORTED, 7: USER_REJECTED}
        dataset = build_ct(extra=[(0x00080016, "UI", "1.2.3.4")])
        command = store_command(dataset.SOPInstanceUID, sop_class_uid="1.2.3.4")
        assert peer.request(1, command, data_set_bytes(dataset)).status == 0


def test_entity_that_names_its_address_goes_first(start_service: Start) -> None:
    LocalApplicationEntity.objects.update(sop_class_uids=[])
    RemoteApplicationEntity.objects.create(ae_title="MODALITY", may_call_all=True)
    named = RemoteApplicationEntity.objects.get(addresses="127.0.0.0/8")
    anywhere = RemoteApplicationEntity.objects.exclude(pk=named.pk)
    anywhere.update(services=["find"])
    with start_service().connect() as peer:
        assert results(peer.associate(CT_MR_AND_FIND))[3] == ACCEPTED


def test_closed_space_still_answers_queries(space: StorageSpace, start_service: Start) -> None:
    space.accepts_new_objects = False
    space.save()
    service = start_service()
    with service.connect() as peer:
        answer = results(peer.associate(CT_MR_AND_FIND))
        assert answer == {1: ACCEPTED, 3: USER_REJECTED, 5: USER_REJECTED, 7: ACCEPTED}
    with service.connect() as peer:
        assert told(peer.associate()) == (2, 1, 1)
    with service.connect() as peer:
        assert results(peer.associate([(1, VERIFICATION, [IMPLICIT_LITTLE])])) == {1: ACCEPTED}


def test_full_disk_still_answers_queries(start_service: Start) -> None:
    service = start_service(limits={"spool_free_bytes_min": 2**60})
    with service.connect() as peer:
        answer = results(peer.associate(CT_MR_AND_FIND))
        assert answer == {1: ACCEPTED, 3: USER_REJECTED, 5: USER_REJECTED, 7: ACCEPTED}
    with service.connect() as peer:
        assert told(peer.associate()) == CONGESTED
