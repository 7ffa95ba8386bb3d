"""Objects in any storage class of Django or django-storages: Azure Blob, Google Cloud Storage, …

Its locations carry a hash of all bytes, as such a class may silently overwrite: two who race
for one location then have the same bytes. What is durable is up to the class; local files are
synced here.
Source: Django, "Writing a custom storage class".
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage
from django.utils.module_loading import import_string
from pydantic import ConfigDict

from ingestion.errors import Misconfigured, ObjectMissing, ObjectStoreUnavailable
from ingestion.object_stores.object_keys import checked_key, checked_location, marked
from ingestion.object_stores.os_errors import from_os_error
from ingestion.object_stores.protocol import CHUNK_BYTES, ListedObject, StoredObject
from ingestion.object_stores.put_once import put_once
from ingestion.object_stores.s3_errors import S3_ERRORS, from_s3_error
from ingestion.object_stores.spool import FOLDER_MODE, Spool
from ingestion.object_stores.store_check import prove

# The roots of what the clients below django-storages raise, looked up only where they are in use.
FOREIGN_ERRORS = (
    ("azure.core.exceptions", "AzureError"),
    ("google.api_core.exceptions", "GoogleAPIError"),
    ("google.auth.exceptions", "GoogleAuthError"),
    ("google.cloud.exceptions", "GoogleCloudError"),
    ("paramiko.ssh_exception", "SSHException"),
    ("dropbox.exceptions", "DropboxException"),
)


@dataclass(frozen=True, slots=True)
class DjangoStorageOptions:
    """An entry of Django's STORAGES: the dotted path of a class, and its arguments."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    BACKEND: str
    OPTIONS: dict[str, object] = field(default_factory=dict, repr=False)


class DjangoStorageStore:
    """Keeps objects through a Django storage. It decides whether a range costs a whole download."""

    def __init__(self, options: DjangoStorageOptions, *, prefix: str, spool_folder: Path) -> None:
        self._prefix = prefix
        self._spool_folder = spool_folder
        with _mapped("storage class"):
            try:
                storage = import_string(options.BACKEND)(**options.OPTIONS)
            except (ImportError, TypeError, ValueError) as error:
                raise Misconfigured(f"storage class {options.BACKEND} cannot be made") from error
        if not isinstance(storage, Storage):
            raise Misconfigured(f"{options.BACKEND} is no storage class of Django")
        self._storage = storage

    def spool_folder(self) -> Path:
        """The local spool."""
        self._spool_folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        return self._spool_folder

    def put(self, key: str, spool: Spool) -> StoredObject:
        """Keep the spooled bytes."""
        whole_key = marked(checked_key(self._prefix, key), spool.sha256(0).hex()[:16])
        return put_once(
            self, whole_key, spool=spool, create=lambda location: self._create(location, spool)
        )

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
        return self._chunks(location, offset, end, chunk_bytes=chunk_bytes)

    def open_path(self, location: str) -> Path | None:
        """The file of a class that keeps local files."""
        self.size(location)
        return self._local_path(location)

    def size(self, location: str) -> int:
        """The object's size in bytes."""
        checked_location(location)
        with _mapped("size"):
            # Azure and others report a missing object in their own way: ask first.
            if not self._storage.exists(location):
                raise ObjectMissing("object: there is none")
            return self._storage.size(location)

    def delete(self, location: str) -> None:
        """Remove the object."""
        checked_location(location)
        with _mapped("delete"):
            if self._storage.exists(location):
                self._storage.delete(location)

    def list(self, prefix: str = "") -> Iterator[ListedObject]:
        """The objects whose keys begin with `prefix`; several requests for each, so rarely."""
        start = self._prefix + prefix
        with _mapped("list"):
            for location in self._files(start.rpartition("/")[0]):
                if location.startswith(start):
                    yield ListedObject(
                        location, self._storage.size(location), self._modified_at(location)
                    )

    def check(self) -> None:
        """Prove that the storage can be used."""
        prove(self)

    def _create(self, location: str, spool: Spool) -> bool:
        """Create the object; false when there is one."""
        content = spool.content()
        with _mapped_in_writing("put"):
            if self._storage.exists(location):
                return False
            if isinstance(content, Path):
                with content.open("rb") as file:
                    saved = self._storage.save(location, File(file, name=location))
            else:
                saved = self._storage.save(location, ContentFile(bytes(content)))
            self._sync(saved)
            if saved != location:  # somebody was faster, and the class chose another name
                self._storage.delete(saved)
                return False
        return True

    def _sync(self, location: str) -> None:
        path = self._local_path(location)
        if path is None:
            return
        for each in (path, *path.parents[: location.count("/") + 1]):
            fd = os.open(each, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def _local_path(self, location: str) -> Path | None:
        try:
            return Path(self._storage.path(location))
        except NotImplementedError:
            return None

    def _chunks(self, location: str, offset: int, end: int, *, chunk_bytes: int) -> Iterator[bytes]:
        with _mapped("get"), self._storage.open(location, "rb") as file:
            file.seek(offset)
            while offset < end:
                chunk = file.read(min(chunk_bytes, end - offset))
                if not chunk:
                    raise ObjectStoreUnavailable("get: the object ended early")
                yield chunk
                offset += len(chunk)

    def _files(self, folder: str) -> Iterator[str]:
        try:
            folders, files = self._storage.listdir(folder)
        except FileNotFoundError:
            return
        for name in files:
            yield f"{folder}/{name}" if folder else name
        for name in folders:
            yield from self._files(f"{folder}/{name}" if folder else name)

    def _modified_at(self, location: str) -> datetime:
        return self._storage.get_modified_time(location).astimezone(UTC)


def _foreign_errors() -> tuple[type[Exception], ...]:
    found = (getattr(sys.modules.get(module), name, None) for module, name in FOREIGN_ERRORS)
    return tuple(error for error in found if error is not None)


@contextmanager
def _mapped(subject: str) -> Iterator[None]:
    """Raise errors of ours for those of Django and of what is below the storage class."""
    try:
        yield
    except S3_ERRORS as error:
        raise from_s3_error(error, subject) from error
    except OSError as error:
        raise from_os_error(error, subject) from error
    except (ImproperlyConfigured, SuspiciousOperation, NotImplementedError) as error:
        raise Misconfigured(f"{subject}: {type(error).__name__}") from error
    except _foreign_errors() as error:
        raise ObjectStoreUnavailable(f"{subject}: {type(error).__name__}") from error


@contextmanager
def _mapped_in_writing(subject: str) -> Iterator[None]:
    try:
        with _mapped(subject):
            yield
    except ObjectMissing as error:
        raise ObjectStoreUnavailable(str(error)) from error
