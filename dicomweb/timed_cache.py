"""Answers of the database that nearly every request needs, kept for moments in each process."""

import threading
import time
from collections.abc import Hashable
from typing import Generic, TypeVar

ENTRIES_MAX = 1000

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class TimedCache(Generic[Key, Value]):
    """Values by key, never older than `seconds`. Safe to share between threads."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._known: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key) -> Value | None:
        """The value, None when there is none that is fresh."""
        known = self._known.get(key)
        return known[1] if known is not None and known[0] > time.monotonic() else None

    def put(self, key: Key, value: Value) -> None:
        """Keep a value; with `ENTRIES_MAX` of them it begins anew."""
        with self._lock:
            if len(self._known) >= ENTRIES_MAX:
                self._known.clear()
            self._known[key] = (time.monotonic() + self._seconds, value)
