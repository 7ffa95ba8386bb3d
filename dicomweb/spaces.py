"""Which storage spaces a request reaches: the one it names, or all that its token may see."""

from django.db.models import QuerySet

from dicomweb.authentication import Principal
from dicomweb.timed_cache import TimedCache
from ingestion.errors import InvalidRequest, NotFound
from ingestion.models import StorageSpace
from ingestion.use_cases.search_manifest import Scope

DEFAULT_SLUG = "default"
CACHE_SECONDS = 2.0  # how long a change of a space may take to reach the edge, as for C-STORE

_storable: TimedCache[tuple[Principal, str], StorageSpace] = TimedCache(seconds=CACHE_SECONDS)


def readable_scope(principal: Principal, space_slug: str) -> Scope:
    """The space named, or with '' every space of the principal.

    Raises `NotFound` for a space that is unknown or another's: the two look the same.
    """
    spaces = _reachable(principal)
    if space_slug:
        spaces = spaces.filter(slug=space_slug)
    space_ids = tuple(spaces.order_by("pk").values_list("pk", flat=True))
    if space_slug and not space_ids:
        raise NotFound("there is no such storage space")
    return Scope(space_ids)


def storable_space(principal: Principal, space_slug: str) -> StorageSpace:
    """The space named; with '' the principal's only one, else the one called `default`.

    Raises `NotFound`, and `InvalidRequest` when the space must be named.
    """
    key = principal, space_slug
    space = _storable.get(key)
    if space is None:
        space = _looked_up(principal, space_slug)
        _storable.put(key, space)
    return space


def _looked_up(principal: Principal, space_slug: str) -> StorageSpace:
    spaces = _reachable(principal)
    if space_slug:
        space = spaces.filter(slug=space_slug).first()
        if space is None:
            raise NotFound("there is no such storage space")
        return space
    candidates = list(spaces.order_by("pk")[:2])
    if len(candidates) == 1:
        return candidates[0]
    space = spaces.filter(slug=DEFAULT_SLUG).first()
    if space is None:
        raise InvalidRequest(
            "the token reaches no single storage space: store at /dicomweb/spaces/<space>/studies"
        )
    return space


def _reachable(principal: Principal) -> "QuerySet[StorageSpace]":
    if principal.space_ids is None:
        return StorageSpace.objects.all()
    return StorageSpace.objects.filter(pk__in=principal.space_ids)
