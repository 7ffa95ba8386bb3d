"""A client's connection on which no thread waits for ever, however slowly the client goes on.

Source: RFC 9110 15.5.9 (408); the idea of a least rate is that of Apache's mod_reqtimeout.
"""

import errno
import socket
import time
from typing import Any

RATE_BYTES_MIN = 4096  # per second of waiting, once the silence that is allowed is used up
SLICE_BYTES = 128 * 1024  # sent within the silence that is allowed, so at about the same rate


class PacedSocket(socket.socket):
    """A socket whose reads and writes end with `TimeoutError` when its peer is too slow.

    Only time spent waiting counts. A peer may be silent for `silence_seconds` in all; what it
    sends earns that time back, a second for every `RATE_BYTES_MIN`. Given up, a peer's side
    reads as closed, so that what it sent before can still be had.
    """

    __slots__ = ("_patience_seconds", "_silence_seconds")

    def __init__(self, accepted: socket.socket, *, silence_seconds: float) -> None:
        """Takes over `accepted`."""
        super().__init__(fileno=accepted.detach())
        self._silence_seconds = self._patience_seconds = silence_seconds

    def setblocking(self, flag: bool, /) -> None:  # noqa: FBT001  # as socket.socket has it
        """Blocking, a socket waits with new patience."""
        self._patience_seconds = self._silence_seconds
        self.settimeout(self._silence_seconds if flag else 0.0)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """What has arrived, as `socket.recv`."""
        if self._patience_seconds < 0:
            return b""
        started = time.monotonic()
        try:
            received = super().recv(bufsize, flags)
        except TimeoutError as error:
            self._patience_seconds = -1.0
            raise _too_slow() from error
        waited = time.monotonic() - started
        left = self._patience_seconds - waited + len(received) / RATE_BYTES_MIN
        self._patience_seconds = min(left, self._silence_seconds)
        if left < 0:
            raise _too_slow()
        return received

    def sendall(self, content: Any, flags: int = 0, /) -> None:
        """Send in slices, each of which must leave in time."""
        view = memoryview(content)
        try:
            for start in range(0, len(view), SLICE_BYTES):
                super().sendall(view[start : start + SLICE_BYTES], flags)
        except TimeoutError as error:
            raise _too_slow() from error

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """As `socket.sendfile`."""
        try:
            return super().sendfile(file, offset, count)
        except TimeoutError as error:
            raise _too_slow() from error


def _too_slow() -> TimeoutError:
    """Looks like a reset to gunicorn, which writes tracebacks of any other timeout."""
    return TimeoutError(errno.ECONNRESET, "the client is too slow")
