"""Who calls, and what the token permits: bearer tokens, scoped to spaces and to actions.

Source: RFC 6750.
"""

import enum
from dataclasses import dataclass

from django.db.models import Q
from django.db.models.functions import Now
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from dicomweb.problems import CHALLENGE
from dicomweb.timed_cache import TimedCache
from ingestion.errors import NotAuthenticated
from ingestion.models import AccessToken
from ingestion.models.access_token import token_digest

CACHE_SECONDS = 5.0  # how long a revoked token may still work


class Action(enum.StrEnum):
    """What a token may permit."""

    READ = "read"
    STORE = "store"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds a token. `space_ids` is None when it reaches every space."""

    name: str
    actions: frozenset[Action]
    space_ids: frozenset[int] | None
    is_authenticated: bool = True


_principals: TimedCache[bytes, Principal] = TimedCache(seconds=CACHE_SECONDS)  # by digest


def principal_of(token: str) -> Principal:
    """Who holds this token. Raises `NotAuthenticated`."""
    digest = token_digest(token)
    principal = _principals.get(digest)
    if principal is None:
        principal = _looked_up(digest)
        _principals.put(digest, principal)
    return principal


def _looked_up(digest: bytes) -> Principal:
    access = AccessToken.objects.filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=Now()),
        Q(user__isnull=True) | Q(user__is_active=True, user__is_staff=True),
        digest=digest,
        is_enabled=True,
    ).first()
    if access is None:
        raise NotAuthenticated("the bearer token is not valid")
    permitted = {
        Action.READ: access.may_read,
        Action.STORE: access.may_store,
        Action.DELETE: access.may_delete,
    }
    return Principal(
        name=access.name,
        actions=frozenset(action for action, is_permitted in permitted.items() if is_permitted),
        space_ids=None
        if access.all_spaces
        else frozenset(access.spaces.values_list("pk", flat=True)),
    )


class BearerTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>`."""

    def authenticate(self, request: Request) -> tuple[Principal, str] | None:
        """The principal; None when no token came. Raises `NotAuthenticated` for a bad one."""
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return None
        return principal_of(token.strip()), "bearer"

    def authenticate_header(self, _request: Request) -> str:
        return CHALLENGE


class HasScope(BasePermission):
    """The token permits the action that the view names for the method."""

    def has_permission(self, request: Request, _view: object) -> bool:
        action = action_of(request.method or "")
        return isinstance(request.user, Principal) and action in request.user.actions


def action_of(method: str) -> Action:
    """The action behind a method of the Studies Service (PS3.18 10.1)."""
    return {"POST": Action.STORE, "PUT": Action.STORE, "DELETE": Action.DELETE}.get(
        method, Action.READ
    )
