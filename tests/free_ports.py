"""Ports for servers that bind by number.

The kernel gives its own to anybody as soon as they are given back: to another test's server, or to
one of thousands of outgoing connections. These are below its range, and each worker has others.
"""

import os
import socket
from itertools import count

_FIRST = 20_000
_PORTS_PER_WORKER = 1_000
_WORKERS_MAX = 12

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS_MAX
_turns = count(os.getpid())


def free_port() -> int:
    """A port of this worker that nobody listens on, and that it did not use of late."""
    for _ in range(_PORTS_PER_WORKER):
        port = _FIRST + _worker * _PORTS_PER_WORKER + next(_turns) % _PORTS_PER_WORKER
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
