"""gunicorn's worker with threads, made safe from slow clients.

A thread is only given to a request whose head has arrived, some threads are kept free of
uploads, a thread never waits long for a client, and no answer waits for a body that nobody
will read. gunicorn's own worker has none of that: as many slow clients as threads stop it.
Source: RFC 9112 9.6 (how to close), RFC 9110 15.5.9 (408), RFC 6585 5 (431).
"""

import enum
import errno
import io
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import TConn, ThreadWorker

from ingestion.embedded.paced_socket import PacedSocket
from ingestion.embedded.refused_requests import (
    FAILED,
    HEAD_TOO_LARGE,
    HEAD_TOO_SLOW,
    Refusal,
    refusal_of,
)

HEAD_BYTES_MAX = 64 * 1024
RECEIVE_BYTES = 64 * 1024
UPLOADS_SHARE = 0.75  # of the threads may wait for bodies
LINGER_SECONDS = 30.0  # a client that still sends may read its answer so long
LINGER_BYTES_MAX = 64 * 1024 * 1024

_HEAD_END = b"\r\n\r\n"
_HAS_BODY = re.compile(rb"\r\n(?:content-length:[ \t]*0*[1-9]|transfer-encoding:)", re.IGNORECASE)
_NO_CONNECTION = (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK)

WsgiApplication = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Head(enum.Enum):
    """How far the head of the next request is."""

    INCOMPLETE = enum.auto()
    COMPLETE = enum.auto()
    TOO_LARGE = enum.auto()
    ENDED = enum.auto()


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A client's connection; `linger` ends it once its answer is sent."""

    def __init__(self, *arguments: Any, linger: Callable[[PacedSocket], None]) -> None:
        super().__init__(*arguments)
        self._linger = linger
        self.is_uploading = False

    def receive_head(self) -> Head:
        """Take what has arrived, without waiting."""
        self.init()
        received = self.parser.unreader.buf
        head = _progress(received)
        if head is not Head.INCOMPLETE:
            return head
        self.sock.setblocking(False)  # noqa: FBT003  # a socket's own
        try:
            arrived = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return Head.INCOMPLETE
        except OSError:
            return Head.ENDED
        received.seek(0, io.SEEK_END)
        received.write(arrived)
        return _progress(received) if arrived else Head.ENDED

    def has_begun(self) -> bool:
        """Whether a part of a request has arrived."""
        return bool(self.parser.unreader.buf.tell())

    def announces_body(self) -> bool:
        head, _, _ = self.parser.unreader.buf.getvalue().partition(_HEAD_END)
        return _HAS_BODY.search(head) is not None

    def close(self, graceful: bool = False) -> None:  # noqa: FBT001, FBT002  # as gunicorn has it
        if graceful:
            self._linger(self.sock)
        else:
            super().close()


class WebWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Plain HTTP/1.1 for a reverse proxy or for clients themselves; not for TLS or HTTP/2."""

    head_seconds = 20.0  # from the beginning of a request to the end of its head
    silence_seconds = 20.0  # of a client from which, or for which, a thread waits

    wsgi: WsgiApplication

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._uploads_left = max(1, int(self.cfg.threads * UPLOADS_SHARE))
        self._uploads_waiting: deque[Connection] = deque()
        self._lingering: dict[PacedSocket, tuple[float, int]] = {}  # until when, bytes left

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.wsgi = closing_before_unread_bodies(self.wsgi)

    def accept(self, listener: socket.socket) -> None:
        """As gunicorn's, with sockets and connections of ours."""
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno in _NO_CONNECTION:
                return
            raise
        self.nr_conns += 1
        paced = PacedSocket(accepted, silence_seconds=self.silence_seconds)
        address = listener.getsockname()
        self.enqueue_req(Connection(self.cfg, paced, client, address, linger=self._linger))

    def enqueue_req(self, conn: Connection) -> None:
        """The only way to a thread: for requests whose head is here."""
        head = conn.receive_head()
        if head is Head.INCOMPLETE:
            conn.timeout = time.monotonic() + self.head_seconds
            self.pending_conns.append(conn)
            readable = partial(self.on_pending_socket_readable, conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, readable)
        else:
            self._go_on(conn, head)

    def on_pending_socket_readable(self, conn: Connection, client: PacedSocket) -> None:
        head = conn.receive_head()
        if head is not Head.INCOMPLETE:
            self.poller.unregister(client)
            self.pending_conns.remove(conn)
            self._go_on(conn, head)

    def murder_pending(self) -> None:
        """Called about every second. Who has not begun a request need not be waited for at stop."""
        now = time.monotonic()
        while self.pending_conns and self.pending_conns[0].timeout <= now:
            self._give_up(self.pending_conns[0])
        if not self.alive:
            for conn in [conn for conn in self.pending_conns if not conn.has_begun()]:
                self._give_up(conn)
        self._end_lingering(now)

    def finish_request(self, conn: Connection, fs: "Future[bool]") -> None:
        if conn.is_uploading:
            conn.is_uploading = False
            self._uploads_left += 1
            if self._uploads_waiting:
                self._upload(self._uploads_waiting.popleft())
        super().finish_request(conn, fs)

    def handle_error(
        self, _request: Any, client: PacedSocket, _address: Any, error: BaseException
    ) -> None:
        """Answer what is no request, or failed before its answer began.

        gunicorn's own would log and repeat what was sent.
        """
        refusal = refusal_of(error)
        if refusal is FAILED:
            self.log.error("a request failed", exc_info=error)
        else:
            self.log.warning("a request was refused: %s", refusal.detail)
        with suppress(OSError):
            write_nonblock(client, refusal.answer())

    def _go_on(self, conn: Connection, head: Head) -> None:
        if head is Head.ENDED:
            self._end(conn)
        elif head is Head.TOO_LARGE:
            self._end(conn, HEAD_TOO_LARGE)
        elif not conn.announces_body():
            super().enqueue_req(conn)
        elif self._uploads_left:
            self._upload(conn)
        else:
            self._uploads_waiting.append(conn)

    def _upload(self, conn: Connection) -> None:
        self._uploads_left -= 1
        conn.is_uploading = True
        super().enqueue_req(conn)

    def _give_up(self, conn: Connection) -> None:
        self.pending_conns.remove(conn)
        self.poller.unregister(conn.sock)
        self._end(conn, HEAD_TOO_SLOW if conn.has_begun() else None)

    def _end(self, conn: Connection, refusal: Refusal | None = None) -> None:
        self.nr_conns -= 1
        if refusal is not None:
            with suppress(OSError):
                conn.sock.send(refusal.answer())
        conn.close(graceful=refusal is not None)

    def _linger(self, client: PacedSocket) -> None:
        """Close without waiting: a client that still sends would not see its answer."""
        try:
            client.shutdown(socket.SHUT_WR)
            client.setblocking(False)  # noqa: FBT003  # a socket's own
        except OSError:
            client.close()
            return
        if len(self._lingering) >= self.worker_connections:
            client.close()
            return
        self._lingering[client] = time.monotonic() + LINGER_SECONDS, LINGER_BYTES_MAX
        self.poller.register(client, selectors.EVENT_READ, self._drain)

    def _drain(self, client: PacedSocket) -> None:
        until, left = self._lingering[client]
        try:
            arrived = len(client.recv(RECEIVE_BYTES))
        except BlockingIOError:
            return
        except OSError:
            arrived = 0
        if arrived and left > arrived:
            self._lingering[client] = until, left - arrived
        else:
            self._forget(client)

    def _end_lingering(self, now: float) -> None:
        """The longest lingering come first: a dict keeps the order in which they came."""
        for client in [item for item, (until, _) in self._lingering.items() if until <= now]:
            self._forget(client)

    def _forget(self, client: PacedSocket) -> None:
        del self._lingering[client]
        self.poller.unregister(client)
        client.close()


def closing_before_unread_bodies(application: WsgiApplication) -> WsgiApplication:
    """The same application; what it answers before it has read a body ends the connection.

    Otherwise the thread would have to read the body first, to find the next request behind it.
    """

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(*arguments: Any) -> Any:
            response = start_response.__self__  # type: ignore[attr-defined]  # gunicorn's
            if not _is_read(response.req.body):
                response.force_close()
            return start_response(*arguments)

        return application(environ, start)

    return call


def _is_read(body: Any) -> bool:
    """Whether gunicorn's reader of a body has come to its end, by length or by chunks."""
    left = getattr(body.reader, "length", 0) or getattr(body.reader, "parser", None)
    return not (left or body.failed)


def _progress(received: io.BytesIO) -> Head:
    arrived = received.getvalue()
    if _HEAD_END in arrived:
        return Head.COMPLETE
    return Head.TOO_LARGE if len(arrived) > HEAD_BYTES_MAX else Head.INCOMPLETE
