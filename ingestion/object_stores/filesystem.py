"""Objects as files below one folder.

A new object is written without a name, synced, then linked to its name, and the folder synced: a
crash leaves either the whole object or nothing. Sources: open(2) O_TMPFILE, link(2), fsync(2).
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ConfigDict

from ingestion.errors import Misconfigured, ObjectMissing
from ingestion.object_stores.durable_folders import (
    DurableFolders,
    OpenFolder,
    folders_may_vanish,
    folders_stay,
    make_durable_folder,
)
from ingestion.object_stores.object_keys import checked_key, checked_location
from ingestion.object_stores.os_errors import from_os_error, from_os_error_in_writing
from ingestion.object_stores.protocol import CHUNK_BYTES, ListedObject, StoredObject
from ingestion.object_stores.put_once import put_once
from ingestion.object_stores.spool import FILE_MODE, Spool, temporary_path, write_all
from ingestion.object_stores.store_check import prove

SPOOL_FOLDER = ".incoming"  # on the same filesystem, and no valid key
DROP_FROM_CACHE_BYTES = 256 * 1024
_NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL}
_READ = os.O_RDONLY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class FilesystemOptions:
    """`root`: the absolute folder that holds the objects; made when missing."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    root: Path


class FilesystemStore:
    """Keeps objects in a folder of a local or network filesystem that has hard links."""

    def __init__(self, options: FilesystemOptions, *, prefix: str) -> None:
        if not options.root.is_absolute():
            raise Misconfigured("object store: root must be an absolute path")
        self._root = options.root
        self._prefix = prefix
        self._folders = DurableFolders(options.root)
        self._spool_folder = options.root / SPOOL_FOLDER

    def spool_folder(self) -> Path:
        """A folder on the filesystem of the objects."""
        if not self._spool_folder.is_dir():
            try:
                make_durable_folder(self._spool_folder)
            except OSError as error:
                raise from_os_error_in_writing(error, "spool folder") from error
        return self._spool_folder

    def put(self, key: str, spool: Spool) -> StoredObject:
        """Keep the spooled bytes: synced, and so is the folder they are in."""
        whole_key = checked_key(self._prefix, key)
        try:
            return put_once(
                self, whole_key, spool=spool, create=lambda location: self._create(location, spool)
            )
        except OSError as error:
            raise from_os_error_in_writing(error, "object") from error

    def read(self, location: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`."""
        return b"".join(self.iterate(location, offset=offset, length=length))

    def iterate(
        self,
        location: str,
        *,
        offset: int = 0,
        length: int | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> Iterator[bytes]:
        """The bytes from `offset` in chunks."""
        size_bytes = self.size(location)
        end = size_bytes if length is None else min(offset + length, size_bytes)
        return self._chunks(self._root / location, offset, end, chunk_bytes=chunk_bytes)

    def open_path(self, location: str) -> Path | None:
        """The object's file."""
        self.size(location)
        return self._root / location

    def size(self, location: str) -> int:
        """The object's size in bytes."""
        try:
            # A path joined as text: whoever sends objects by the thousand asks for each.
            status = os.stat(f"{self._root}/{checked_location(location)}")  # noqa: PTH116
        except OSError as error:
            raise from_os_error(error, "object") from error
        if not stat.S_ISREG(status.st_mode):
            raise ObjectMissing("object: no file")
        return status.st_size

    def delete(self, location: str) -> None:
        """Remove the object and the folders that it leaves empty.

        Not synced: an object that a crash brings back is an orphan, found like any other.
        """
        path = self._root / checked_location(location)
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise from_os_error(error, "object") from error
        _remove_empty_folders(self._root, path.relative_to(self._root))

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        """The objects whose keys begin with `prefix`."""
        start = self._prefix + prefix
        try:
            for location, status in _files(self._root, start.rpartition("/")[0]):
                if location.startswith(start):
                    modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
                    yield ListedObject(location, status.st_size, modified_at)
        except OSError as error:
            raise from_os_error(error, "folder") from error

    def check(self) -> None:
        """Prove that the folder can be used."""
        prove(self)

    def _create(self, location: str, spool: Spool) -> bool:
        """Create the object; false when there is one. Empty folders may vanish meanwhile."""
        folder_name, _, name = location.rpartition("/")
        try:
            return self._create_in(self._folders.opened(folder_name), name, spool=spool)
        except FileNotFoundError:
            with folders_stay(self._root):
                folder = self._folders.opened_anew(folder_name)
                return self._create_in(folder, name, spool=spool)

    def _create_in(self, folder: OpenFolder, name: str, *, spool: Spool) -> bool:
        try:
            _sync_existing(folder, name)
        except FileNotFoundError:
            pass
        else:
            return False
        try:
            self._link(folder, name, spool=spool)
        except FileExistsError:
            return self._create_in(folder, name, spool=spool)  # it exists now: sync it
        os.fsync(folder.fd)
        return True

    def _link(self, folder: OpenFolder, name: str, *, spool: Spool) -> None:
        """Make `name` a durable file with the spooled bytes. Raises `FileExistsError`."""
        content = spool.content()
        if isinstance(content, Path):
            spool.sync()
            try:
                os.link(content, name, dst_dir_fd=folder.fd)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
            else:
                return
        fd, path = self._open_temporary(folder)
        try:
            _write_durably(fd, spool)
            os.link(path, name, dst_dir_fd=folder.fd, follow_symlinks=True)
        finally:
            os.close(fd)
            if isinstance(path, Path):
                path.unlink(missing_ok=True)

    def _open_temporary(self, folder: OpenFolder) -> tuple[int, str | Path]:
        """A file to write and what to link it by: without a name where the filesystem can."""
        try:
            fd = os.open(".", os.O_TMPFILE | os.O_WRONLY, FILE_MODE, dir_fd=folder.fd)
        except OSError as error:
            if not os.fstat(folder.fd).st_nlink:  # ext4 says EPERM for a removed folder
                raise FileNotFoundError(errno.ENOENT, "the folder was removed") from error
            if error.errno not in _NO_UNNAMED_FILES:
                raise
            path = temporary_path(self.spool_folder())
            return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE), path
        return fd, f"/proc/self/fd/{fd}"

    @staticmethod
    def _chunks(path: Path, offset: int, end: int, *, chunk_bytes: int) -> Iterator[bytes]:
        try:
            fd = os.open(path, _READ)
            try:
                while offset < end:
                    chunk = os.pread(fd, min(chunk_bytes, end - offset), offset)
                    if not chunk:
                        raise ObjectMissing("the object became shorter while it was read")
                    yield chunk
                    offset += len(chunk)
            finally:
                os.close(fd)
        except OSError as error:
            raise from_os_error(error, "object") from error


def _sync_existing(folder: OpenFolder, name: str) -> None:
    """Make what another one put there as durable as our own. Raises `FileNotFoundError`."""
    fd = os.open(name, _READ, dir_fd=folder.fd)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    os.fsync(folder.fd)


def _write_durably(fd: int, spool: Spool) -> None:
    content = spool.content()
    if isinstance(content, Path):
        for offset in range(0, spool.size_bytes, CHUNK_BYTES):
            write_all(fd, spool.read_at(offset, CHUNK_BYTES))
    else:
        write_all(fd, content)
    os.fdatasync(fd)
    if spool.size_bytes > DROP_FROM_CACHE_BYTES:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _remove_empty_folders(root: Path, path: Path) -> None:
    try:
        with folders_may_vanish(root):
            for folder in path.parents[:-1]:
                (root / folder).rmdir()
    except OSError:
        return  # the first that is in use; one that stays does no harm


def _files(root: Path, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file below, as a location; without hidden ones and what vanishes meanwhile."""
    try:
        entries = list(os.scandir(root / folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        location = f"{folder}/{entry.name}" if folder else entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _files(root, location)
        else:
            try:
                yield location, entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
