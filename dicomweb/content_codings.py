"""Bodies of requests in a content coding, as they were before it.

Source: RFC 9110 8.4 (Content-Encoding); PS3.18 Table 10.5.1-2, which has origin servers support it.
"""

import zlib

from dicomweb.multipart import Readable
from ingestion.errors import InvalidMultipart, LimitExceeded

READ_BYTES = 256 * 1024
INFLATED_CODINGS = frozenset(("gzip", "x-gzip", "deflate"))

_GZIP_OR_ZLIB = 47  # either, by its header


class InflatedBody:
    """Reads a body that was deflated. Members follow one another (RFC 1952 2.2).

    Raises what the body itself raises, `InvalidMultipart` when it is damaged or cut off, and
    `LimitExceeded` when it grows beyond the limit.
    """

    def __init__(self, body: Readable, *, bytes_max: int) -> None:
        self._body = body
        self._bytes_max = bytes_max
        self._count = 0
        self._waiting = b""
        self._begin_member()

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none only at the end."""
        while True:
            self._waiting = self._waiting or self._body.read(READ_BYTES)
            if not self._waiting:
                if self._is_inside_member:
                    raise InvalidMultipart("the body ends before what its Content-Encoding says")
                return b""
            if inflated := self._inflate(size):
                self._count += len(inflated)
                if self._count > self._bytes_max:
                    limit = self._bytes_max
                    raise LimitExceeded(f"the request has more than {limit} bytes once inflated")
                return inflated

    def _inflate(self, size: int) -> bytes:
        """Up to `size` bytes of what waits; what waits then is the rest."""
        self._is_inside_member = True
        try:
            inflated = self._inflating.decompress(self._waiting, size)
        except zlib.error as error:
            raise InvalidMultipart("the body is not in its Content-Encoding") from error
        self._waiting = self._inflating.unconsumed_tail
        if self._inflating.eof:
            self._waiting = self._inflating.unused_data
            self._begin_member()
        return inflated

    def _begin_member(self) -> None:
        self._inflating = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._is_inside_member = False
