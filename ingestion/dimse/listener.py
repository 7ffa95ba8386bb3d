"""Accepts connections and gives each a thread, within limits; drains when asked to end."""

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from ingestion.dimse.protocol.upper_layer import Rejection
from ingestion.errors import Misconfigured

log = structlog.get_logger(__name__)

BACKLOG = 256
ACCEPT_WAIT_SECONDS = 0.2  # how soon the accepting thread sees that it should end
# Connections above the limits that are told so at a time, rather than just closed.
REFUSALS_MAX = 128
REFUSALS_PER_PEER_MAX = 64
ABORT_GRACE_SECONDS = 5.0  # for threads to end once they were told to abort


class Served(Protocol):
    """A connection being served."""

    def run(self) -> None:
        """Serve to the end; raises nothing and closes the connection."""

    def stop(self) -> None:
        """End soon. Called from another thread."""


# A connection, the peer's address and the rejection that our limits ask for, if any.
Serve = Callable[[socket.socket, str, Rejection | None], Served]


@dataclass(frozen=True, slots=True)
class Door:
    """A listening socket, and how its connections are served."""

    listening: socket.socket
    serve: Serve


@dataclass(frozen=True, slots=True)
class ListenerLimits:
    """How many associations one process serves."""

    associations_max: int
    associations_per_peer_max: int


def open_listening_socket(host: str, port: int) -> socket.socket:
    """A listening socket on exactly this address, for processes to inherit.

    Raises `Misconfigured` when the address is taken or not ours.
    """
    try:
        listening = _bound_socket(host, port)
        listening.listen(BACKLOG)
    except OSError as error:
        raise Misconfigured(f"DIMSE cannot listen on {host}:{port}: {error.strerror}") from error
    # Accepting gives up now and then, so that a thread in it sees the order to end.
    wait = struct.pack("ll", 0, round(ACCEPT_WAIT_SECONDS * 1_000_000))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)
    return listening


class Listener:
    """The connections of one process, by whichever door they came."""

    def __init__(self, doors: Sequence[Door], *, limits: ListenerLimits) -> None:
        self._doors = doors
        self._limits = limits
        self._lock = threading.Lock()
        self._served: dict[threading.Thread, Served] = {}
        self._per_peer: Counter[str] = Counter()
        self._is_stopping = threading.Event()
        self._accepting = [
            threading.Thread(target=self._accept_forever, args=(door,), name="accept", daemon=True)
            for door in doors
        ]

    def start(self) -> None:
        """Accept from now on, on a thread for each door."""
        for thread in self._accepting:
            thread.start()

    def stop(self, *, drain_seconds: float) -> None:
        """Accept no more, let associations finish for so long, then abort the rest."""
        self._is_stopping.set()
        for thread in self._accepting:
            thread.join()
        for door in self._doors:
            door.listening.close()
        self._join_all(time.monotonic() + drain_seconds)
        with self._lock:
            remaining = list(self._served.values())
        for served in remaining:
            served.stop()
        self._join_all(time.monotonic() + ABORT_GRACE_SECONDS)

    def count(self) -> int:
        """How many connections are open."""
        with self._lock:
            return len(self._served)

    def _accept_forever(self, door: Door) -> None:
        while not self._is_stopping.is_set():
            try:
                connection, address = door.listening.accept()
            except BlockingIOError:
                continue
            except OSError as error:
                # Out of file descriptors, or a peer that left the queue: others still wait.
                log.warning("accept failed", error=error.strerror)
                self._is_stopping.wait(ACCEPT_WAIT_SECONDS)
                continue
            try:
                self._begin(door, connection, str(address[0]))
            except Exception:  # the outermost loop: without it nobody would accept any more
                log.exception("connection could not be served")
                connection.close()

    def _begin(self, door: Door, connection: socket.socket, peer: str) -> None:
        with self._lock:
            is_above = (
                len(self._served) >= self._limits.associations_max
                or self._per_peer[peer] >= self._limits.associations_per_peer_max
            )
            if is_above and not self._may_still_be_told(peer):
                connection.close()
                log.warning("connection closed above the limits", peer_address=peer)
                return
            served = door.serve(
                connection, peer, Rejection.LOCAL_LIMIT_EXCEEDED if is_above else None
            )
            thread = threading.Thread(
                target=self._run, args=(served, peer), name="association", daemon=True
            )
            thread.start()  # it waits for the lock before it forgets itself
            self._served[thread] = served
            self._per_peer[peer] += 1

    def _may_still_be_told(self, peer: str) -> bool:
        """A polite refusal needs a thread; hostile peers get a bounded number of them."""
        return (
            len(self._served) < self._limits.associations_max + REFUSALS_MAX
            and self._per_peer[peer]
            < self._limits.associations_per_peer_max + REFUSALS_PER_PEER_MAX
        )

    def _run(self, served: Served, peer: str) -> None:
        try:
            served.run()
        finally:
            with self._lock:
                del self._served[threading.current_thread()]
                self._per_peer[peer] -= 1
                if not self._per_peer[peer]:
                    del self._per_peer[peer]

    def _join_all(self, deadline: float) -> None:
        with self._lock:
            threads = list(self._served)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _bound_socket(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
