"""Keeps the AE tables fresh: a snapshot, read again when it is older than two seconds.

All reads happen on one thread, so that hundreds of associations cost one database
connection, and associations that arrive together share one read.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from ingestion.dimse.security.association_policy import EntityTables

MAX_AGE_SECONDS = 2.0


class EntityCache:
    """The AE tables, never older than their maximum age."""

    def __init__(
        self,
        load: Callable[[], EntityTables],
        *,
        release: Callable[[], None],
        max_age_seconds: float = MAX_AGE_SECONDS,
    ) -> None:
        """`release` gives back what `load` holds on its thread, at the end."""
        self._load = load
        self._release = release
        self._max_age_seconds = max_age_seconds
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="ae-tables")
        self._lock = threading.Lock()
        self._reading: Future[EntityTables] | None = None
        self._read_at = 0.0

    def tables(self) -> EntityTables:
        """A fresh snapshot. Raises what the read raised; the next call reads again."""
        with self._lock:
            if self._reading is None or self._is_stale(self._reading):
                self._read_at = time.monotonic()
                self._reading = self._reader.submit(self._load)
            reading = self._reading
        return reading.result()

    def close(self) -> None:
        """End the reading thread."""
        self._reader.submit(self._release)
        self._reader.shutdown()

    def _is_stale(self, reading: Future[EntityTables]) -> bool:
        if not reading.done():
            return False
        return (
            reading.exception() is not None
            or time.monotonic() - self._read_at > self._max_age_seconds
        )
