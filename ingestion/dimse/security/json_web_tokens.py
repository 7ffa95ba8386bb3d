"""JSON Web Tokens by which peers identify their users.

Source: PS3.7 D.3.3.7 (type 5), RFC 7519 (tokens), RFC 7517 (keys), RFC 8725 (what to check).
"""

from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings

from ingestion.dimse.security.fresh_files import FreshFromFiles
from ingestion.environment import listed
from ingestion.errors import Misconfigured, NotAuthenticated

LEEWAY_SECONDS = 30  # between our clock and the issuer's
USER_CHARACTERS_MAX = 100

Key = jwt.PyJWK | bytes
Keys = dict[str | None, Key]  # by key ID; None: whatever the token says


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Which tokens are accepted."""

    keys: Path
    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    user_claim: str


class TokenCheck:
    """Tells who a token proves its bearer to be."""

    def __init__(self, rules: TokenRules) -> None:
        """Raises `Misconfigured` for keys that cannot be used."""
        self._rules = rules
        self._keys = FreshFromFiles(
            lambda: _load_keys(rules.keys), (rules.keys,), purpose="JSON Web Tokens"
        )
        self._keys.current()

    def user_of(self, token: str) -> str:
        """The user that the token names. Raises `NotAuthenticated` for any fault of it."""
        try:
            claims = jwt.decode(
                token,
                self._key_for(token),
                algorithms=list(self._rules.algorithms),
                issuer=self._rules.issuer,
                audience=self._rules.audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise NotAuthenticated(f"token not accepted: {type(error).__name__}") from None
        user = claims.get(self._rules.user_claim)
        if not isinstance(user, str) or not 0 < len(user) <= USER_CHARACTERS_MAX:
            raise NotAuthenticated(f"token without a usable claim {self._rules.user_claim!r}")
        return user

    def _key_for(self, token: str) -> Key:
        keys = self._keys.current()
        key_id = jwt.get_unverified_header(token).get("kid")
        if None in keys:
            return keys[None]
        if key_id is None and len(keys) == 1:
            return next(iter(keys.values()))
        if key_id not in keys:
            raise NotAuthenticated("token signed with a key that is not known")
        return keys[key_id]


def token_check() -> TokenCheck | None:
    """The check of the settings; None where no tokens are accepted. Raises `Misconfigured`."""
    environment = settings.ENVIRONMENT
    if environment.dimse_jwt_keys is None:
        return None
    if not environment.dimse_jwt_issuer or not environment.dimse_jwt_audience:
        raise Misconfigured(
            "INGESTION_DIMSE_JWT_KEYS needs INGESTION_DIMSE_JWT_ISSUER and"
            " INGESTION_DIMSE_JWT_AUDIENCE: a token meant for others proves nothing here"
        )
    return TokenCheck(
        TokenRules(
            keys=environment.dimse_jwt_keys,
            issuer=environment.dimse_jwt_issuer,
            audience=environment.dimse_jwt_audience,
            algorithms=tuple(listed(environment.dimse_jwt_algorithms)),
            user_claim=environment.dimse_jwt_user_claim,
        )
    )


def _load_keys(path: Path) -> Keys:
    """A public key in PEM, or a JWK Set by key ID. Raises `OSError`, `ValueError`."""
    text = path.read_text()
    if text.lstrip().startswith("-----BEGIN PUBLIC KEY-----"):
        load_pem_public_key(text.encode())
        return {None: text.encode()}
    try:
        keys = jwt.PyJWKSet.from_json(text).keys
    except (jwt.PyJWTError, AttributeError, ValueError) as error:
        raise ValueError("neither a public key in PEM nor a JWK Set") from error
    if any(key.key_type == "oct" for key in keys):
        raise ValueError("a shared secret: whoever checks tokens by it could make them, too")
    return {key.key_id or "": key for key in keys}
