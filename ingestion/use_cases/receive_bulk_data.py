"""Keeps the bulk data of one request until the data sets that refer to it are composed.

All of it lies in one temporary file: a request may bring thousands of parts, and a part more than
memory holds. Which part is meant is told by its Content-Location.
Source: PS3.18 10.5.1.4, 8.4.3; RFC 3986 5 (relative references).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

from django.conf import settings

from ingestion.errors import LimitExceeded
from ingestion.models import StorageSpace
from ingestion.object_stores.spool import Spool
from ingestion.use_cases.storage_spaces import open_space_store, require_room

LOCATION_CHARACTERS_MAX = 2048


@dataclass(frozen=True, slots=True)
class BulkPart:
    """Bytes of one part, to be read like a data set. `media_type` is in lower case."""

    media_type: str
    transfer_syntax_uid: str
    size_bytes: int
    spool: Spool = field(repr=False)
    offset: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end."""
        length = max(min(length, self.size_bytes - offset), 0)
        return self.spool.read_at(self.offset + offset, length)


class BulkData:
    """The parts of a request that are no data sets. Leaving it removes them."""

    def __init__(self, space: StorageSpace, base_url: str) -> None:
        """`base_url` is what relative locations are relative to."""
        self._base_url = base_url
        self._folder = open_space_store(space).spool_folder()
        self._instance_bytes_max = settings.LIMITS.instance_bytes_max
        self._spool = Spool(
            self._folder,
            memory_bytes_max=settings.LIMITS.spool_memory_bytes_max,
            size_bytes_max=settings.LIMITS.request_bytes_max,
        )
        self._parts: dict[str, list[BulkPart]] = {}
        self._used: set[str] = set()
        self._start = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._spool.close()

    def begin(self) -> None:
        """Prepare for the next part; what an unfinished one left is of no part.

        Raises `OutOfSpace`.
        """
        require_room(self._folder)
        self._start = self._spool.size_bytes

    def write(self, chunk: memoryview) -> None:
        """Take the next bytes of the part. Raises `LimitExceeded`, `OutOfSpace`."""
        if self._spool.size_bytes - self._start + len(chunk) > self._instance_bytes_max:
            raise LimitExceeded(f"a part exceeds instance_bytes_max = {self._instance_bytes_max}")
        self._spool.write(chunk)

    def finish(self, location: str, *, media_type: str, transfer_syntax_uid: str) -> None:
        """The part is whole. Parts of the same location are frames in their order."""
        if len(location) > LOCATION_CHARACTERS_MAX:
            raise LimitExceeded(f"Content-Location exceeds {LOCATION_CHARACTERS_MAX} characters")
        size_bytes = self._spool.size_bytes - self._start
        part = BulkPart(media_type, transfer_syntax_uid, size_bytes, self._spool, self._start)
        self._parts.setdefault(self._resolved(location), []).append(part)

    def find(self, uri: str) -> Sequence[BulkPart]:
        """The parts that a data set means by `uri`; none when the request has none."""
        location = self._resolved(uri)
        self._used.add(location)
        return self._parts.get(location) or self._frames(location)

    def _frames(self, location: str) -> list[BulkPart]:
        """Parts that are named as frames are retrieved: one after the other, from 1."""
        found: list[BulkPart] = []
        while (name := f"{location}/frames/{len(found) + 1}") in self._parts:
            self._used.add(name)
            found += self._parts[name]
        return found

    def unused(self) -> int:
        """How many parts no data set has asked for."""
        return sum(len(parts) for name, parts in self._parts.items() if name not in self._used)

    def _resolved(self, uri: str) -> str:
        """Two names of the same place become equal; what is no URI at all stays what it is."""
        try:
            return urljoin(self._base_url, uri.strip())
        except ValueError:
            return uri
