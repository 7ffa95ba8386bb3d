"""Values made from files, made again when the files change."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from ingestion.errors import Misconfigured

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Modification time, inode and size of each file; None for one that is not there.
Fingerprint = tuple[tuple[int, int, int] | None, ...]


class FreshFromFiles(Generic[T]):
    """A value that is made again when one of its files changed.

    Files that cannot be used, as while they are being replaced, leave the last good value in
    place, with one line in the log.
    """

    def __init__(self, make: Callable[[], T], paths: tuple[Path, ...], *, purpose: str) -> None:
        """`make` raises `OSError` or `ValueError` for files that cannot be used."""
        self._make = make
        self._paths = paths
        self._purpose = purpose
        self._lock = threading.Lock()
        self._value: T | None = None
        self._seen: Fingerprint | None = None

    def current(self) -> T:
        """The value of the files as they are. Raises `Misconfigured` if none ever was good."""
        with self._lock:
            found = tuple(_fingerprint(path) for path in self._paths)
            if self._value is None or found != self._seen:
                self._renew(found)
            assert self._value is not None
            return self._value

    def _renew(self, found: Fingerprint) -> None:
        try:
            self._value = self._make()
        except (OSError, ValueError) as error:
            files = ", ".join(str(path) for path in self._paths) or "the system's authorities"
            if self._value is None:
                raise Misconfigured(f"{self._purpose} with {files}: {error}") from error
            log.error(
                "files not usable, the last good ones stay in use",
                purpose=self._purpose,
                files=files,
                reason=str(error),
            )
        self._seen = found


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
