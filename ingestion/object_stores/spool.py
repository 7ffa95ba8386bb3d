"""One object on its way in: bytes as they arrive, first in memory, then in a temporary file."""

import hashlib
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from ingestion.errors import LimitExceeded, ObjectStoreUnavailable
from ingestion.object_stores.os_errors import from_os_error_in_writing

MEMORY_BYTES_MAX = 1024 * 1024
HASH_CHUNK_BYTES = 1024 * 1024
FILE_MODE = 0o640
FOLDER_MODE = 0o750
_TEMPORARY_PREFIX = ".incoming-"


def temporary_path(folder: Path) -> Path:
    """A new name in `folder` that `remove_stale_spool_files` knows and no object can have."""
    return folder / f"{_TEMPORARY_PREFIX}{uuid4().hex}"


def remove_stale_spool_files(folder: Path, older_than_seconds: float) -> int:
    """Remove what dead processes left in `folder`, not changed for so long. Returns how many files.

    A missing folder is an empty one. Raises `Misconfigured` for a folder that cannot be cleaned.
    """
    oldest = time.time() - older_than_seconds
    removed = 0
    try:
        for path in folder.glob(f"{_TEMPORARY_PREFIX}*"):
            try:
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue  # another process was faster
    except OSError as error:
        raise from_os_error_in_writing(error, "spool folder") from error
    return removed


class Spool:
    """Holds up to `memory_bytes_max` in memory, more than that in a temporary file in `folder`.

    For one thread at a time. Closing it removes the file.
    """

    def __init__(
        self, folder: Path, *, memory_bytes_max: int = MEMORY_BYTES_MAX, size_bytes_max: int
    ) -> None:
        self.size_bytes = 0
        self._folder = folder
        self._memory_bytes_max = memory_bytes_max
        self._size_bytes_max = size_bytes_max
        self._memory = bytearray()
        self._path: Path | None = None
        self._fd = -1
        self._hash_start = -1
        self._hash = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def write(self, buffer: bytes | bytearray | memoryview) -> None:
        """Append a copy of the bytes. Raises `LimitExceeded`, `OutOfSpace`.

        After an error the spool is only good for closing.
        """
        size_bytes = self.size_bytes + len(buffer)
        if size_bytes > self._size_bytes_max:
            raise LimitExceeded(f"object exceeds {self._size_bytes_max} bytes")
        if size_bytes <= self._memory_bytes_max:
            self._memory += buffer
        else:
            self._write_to_file(buffer)
        if self._hash_start >= 0:
            skip = max(self._hash_start - self.size_bytes, 0)
            self._hash.update(memoryview(buffer)[skip:])
        self.size_bytes = size_bytes

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of what was written so far."""
        if self._path is None:
            return bytes(memoryview(self._memory)[offset : offset + length])
        length = max(min(length, self.size_bytes - offset), 0)
        try:
            content = os.pread(self._fd, length, offset)
        except OSError as error:
            raise from_os_error_in_writing(error, "spool file") from error
        if len(content) < length:
            raise ObjectStoreUnavailable("spool file: it became shorter")
        return content

    def hash_from(self, offset: int) -> None:
        """Hash what was and what will be written from `offset` on, as it arrives. Called once."""
        assert self._hash_start < 0, "the spool hashes already"
        self._hash_start = offset
        self._hash = self._hash_of(offset)

    def sha256(self, start: int) -> bytes:
        """The 32 bytes of SHA-256 from `start` on; read again unless `hash_from` got it."""
        return (self._hash if start == self._hash_start else self._hash_of(start)).digest()

    def content(self) -> memoryview | Path:
        """All bytes: in memory, or the temporary file. No write may follow."""
        return memoryview(self._memory) if self._path is None else self._path

    def sync(self) -> None:
        """Make the bytes of the temporary file durable; nothing to do in memory.

        Raises `OutOfSpace`, `ObjectStoreUnavailable`.
        """
        if self._path is None:
            return
        try:
            os.fdatasync(self._fd)
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError as error:
            raise from_os_error_in_writing(error, "spool file") from error

    def close(self) -> None:
        """Forget the bytes and remove the temporary file. A repeat is fine."""
        self._memory = bytearray()
        if self._path is None:
            return
        os.close(self._fd)
        self._path.unlink(missing_ok=True)
        self._path = None
        self.size_bytes = 0

    def _write_to_file(self, buffer: bytes | bytearray | memoryview) -> None:
        try:
            if self._path is None:
                self._spill()
            write_all(self._fd, buffer)
        except OSError as error:
            raise from_os_error_in_writing(error, "spool file") from error

    def _spill(self) -> None:
        """Move what is in memory to a new temporary file."""
        path = temporary_path(self._folder)
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        try:
            self._fd = os.open(path, flags, FILE_MODE)
        except FileNotFoundError:
            self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            self._fd = os.open(path, flags, FILE_MODE)
        self._path = path
        write_all(self._fd, self._memory)
        self._memory = bytearray()

    def _hash_of(self, start: int) -> "hashlib._Hash":
        result = hashlib.sha256()
        for offset in range(start, self.size_bytes, HASH_CHUNK_BYTES):
            result.update(self.read_at(offset, HASH_CHUNK_BYTES))
        return result


def write_all(fd: int, buffer: bytes | bytearray | memoryview) -> None:
    """Write every byte; write(2) may take fewer at a time. Raises `OSError`."""
    rest = memoryview(buffer)
    while rest:
        rest = rest[os.write(fd, rest) :]
