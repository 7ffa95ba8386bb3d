"""The fast data path: finds PDUs and PDVs in a socket's bytes without copying them.

One buffer per association is filled by large reads; fragments leave as views into it.
Source: PS3.8 9.3.1 (PDU header), 9.3.5 (P-DATA-TF), Annex E (message control header).
"""

import math
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterator
from typing import NamedTuple

from ingestion.dimse.protocol.upper_layer import (
    PDU_HEADER_BYTES,
    PDV_HEADER_BYTES,
    Abort,
    PeerSilent,
    PeerVanished,
    ProtocolViolation,
    ServiceStopping,
)

BUFFER_BYTES = 256 * 1024
SLOWEST_BYTES_PER_SECOND = 1024  # what a peer must manage inside a PDU, once its timeout is over

_PDU_HEADER = struct.Struct(">BxI")
_PDV_HEADER = struct.Struct(">IBB")
_TIMEVAL = struct.Struct("ll")

# What the kernel's timeouts raise, and Python's own.
_TIMED_OUT = (BlockingIOError, TimeoutError)


class Fragment(NamedTuple):
    """A piece of a PDV. `view` is only valid until the next piece is asked for."""

    context_id: int
    control: int
    ends_pdv: bool
    view: memoryview


class PduReader:
    """Reads PDUs from a blocking socket.

    Every wait raises `PeerSilent` after the timeout, `PeerVanished` at the end of the
    stream, and `ServiceStopping` once `stop_reading` was called (by any thread). A P-DATA-TF
    that trickles is silence, too.
    """

    def __init__(self, connection: socket.socket, *, buffer_bytes: int = BUFFER_BYTES) -> None:
        self._connection = connection
        self._is_tcp = connection.family in {socket.AF_INET, socket.AF_INET6}
        self._view = memoryview(bytearray(buffer_bytes))
        self._start = 0
        self._end = 0
        self._deadline = math.inf
        self._silence_seconds = 0.0  # as the kernel knows it; 0 when that is not known
        self._is_stopping = False
        self._waited_seconds = 0.0  # for what is left of the PDU
        self._wait_seconds_max = math.inf
        self.bytes_read = 0

    def limit_silence(self, seconds: float) -> None:
        """From now on the peer may be silent for so long."""
        self._deadline = math.inf
        if seconds != self._silence_seconds:  # it may be called for every message
            self._silence_seconds = seconds
            _set_receive_timeout(self._connection, seconds)

    def limit_time(self, seconds: float) -> None:
        """From now on everything must have arrived within so long, however it trickles."""
        self._deadline = time.monotonic() + seconds
        self._silence_seconds = 0.0

    def stop_reading(self) -> None:
        """End the reader at its next wait, now if it waits. For another thread to call."""
        self._is_stopping = True
        try:
            self._connection.shutdown(socket.SHUT_RD)
        except OSError:
            return  # it is closed already

    def read_header(self) -> tuple[int, int]:
        """Type and length of the next PDU; its body must be read next."""
        self._need(PDU_HEADER_BYTES)
        header: tuple[int, int] = _PDU_HEADER.unpack_from(self._view, self._start)
        self._start += PDU_HEADER_BYTES
        return header

    def read_body(self, length: int) -> bytes:
        """The whole body of a small PDU. The caller has checked the length."""
        pieces = bytearray()
        while len(pieces) < length:
            pieces += self._take(length - len(pieces))
        return bytes(pieces)

    def fragments(self, length: int) -> Iterator[Fragment]:
        """The pieces of every PDV in a P-DATA-TF of this length, in order.

        Raises `ProtocolViolation` when the lengths of PDU and PDVs disagree.
        """
        self._waited_seconds = 0.0
        patience = self._silence_seconds or math.inf
        self._wait_seconds_max = patience + length / SLOWEST_BYTES_PER_SECOND
        while length:
            if length < PDV_HEADER_BYTES:
                raise ProtocolViolation(Abort.INVALID_PDU_PARAMETER, "PDV without a header")
            self._need(PDV_HEADER_BYTES)
            item_length, context_id, control = _PDV_HEADER.unpack_from(self._view, self._start)
            self._start += PDV_HEADER_BYTES
            length -= item_length + 4
            if item_length < 2 or length < 0:
                raise ProtocolViolation(Abort.INVALID_PDU_PARAMETER, "PDV length breaks its PDU")
            left = item_length - 2
            while True:
                view = self._take(left) if left else self._view[0:0]
                left -= len(view)
                yield Fragment(context_id, control, not left, view)
                if not left:
                    break
        self._wait_seconds_max = math.inf

    def has_input(self, *, within_seconds: float = 0.0) -> bool:
        """Whether something can be read by then, be it that the peer left."""
        if self._start < self._end:
            return True
        if isinstance(self._connection, ssl.SSLSocket) and self._connection.pending():
            return True
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(within_seconds * 1000))

    def upcoming_pdu_type(self, *, within_seconds: float) -> int | None:
        """The type of the next PDU if it begins to arrive in time, else None; takes nothing."""
        if not self.has_input(within_seconds=within_seconds):
            return None
        self._need(1)
        return self._view[self._start]

    def discard_until_closed(self) -> None:
        """Read and forget until the peer closes or time is up (PS3.8 9.2, Sta13)."""
        try:
            while True:
                self._start = self._end = 0
                self._fill()
        except (PeerSilent, PeerVanished, ServiceStopping):
            return

    def _take(self, length: int) -> memoryview:
        """At least one byte, at most `length`, of what comes next."""
        if self._start == self._end:
            self._start = self._end = 0
            self._fill()
        end = min(self._end, self._start + length)
        view = self._view[self._start : end]
        self._start = end
        return view

    def _need(self, length: int) -> None:
        """Make the next `length` bytes lie side by side in the buffer."""
        if self._end - self._start >= length:
            return
        rest = bytes(self._view[self._start : self._end])
        self._view[: len(rest)] = rest
        self._start, self._end = 0, len(rest)
        while self._end < length:
            self._fill()

    def _fill(self) -> None:
        if self._deadline is not math.inf:
            self._shorten_wait()
        started = time.monotonic()
        try:
            received = self._connection.recv_into(self._view[self._end :])
        except _TIMED_OUT:
            raise PeerSilent("the peer said nothing within the timeout") from None
        except OSError:
            raise PeerVanished("the connection broke") from None
        if self._is_stopping:
            raise ServiceStopping("the service stops")
        if not received:
            raise PeerVanished("the connection was closed")
        self._waited_seconds += time.monotonic() - started
        if self._waited_seconds > self._wait_seconds_max:
            raise PeerSilent("the peer trickles")
        self._end += received
        self.bytes_read += received
        if self._is_tcp:
            # The kernel clears it after each read; without it a sender with Nagle's
            # algorithm waits 40 ms for our acknowledgement, once per instance.
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _shorten_wait(self) -> None:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise PeerSilent("the peer did not finish within the timeout")
        _set_receive_timeout(self._connection, remaining)


