"""The body of a request as a stream, whole or refused.

Django shows an empty body when there is no Content-Length, as with chunked transfer coding;
a server that marks its input as terminated is therefore read directly.
Source: PEP 3333; the `wsgi.input_terminated` convention; RFC 9112 6.3 and 8.
"""

from typing import Protocol

from django.http import HttpRequest
from gunicorn.http.errors import ParseException

from dicomweb.content_codings import INFLATED_CODINGS, InflatedBody
from ingestion.errors import (
    InvalidMultipart,
    InvalidRequest,
    LimitExceeded,
    RequestTooSlow,
    UnsupportedMediaType,
)

READ_BYTES = 256 * 1024

# A reset connection is an OSError; broken chunks have a tree of the server's own.
_BROKEN = (OSError, ParseException)


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class RequestBody:
    """Reads a body to its end.

    Raises `LimitExceeded` when it grows beyond the limit. When the client is gone before the
    body was complete, or too slow, it raises `InvalidMultipart` or `RequestTooSlow`, but only
    after everything that had arrived was read.
    """

    def __init__(self, stream: _Stream, *, length: int | None, bytes_max: int) -> None:
        """`length` is None when the transfer coding marks the end."""
        self._stream = stream
        self._length = length
        self._bytes_max = bytes_max
        self._count = 0
        self._broken_by: Exception | None = None
        if length is not None:
            self._check(length)

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none only at the end."""
        if self._length is not None:
            size = min(size, self._length - self._count)
        received = self._received(size) if size else b""
        if not received and self._broken_by is not None:
            raise self._cut_off(self._broken_by) from self._broken_by
        self._count += len(received)
        if not received and self._length is not None and self._count < self._length:
            raise InvalidMultipart(f"the body ends after {self._count} of {self._length} bytes")
        self._check(self._count)
        return received

    def _received(self, size: int) -> bytes:
        """What the stream has. Broken, it still gives what had arrived before, and then nothing."""
        try:
            return self._stream.read(size)
        except _BROKEN as error:
            if self._broken_by is not None:
                return b""
            self._broken_by = error
            return self._received(size)

    def _cut_off(self, error: Exception) -> InvalidRequest:
        if isinstance(error, TimeoutError):
            return RequestTooSlow(f"the client sent {self._count} bytes of the body and then none")
        name = type(error).__name__
        return InvalidMultipart(f"the body was cut off after {self._count} bytes ({name})")

    def _check(self, size_bytes: int) -> None:
        if size_bytes > self._bytes_max:
            raise LimitExceeded(f"the request has more than request_bytes_max = {self._bytes_max}")


def request_body(request: HttpRequest, *, bytes_max: int) -> RequestBody | InflatedBody:
    """The body of a request that nothing has read yet, without its content coding.

    Raises `LimitExceeded`, `UnsupportedMediaType` for another coding than gzip and deflate.
    """
    environ = request.META
    coding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower() or "identity"
    if coding != "identity" and coding not in INFLATED_CODINGS:
        raise UnsupportedMediaType("Content-Encoding must be gzip, deflate or identity")
    text = environ.get("CONTENT_LENGTH") or ""
    length = int(text) if text.isascii() and text.isdigit() else None
    if length is None and not environ.get("wsgi.input_terminated"):
        length = 0
    body = RequestBody(environ["wsgi.input"], length=length, bytes_max=bytes_max)
    return body if coding == "identity" else InflatedBody(body, bytes_max=bytes_max)
