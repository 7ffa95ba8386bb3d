"""How a put never overwrites: create under a free variant of the key, or find the same bytes."""

from collections.abc import Callable

from ingestion.errors import LimitExceeded, ObjectMissing, ObjectStoreUnavailable
from ingestion.object_stores.object_keys import VARIANTS_MAX, variants
from ingestion.object_stores.protocol import CHUNK_BYTES, ObjectStore, StoredObject
from ingestion.object_stores.spool import Spool

CREATE_ATTEMPTS_MAX = 3


def put_once(
    store: ObjectStore, key: str, *, spool: Spool, create: Callable[[str], bool]
) -> StoredObject:
    """Keep the spool under the first variant of `key` that is free or has the same bytes.

    `create(location)` makes the object, or returns false and changes nothing when one is there.
    """
    for location in variants(key):
        created = _create_or_compare(store, location, spool=spool, create=create)
        if created is not None:
            return StoredObject(location, spool.size_bytes, created)
    raise LimitExceeded(f"{VARIANTS_MAX} different objects have the same key")


def _create_or_compare(
    store: ObjectStore, location: str, *, spool: Spool, create: Callable[[str], bool]
) -> bool | None:
    """True: created; false: the same bytes are there; None: other bytes are."""
    for _ in range(CREATE_ATTEMPTS_MAX):
        if create(location):
            return True
        try:
            return False if holds_same_bytes(store, location, spool) else None
        except ObjectMissing:
            continue  # deleted since; or the store answered a conflict without an object
    raise ObjectStoreUnavailable("an object appeared and vanished while it was stored")


def holds_same_bytes(store: ObjectStore, location: str, spool: Spool) -> bool:
    """Whether the object there is, byte by byte, what the spool holds. Raises `ObjectMissing`."""
    if store.size(location) != spool.size_bytes:
        return False
    offset = 0
    for chunk in store.iterate(location, chunk_bytes=CHUNK_BYTES):
        if chunk != spool.read_at(offset, len(chunk)):
            return False
        offset += len(chunk)
    return offset == spool.size_bytes
