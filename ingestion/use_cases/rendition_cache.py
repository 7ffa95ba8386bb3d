"""Remembers, per process, what was rendered of bytes that never change."""

from collections.abc import Hashable
from threading import Lock

from cachetools import LRUCache


class RenditionCache:
    """Encoded pictures by what they show. Safe for several threads.

    The least recently used go when `bytes_max` are full; a picture of more than an eighth of
    that is not kept, so that one cannot drive out all others.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bodies: LRUCache[Hashable, bytes] = LRUCache(bytes_max, len)
        self._lock = Lock()

    def get(self, key: Hashable) -> bytes | None:
        """The picture, None when it is not (or no longer) known."""
        with self._lock:
            return self._bodies.get(key)

    def put(self, key: Hashable, body: bytes) -> None:
        """Remember a picture."""
        if len(body) <= self._bodies.maxsize // 8:
            with self._lock:
                self._bodies[key] = body
