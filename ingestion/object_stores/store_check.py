"""Proves that a store does what it promises, with two small objects that are gone afterwards."""

import os
from uuid import uuid4

from ingestion.errors import Misconfigured, ObjectMissing
from ingestion.object_stores.protocol import ObjectStore
from ingestion.object_stores.spool import Spool

PROBE_BYTES = 2048


def prove(store: ObjectStore) -> None:
    """Write, read, list, delete, try to overwrite. Raises what is wrong."""
    key = f"check/{uuid4().hex}.dcm"
    first, second = os.urandom(PROBE_BYTES), os.urandom(PROBE_BYTES)
    locations = []
    try:
        for content in (first, second):
            locations.append(_put(store, key, content))
        _require(locations[0] != locations[1], "it overwrites objects")
        _require(store.read(locations[0], 0, PROBE_BYTES) == first, "it returns other bytes")
        _require(store.read(locations[1], 5, 7) == second[5:12], "it does not read ranges")
        _require(store.size(locations[0]) == PROBE_BYTES, "it reports other sizes")
        listed = {listed.location for listed in store.list("check/")}
        _require(listed.issuperset(locations), "it does not list its objects")
    finally:
        for location in locations:
            store.delete(location)
    _require(_is_gone(store, locations[0]), "it does not delete objects")


def _put(store: ObjectStore, key: str, content: bytes) -> str:
    with Spool(store.spool_folder(), size_bytes_max=PROBE_BYTES) as spool:
        spool.write(content)
        return store.put(key, spool).location


def _is_gone(store: ObjectStore, location: str) -> bool:
    try:
        store.size(location)
    except ObjectMissing:
        return True
    return False


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise Misconfigured(f"object store: {otherwise}")
