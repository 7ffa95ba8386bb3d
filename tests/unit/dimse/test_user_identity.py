"""Which identities pass where, and which tokens prove one. Source: PS3.7 D.3.3.7, RFC 8725."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ingestion.dimse.protocol.association_request import AssociationRequest
from ingestion.dimse.protocol.extended_negotiation import OfferedIdentity
from ingestion.dimse.protocol.upper_layer import Refusal, Rejection
from ingestion.dimse.security.association_policy import IdentityRule, LocalEntity
from ingestion.dimse.security.json_web_tokens import TokenCheck, TokenRules
from ingestion.dimse.security.user_identity import IdentityCheck
from ingestion.errors import DatabaseUnavailable, Misconfigured, NotAuthenticated
from ingestion.models import StorageSpace

IGNORED, CHECKED, REQUIRED = IdentityRule.IGNORED, IdentityRule.CHECKED, IdentityRule.REQUIRED
NAME, PASSCODE, KERBEROS, SAML, JWT = 1, 2, 3, 4, 5  # PS3.7 Table D.3-14


@dataclass
class Passwords:
    """One user, whose passcode is known; or a database that is away."""

    is_away: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def check(self, username: str, passcode: str, peer_address: str) -> None:
        self.asked.append((username, passcode, peer_address))
        if self.is_away:
            raise DatabaseUnavailable("down")
        if (username, passcode) != ("rädiographer", "sesame"):
            raise NotAuthenticated("user name or passcode not accepted")


def user_of_token(token: str) -> str:
    if token != "good":
        raise NotAuthenticated("token not accepted")
    return "ada"


def checked(
    rule: IdentityRule,
    offered: OfferedIdentity | None,
    *,
    passwords: Passwords | None = None,
    tokens: Callable[[str], str] | None = user_of_token,
) -> str | None:
    request = AssociationRequest(
        1, "INGEST", "MODALITY", "", (), 0, False, "", user_identity=offered
    )
    entity = LocalEntity("INGEST", StorageSpace(slug="main"), identity_rule=rule)
    check = IdentityCheck(check_password=(passwords or Passwords()).check, user_of_token=tokens)
    return check(request, entity, "10.0.0.1")


def offer(kind: int, primary: str = "", secondary: str = "") -> OfferedIdentity:
    return OfferedIdentity(kind, True, primary=primary.encode(), secondary=secondary.encode())


GOOD_PASSCODE = offer(PASSCODE, "rädiographer", "sesame")


@pytest.mark.parametrize(
    ("rule", "offered", "user"),
    [
        (IGNORED, None, None),
        (IGNORED, offer(PASSCODE, "rädiographer", "wrong"), None),
        (IGNORED, offer(SAML, "assertion"), None),
        (IGNORED, offer(99), None),
        (CHECKED, None, None),
        (CHECKED, offer(NAME, "rädiographer"), None),
        (CHECKED, GOOD_PASSCODE, "rädiographer"),
        (CHECKED, offer(JWT, "good"), "ada"),
        (REQUIRED, GOOD_PASSCODE, "rädiographer"),
        (REQUIRED, offer(JWT, "good"), "ada"),
    ],
)
def test_passes(rule: IdentityRule, offered: OfferedIdentity | None, user: str | None) -> None:
    assert checked(rule, offered) == user


@pytest.mark.parametrize(
    ("rule", "offered"),
    [
        (CHECKED, offer(PASSCODE, "rädiographer", "wrong")),
        (CHECKED, offer(PASSCODE, "nobody", "sesame")),
        (CHECKED, offer(PASSCODE, "\0", "sesame")),
        (CHECKED, OfferedIdentity(PASSCODE, False, primary=b"\xff", secondary=b"")),
        (CHECKED, offer(KERBEROS, "ticket")),
        (CHECKED, offer(SAML, "assertion")),
        (CHECKED, offer(0)),
        (CHECKED, offer(JWT, "bad")),
        (REQUIRED, None),
        (REQUIRED, offer(NAME, "rädiographer")),
        (REQUIRED, offer(PASSCODE, "rädiographer", "wrong")),
        (REQUIRED, offer(KERBEROS, "ticket")),
        (REQUIRED, offer(SAML, "assertion")),
        (REQUIRED, offer(JWT, "bad")),
    ],
)
def test_is_refused(rule: IdentityRule, offered: OfferedIdentity | None) -> None:
    with pytest.raises(Refusal) as caught:
        checked(rule, offered)
    assert caught.value.rejection is Rejection.IDENTITY_NOT_ACCEPTED
    assert caught.value.rejection.value == (1, 2, 1)
    if offered is not None and offered.secondary:
        assert offered.secondary.decode() not in str(caught.value)


def test_token_is_refused_where_none_can_be_checked() -> None:
    with pytest.raises(Refusal, match="type 5 cannot be checked"):
        checked(CHECKED, offer(JWT, "good"), tokens=None)


def test_lock_out_goes_by_the_address() -> None:
    passwords = Passwords()
    checked(CHECKED, GOOD_PASSCODE, passwords=passwords)
    assert passwords.asked == [("rädiographer", "sesame", "10.0.0.1")]


def test_without_database_the_peer_is_asked_to_come_back() -> None:
    with pytest.raises(Refusal) as caught:
        checked(CHECKED, GOOD_PASSCODE, passwords=Passwords(is_away=True))
    assert caught.value.rejection is Rejection.TEMPORARY_CONGESTION


def test_identity_is_never_shown() -> None:
    assert "sesame" not in repr(GOOD_PASSCODE)
    assert "graph" not in repr(GOOD_PASSCODE)


RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
CLAIMS: dict[str, Any] = {"sub": "ada", "iss": "https://id.example", "aud": "imaging"}


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def key_set(**keys: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    entries = []
    for key_id, key in keys.items():
        if isinstance(key, rsa.RSAPrivateKey):
            entry = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        else:
            entry = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        entries.append({**entry, "kid": key_id, "use": "sig"})
    return json.dumps({"keys": entries})


def token(
    key: Any = RSA_KEY,
    algorithm: str = "RS256",
    *,
    key_id: str | None = None,
    **changes: Any,
) -> str:
    claims = {**CLAIMS, "exp": time.time() + 300, **changes}
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        key,
        algorithm=algorithm,
        headers={"kid": key_id} if key_id else None,
    )


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(pem(RSA_KEY))
    return path


def check_by(keys: Path, **changes: Any) -> TokenCheck:
    values: dict[str, Any] = {
        "issuer": "https://id.example",
        "audience": "imaging",
        "algorithms": ("RS256", "ES256"),
        "user_claim": "sub",
    }
    return TokenCheck(TokenRules(keys, **(values | changes)))


def test_good_token_names_its_user(keys: Path) -> None:
    assert check_by(keys).user_of(token()) == "ada"
    named = check_by(keys, user_claim="preferred_username")
    assert named.user_of(token(preferred_username="al")) == "al"


FAULTS: dict[str, dict[str, Any]] = {
    "expired": {"exp": time.time() - 60},
    "without an end": {"exp": None},
    "not yet": {"nbf": time.time() + 3600},
    "other issuer": {"iss": "https://other.example"},
    "no issuer": {"iss": None},
    "other audience": {"aud": "somebody else"},
    "no audience": {"aud": None},
    "no user": {"sub": None},
    "empty user": {"sub": ""},
    "long user": {"sub": "x" * 101},
    "other algorithm": {"algorithm": "RS512"},
    "other key": {"key": rsa.generate_private_key(65537, 2048)},
    "other kind of key": {"key": EC_KEY, "algorithm": "ES256"},
    "shared secret": {"key": "x" * 64, "algorithm": "HS256"},
    "unsigned": {"key": None, "algorithm": "none"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_token_proves_nothing(keys: Path, fault: str) -> None:
    with pytest.raises(NotAuthenticated):
        check_by(keys).user_of(token(**FAULTS[fault]))


@pytest.mark.parametrize("text", ["", "ing_abc", "a.b.c", ".."])
def test_what_is_no_token_proves_nothing(keys: Path, text: str) -> None:
    with pytest.raises(NotAuthenticated):
        check_by(keys).user_of(text)


def test_token_that_was_changed_proves_nothing(keys: Path) -> None:
    head, claims, signature = token().split(".")
    for changed in (
        f"{head}.{claims}.{'A' * len(signature)}",
        f"{head}.{claims[:-4]}AAAA.{signature}",
        f"{head}.{claims}.",
    ):
        with pytest.raises(NotAuthenticated):
            check_by(keys).user_of(changed)


def test_keys_of_a_set_are_found_by_their_id(keys: Path) -> None:
    keys.write_text(key_set(one=RSA_KEY, two=EC_KEY))
    check = check_by(keys)
    assert check.user_of(token(key_id="one")) == "ada"
    assert check.user_of(token(EC_KEY, "ES256", key_id="two")) == "ada"
    for bad in (token(), token(key_id="three"), token(key_id="two")):
        with pytest.raises(NotAuthenticated):
            check.user_of(bad)


def test_only_key_of_a_set_needs_no_id(keys: Path) -> None:
    keys.write_text(key_set(one=RSA_KEY))
    assert check_by(keys).user_of(token()) == "ada"


def test_keys_are_read_again_when_they_change(keys: Path) -> None:
    check = check_by(keys)
    keys.write_text(pem(EC_KEY))
    assert check.user_of(token(EC_KEY, "ES256")) == "ada"
    with pytest.raises(NotAuthenticated):
        check.user_of(token())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "neither"),
        ("-----BEGIN PUBLIC KEY-----\n", "PEM"),
        ("{}", "neither"),
        ("[]", "neither"),
        ('{"keys": []}', "neither"),
        ('{"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}', "shared secret"),
    ],
)
def test_keys_that_cannot_be_used_are_a_clear_error(keys: Path, text: str, reason: str) -> None:
    keys.write_text(text)
    with pytest.raises(Misconfigured, match=reason):
        check_by(keys)
