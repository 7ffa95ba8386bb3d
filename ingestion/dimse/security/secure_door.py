"""Connections by the door with TLS: first the handshake, then the association.

Source: PS3.15 B.12; PS3.8 9.1.5 (ARTIM), which the handshake is counted to.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable

import structlog

from ingestion.dimse.listener import Served
from ingestion.dimse.security.secure_socket import TlsFailed, secure, shake_hands
from ingestion.errors import Misconfigured

log = structlog.get_logger(__name__)


class SecuredConnection:
    """A connection that is served once TLS is agreed on; the handshake is on its own thread."""

    def __init__(
        self,
        connection: socket.socket,
        peer_address: str,
        *,
        context: Callable[[], ssl.SSLContext],
        serve: Callable[[ssl.SSLSocket], Served],
        timeout_seconds: float,
    ) -> None:
        """`context` may raise `Misconfigured`; `serve` serves what is secured by then."""
        self._connection = connection
        self._peer_address = peer_address
        self._context = context
        self._serve = serve
        self._timeout_seconds = timeout_seconds
        self._served: Served | None = None
        self._is_stopping = False

    def run(self) -> None:
        """Serve to the end; raises nothing and closes the connection."""
        structlog.contextvars.clear_contextvars()
        try:
            secured = self._agree()
        except (TlsFailed, Misconfigured) as failure:
            self._connection.close()
            log.warning(
                "TLS handshake failed",
                peer_address=self._peer_address,
                code=failure.code,
                reason=str(failure),
            )
            return
        if secured is None:  # it left without a word, as health checks do
            self._connection.close()
            return
        self._served = served = self._serve(secured)
        if self._is_stopping:
            served.stop()
        served.run()

    def stop(self) -> None:
        """End soon. Called from another thread."""
        self._is_stopping = True
        served = self._served
        if served is not None:
            served.stop()
            return
        with contextlib.suppress(OSError):  # it is closed already
            self._connection.shutdown(socket.SHUT_RD)

    def _agree(self) -> ssl.SSLSocket | None:
        deadline = time.monotonic() + self._timeout_seconds
        self._connection.settimeout(self._timeout_seconds)
        try:
            if not self._connection.recv(1, socket.MSG_PEEK):
                return None
        except OSError as error:
            raise TlsFailed("the peer said nothing") from error
        self._connection = secured = secure(self._connection, self._context())
        shake_hands(secured, timeout_seconds=max(0.001, deadline - time.monotonic()))
        return secured
