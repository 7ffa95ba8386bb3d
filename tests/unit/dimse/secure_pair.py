"""Two ends of a connection with TLS, for tests of what is read and sent through it."""

import socket
import ssl
import threading
from pathlib import Path

from ingestion.dimse.security.secure_socket import secure, shake_hands
from ingestion.dimse.security.tls import AcceptingFiles, CallingFiles
from tests.unit.dimse.certificates import Authority


def secure_pair(folder: Path) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Our end and the peer's, once the handshake is done."""
    authority = Authority.create(folder / "tls")
    ours, theirs = socket.socketpair()
    context = CallingFiles(authority.file).build()
    theirs.settimeout(60)
    called = context.wrap_socket(theirs, server_hostname="127.0.0.1", do_handshake_on_connect=False)
    calling = threading.Thread(target=called.do_handshake)
    calling.start()
    accepted = secure(ours, AcceptingFiles(authority.issue("ours")).build())
    shake_hands(accepted, timeout_seconds=60)
    calling.join(60)
    return accepted, called
