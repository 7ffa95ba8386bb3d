"""Who a peer proves to be, beyond its AE title, and whether that is enough.

Source: PS3.7 D.3.3.7 (User Identity Negotiation); PS3.15 B.4 to B.7 (its profiles).
"""

import enum
from collections.abc import Callable

from ingestion.dimse.protocol.association_request import AssociationRequest
from ingestion.dimse.protocol.extended_negotiation import OfferedIdentity
from ingestion.dimse.protocol.upper_layer import Refusal, Rejection
from ingestion.dimse.security.association_policy import IdentityRule, LocalEntity
from ingestion.errors import IngestionError, NotAuthenticated, Unavailable

# Raises `NotAuthenticated` unless user name and passcode are right, from this address.
CheckPassword = Callable[[str, str, str], None]
# The user that a token names. Raises `NotAuthenticated`.
UserOfToken = Callable[[str], str]


class IdentityKind(enum.IntEnum):
    """PS3.7 Table D.3-14, User-Identity-Type."""

    USERNAME = 1
    USERNAME_AND_PASSCODE = 2
    KERBEROS = 3
    SAML = 4
    JWT = 5


class IdentityCheck:
    """Checks the identity that a peer offers, as the called AE title asks.

    A user name alone proves nothing: it passes where identities are not required, and
    nobody is named then. What cannot be checked here (Kerberos, SAML) is refused.
    """

    def __init__(self, *, check_password: CheckPassword, user_of_token: UserOfToken | None) -> None:
        """Without `user_of_token` tokens cannot be checked."""
        self._check_password = check_password
        self._user_of_token = user_of_token

    def __call__(
        self, request: AssociationRequest, entity: LocalEntity, peer_address: str
    ) -> str | None:
        """The name of the user; None where nothing was checked. Raises `Refusal`."""
        offered = request.user_identity
        if entity.identity_rule is IdentityRule.IGNORED:
            return None
        if offered is None or offered.kind == IdentityKind.USERNAME:
            if entity.identity_rule is IdentityRule.REQUIRED:
                raise _refusal("a user identity with proof is required")
            return None
        try:
            return self._user(offered, peer_address)
        except NotAuthenticated as error:
            raise _refusal(str(error)) from error
        except Unavailable as error:
            raise Refusal(Rejection.TEMPORARY_CONGESTION, f"{error.code}: {error}") from error
        except IngestionError as error:
            raise _refusal(f"{error.code}: {error}") from error

    def _user(self, offered: OfferedIdentity, peer_address: str) -> str:
        primary, secondary = _text(offered.primary), _text(offered.secondary)
        if offered.kind == IdentityKind.USERNAME_AND_PASSCODE:
            self._check_password(primary, secondary, peer_address)
            return primary
        if offered.kind == IdentityKind.JWT and self._user_of_token is not None:
            return self._user_of_token(primary)
        raise NotAuthenticated(f"user identity of type {offered.kind} cannot be checked here")


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise NotAuthenticated("user identity that is no UTF-8") from None
    if "\0" in text:  # PostgreSQL has no such character
        raise NotAuthenticated("user identity with a null character")
    return text


def _refusal(rule: str) -> Refusal:
    return Refusal(Rejection.IDENTITY_NOT_ACCEPTED, rule)
