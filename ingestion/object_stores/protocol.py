"""What every object store promises: an object is written once by key and read by location."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ingestion.object_stores.spool import Spool

CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredObject:
    """Where an object rests. `created` is false when the same bytes were there already."""

    location: str
    size_bytes: int
    created: bool


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object as the store lists it; `modified_at` is aware UTC."""

    location: str
    size_bytes: int
    modified_at: datetime


class ObjectStore(Protocol):
    """Keeps immutable objects. Safe for use by several threads.

    A location is opaque, holds for the life of the object and includes the prefix that the store
    had at the time. Every method may raise `ObjectStoreUnavailable` and `Misconfigured`; those that
    take a location raise `ObjectMissing` when nothing is there, or nothing could be.
    """

    def spool_folder(self) -> Path:
        """The folder where incoming files should be spooled so that `put` need not copy."""
        ...

    def put(self, key: str, spool: Spool) -> StoredObject:
        """Keep the spooled bytes, durably when it returns. The spool remains the caller's.

        Never overwrites: the same bytes under this key are left untouched, other bytes get a
        variant of the key. Raises `InvalidIdentifier` for a key that is none and `OutOfSpace`.
        A repeat, also after a failure, is safe.
        """
        ...

    def read(self, location: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the object."""
        ...

    def iterate(
        self,
        location: str,
        *,
        offset: int = 0,
        length: int | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> Iterator[bytes]:
        """The bytes from `offset` in chunks; to the end without a `length`.

        A missing object raises at once. Exhausting or closing the iterator closes what it opened.
        """
        ...

    def open_path(self, location: str) -> Path | None:
        """A local file with the object's bytes, not to be changed; None where there is none."""
        ...

    def size(self, location: str) -> int:
        """The object's size in bytes."""
        ...

    def delete(self, location: str) -> None:
        """Remove the object. A repeat is fine."""
        ...

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        """The objects whose keys begin with `prefix`, below the store's own prefix, in no order."""
        ...

    def check(self) -> None:
        """Prove writing, reading, not overwriting and deleting; raise what is wrong."""
        ...
