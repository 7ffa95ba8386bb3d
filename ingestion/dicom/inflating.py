"""Reads a deflated data set as if it were not, in bounded memory and to a bounded size.

Source: PS3.5 A.5 (RFC 1951, without zlib header).
"""

import zlib
from collections.abc import Iterator
from typing import Protocol

from ingestion.errors import MalformedDataSet, ObjectTooComplex, TruncatedDataSet

_READ_BYTES = 1 << 16
_INFLATED_CHUNK_BYTES = 1 << 20


class DataSetReader(Protocol):
    """The bytes of one data set, readable in pieces."""

    @property
    def size_bytes(self) -> int:
        """The size of the data set."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`; fewer only at the end."""
        ...


class InflatingReader:
    """A DataSetReader over the inflated bytes; cheap as long as offsets do not go backwards."""

    def __init__(self, reader: DataSetReader, inflated_bytes_max: int) -> None:
        """Inflate once to learn the size.

        Raises ObjectTooComplex beyond `inflated_bytes_max`, MalformedDataSet, TruncatedDataSet.
        """
        self._reader = reader
        self._buffer = b""
        self._base = 0
        self.size_bytes = 0
        for chunk in self._inflated():
            self.size_bytes += len(chunk)
            if self.size_bytes > inflated_bytes_max:
                raise ObjectTooComplex(f"data set inflates to more than {inflated_bytes_max} bytes")
        self._chunks = self._inflated()

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` inflated bytes from `offset`; fewer only at the end."""
        if offset < self._base:
            self._rewind()
        end = min(offset + length, self.size_bytes)
        while self._base + len(self._buffer) < end:
            passed = min(offset - self._base, len(self._buffer))
            self._base += passed
            self._buffer = self._buffer[passed:] + next(self._chunks)
        start = offset - self._base
        return self._buffer[start : max(start, end - self._base)]

    def _rewind(self) -> None:
        self._chunks = self._inflated()
        self._buffer = b""
        self._base = 0

    def _inflated(self) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        offset = 0
        while not inflater.eof:
            deflated = inflater.unconsumed_tail
            if not deflated:
                deflated = self._reader.read_at(offset, _READ_BYTES)
                offset += len(deflated)
            try:
                chunk = inflater.decompress(deflated, _INFLATED_CHUNK_BYTES)
            except zlib.error as error:
                raise MalformedDataSet("the deflated data set is not RFC 1951") from error
            if not deflated and not chunk:
                raise TruncatedDataSet("the deflated data set ends before its last block")
            if chunk:
                yield chunk
