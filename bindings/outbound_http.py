"""The only place that makes HTTP requests: guarded, bounded, never redirected.

httpcore2 is used without the client above it: it follows no redirect, reads no proxy from the
environment, keeps no cookie, and takes the network as an argument, so that the address that
was judged is the address that is connected to.
"""

import contextvars
import os
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpcore2
from django.conf import settings

from bindings.address_guard import resolve
from ingestion.errors import IngestionError, Misconfigured

CONNECT_SECONDS_MAX = 10.0
CONNECTIONS_MAX = 64
KEEPALIVE_SECONDS = 15.0
USER_AGENT = b"imaging-ingestion"

_deadline: contextvars.ContextVar[float | None] = contextvars.ContextVar("deadline", default=None)
_pools: dict[tuple[int, str], httpcore2.ConnectionPool] = {}
_pools_lock = threading.Lock()


class OutboundError(IngestionError):
    """No answer came. The message has no URL, no header and no body."""

    code = "no-answer"
    retryable = True


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """One request. An iterator as body needs a Content-Length among the headers.

    `timeout_seconds` bounds each wait; with `is_bounded` the whole exchange too, which
    suits small bodies.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | Iterator[bytes] = field(repr=False)
    timeout_seconds: float
    is_bounded: bool = True
    ca_certificates: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """What the peer said. `body` is empty when it was longer than the limit."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def send(request: OutboundRequest) -> OutboundAnswer:
    """Send and read the answer, whatever its status.

    Raises `OutboundError` when none comes in time, `NotPermitted` for an address that
    subscriptions may not reach, `Misconfigured`, and whatever an iterator raises.
    """
    limit = request.timeout_seconds
    waits = {"connect": min(limit, CONNECT_SECONDS_MAX), "read": limit, "write": limit}
    with (
        _bounded(limit if request.is_bounded else None),
        _foreign_errors(limit),
        _pool(request.ca_certificates).stream(
            request.method,
            request.url,
            headers=[(b"User-Agent", USER_AGENT), *_encoded(request.headers)],
            content=request.body,
            extensions={"timeout": {**waits, "pool": limit}},
        ) as answer,
    ):
        return OutboundAnswer(
            answer.status, _decoded(answer.headers), _capped_body(answer.iter_stream())
        )


def close_connections() -> None:
    """Close what this process keeps open. Later requests open anew."""
    with _pools_lock:
        own = [key for key in _pools if key[0] == os.getpid()]
        for key in own:
            _pools.pop(key).close()


def _encoded(headers: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), text.encode()) for name, text in headers]


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode().lower(): text.decode("latin-1") for name, text in headers}


def _capped_body(chunks: Iterator[bytes]) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > settings.LIMITS.response_bytes_max:
            return b""
    return bytes(body)


@contextmanager
def _bounded(seconds: float | None) -> Iterator[None]:
    token = _deadline.set(None if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


@contextmanager
def _foreign_errors(timeout_seconds: float) -> Iterator[None]:
    try:
        yield
    except httpcore2.TimeoutException:
        raise OutboundError(f"no answer within {timeout_seconds:g} s") from None
    except httpcore2.ConnectError as error:
        raise OutboundError(_why_not_connected(error)) from None
    except (httpcore2.UnsupportedProtocol, ssl.SSLError, UnicodeError):
        raise Misconfigured("the URL or the CA certificates cannot be used") from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        raise OutboundError(f"the connection broke: {type(error).__name__}") from None


def _why_not_connected(error: httpcore2.ConnectError) -> str:
    cause = next(iter(error.args), None)  # what the library mapped
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the peer's certificate is not trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return "TLS could not be agreed on"
    if isinstance(cause, OSError) and cause.strerror:
        return f"no connection: {cause.strerror}"
    return "no connection"


def _pool(ca_certificates: str) -> httpcore2.ConnectionPool:
    """This process's connections; a fork makes its own, since sockets must not be shared."""
    key = (os.getpid(), ca_certificates)
    with _pools_lock:
        if key not in _pools:
            _pools[key] = _new_pool(ca_certificates)
        return _pools[key]


def _new_pool(ca_certificates: str) -> httpcore2.ConnectionPool:
    trusted = (
        ssl.create_default_context(cadata=ca_certificates)
        if ca_certificates
        else httpcore2.default_ssl_context()
    )
    return httpcore2.ConnectionPool(
        ssl_context=trusted,
        max_connections=CONNECTIONS_MAX,
        max_keepalive_connections=CONNECTIONS_MAX,
        keepalive_expiry=KEEPALIVE_SECONDS,
        network_backend=_GuardedNetwork(),
    )


class _GuardedNetwork(httpcore2.NetworkBackend):
    """Connects to addresses that were judged, never to a name."""

    def __init__(self) -> None:
        self._network = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        problem: Exception = httpcore2.ConnectError("no address")
        for address in self._addresses(host, port):
            try:
                stream = self._network.connect_tcp(
                    address, port, _left(timeout), local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                problem = error
            else:
                return _BoundedStream(stream)
        raise problem

    @staticmethod
    def _addresses(host: str, port: int) -> list[str]:
        allow_private = settings.ENVIRONMENT.outbound_allow_private_addresses
        try:
            return resolve(host, port, allow_private=allow_private)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("the name does not resolve") from error


class _BoundedStream(httpcore2.NetworkStream):
    """A stream whose every wait also ends at the deadline of the exchange."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        return _BoundedStream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(timeout: float | None) -> float | None:
    deadline = _deadline.get()
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the exchange took too long")
    return left if timeout is None else min(left, timeout)