class Outflow:
    """Sends much on a connection, to a peer that must take it.

    Raises `PeerVanished`, and `PeerSilent` when the peer takes nothing within the timeout, or has
    kept us waiting for `patience_seconds` longer than `SLOWEST_BYTES_PER_SECOND` would.
    """

    def __init__(self, connection: socket.socket, *, patience_seconds: float = math.inf) -> None:
        self._connection = connection
        self._patience_seconds = patience_seconds
        self._late_seconds = 0.0

    def send(self, encoded: bytes | memoryview) -> None:
        """Send all of it."""
        rest = memoryview(encoded)
        while rest:
            started = time.monotonic()
            sent = _send_some(self._connection, rest)
            waited = time.monotonic() - started
            granted = sent / SLOWEST_BYTES_PER_SECOND
            self._late_seconds = max(0.0, self._late_seconds + waited - granted)
            if self._late_seconds > self._patience_seconds:
                raise PeerSilent("the peer takes too slowly what it is sent")
            rest = rest[sent:]


def send(connection: socket.socket, encoded: bytes | memoryview) -> None:
    """Send all of it. Raises `PeerSilent` when the peer does not take it, `PeerVanished`."""
    Outflow(connection).send(encoded)


def _send_some(connection: socket.socket, encoded: memoryview) -> int:
    try:
        return connection.send(encoded)
    except _TIMED_OUT:
        raise PeerSilent("the peer took no answer within the timeout") from None
    except OSError:
        raise PeerVanished("the connection broke") from None


def prepare_connection(connection: socket.socket, *, timeout_seconds: float) -> None:
    """Set a fresh connection up: blocking, with timeouts, no delay of small answers."""
    if not isinstance(connection, ssl.SSLSocket):
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(timeout_seconds))
    _set_receive_timeout(connection, timeout_seconds)
    if connection.family in {socket.AF_INET, socket.AF_INET6}:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _set_receive_timeout(connection: socket.socket, seconds: float) -> None:
    """The kernel's timeouts cost nothing per read, Python's own cost a `poll` each.

    With TLS they must be Python's, and hold for both directions: OpenSSL waits again and
    again when the kernel's have passed.
    """
    if isinstance(connection, ssl.SSLSocket):
        connection.settimeout(seconds)
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))


def _timeval(seconds: float) -> bytes:
    microseconds = max(1, round(seconds * 1_000_000))  # zero would mean for ever
    return _TIMEVAL.pack(*divmod(microseconds, 1_000_000))
