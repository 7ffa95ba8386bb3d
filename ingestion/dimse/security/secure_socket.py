"""Sockets with TLS that behave towards the Upper Layer as plain ones do.

Source: RFC 8446 6.1, RFC 5246 7.2.1 (close_notify); PS3.15 B.12.
"""

import contextlib
import socket
import ssl
from collections.abc import Iterable
from typing import Any

from ingestion.dimse.protocol.upper_layer import AssociationEnded


class TlsFailed(AssociationEnded):
    """The two sides could not agree on TLS; no association was ever asked for."""

    code = "tls-failed"


class SecureSocket(ssl.SSLSocket):
    """A TLS connection; made by the contexts of `tls`.

    Timeouts are Python's (`settimeout`): the kernel's would be waited out again and again,
    since OpenSSL asks for a repeat after each of them.
    """

    def shutdown(self, how: int) -> None:
        """End one direction; the base class would go on in plain text.

        A peer that waits for the end of what we send is told by a close_notify.
        """
        if how != socket.SHUT_RD:
            self._send_close_notify()
        socket.socket.shutdown(self, how)

    def sendmsg(self, buffers: Iterable[Any]) -> int:  # type: ignore[override]  # there it raises
        """Send all of the buffers, in as few records as possible."""
        joined = b"".join(buffers)
        self.sendall(joined)
        return len(joined)

    def _send_close_notify(self) -> None:
        """Send it without waiting for the peer's own."""
        timeout = self.gettimeout()
        self.settimeout(0)
        with contextlib.suppress(OSError, ValueError):  # wants the answer; or is ended already
            self.unwrap()
        self.settimeout(timeout)


def secure(connection: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """The connection as one with TLS, before its handshake. It replaces the one given."""
    return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)


def shake_hands(secured: ssl.SSLSocket, *, timeout_seconds: float) -> None:
    """Agree on TLS, within so long however it trickles. Raises `TlsFailed` in words."""
    secured.settimeout(timeout_seconds)
    try:
        secured.do_handshake()
    except OSError as error:
        raise TlsFailed(tls_failure(error)) from None


def tls_failure(error: OSError) -> str:
    """Why a handshake failed, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return "the peer left during the handshake"
    if isinstance(error, TimeoutError):
        return "the peer did not finish the handshake within the timeout"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return error.strerror or type(error).__name__
