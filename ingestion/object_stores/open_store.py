"""Opens the object store that a configuration names, once per process."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ingestion.errors import Misconfigured
from ingestion.object_stores.django_storage import DjangoStorageOptions, DjangoStorageStore
from ingestion.object_stores.filesystem import FilesystemOptions, FilesystemStore
from ingestion.object_stores.object_keys import normalised_prefix
from ingestion.object_stores.protocol import ObjectStore
from ingestion.object_stores.s3 import S3Options, S3Store

OPEN_STORES_MAX = 256


@dataclass(frozen=True, slots=True)
class _Backend:
    options: type
    open: Callable[[Any, str, Path], ObjectStore]


_BACKENDS = {
    "filesystem": _Backend(
        FilesystemOptions, lambda options, prefix, _: FilesystemStore(options, prefix=prefix)
    ),
    "s3": _Backend(
        S3Options,
        lambda options, prefix, spool: S3Store(options, prefix=prefix, spool_folder=spool),
    ),
    "django-storages": _Backend(
        DjangoStorageOptions,
        lambda options, prefix, spool: DjangoStorageStore(
            options, prefix=prefix, spool_folder=spool
        ),
    ),
}

_stores: dict[bytes, ObjectStore] = {}  # by a hash of the configuration, which has secrets
_lock = Lock()


def open_store(
    backend: str, options: Mapping[str, object], prefix: str, spool_folder: Path
) -> ObjectStore:
    """The store of this configuration; the same one for each call in a process.

    `spool_folder` is for stores without a local folder of their own. Contacts no server: `check`
    does. Raises `Misconfigured` with every option that is wrong, by name and never by value.
    """
    configuration = json.dumps([backend, options, prefix, str(spool_folder)], default=str)
    key = hashlib.sha256(configuration.encode()).digest()
    store = _stores.get(key)
    if store is not None:
        return store
    with _lock:
        if key not in _stores:
            while len(_stores) >= OPEN_STORES_MAX:
                del _stores[next(iter(_stores))]  # the oldest
            _stores[key] = _open(backend, options, prefix, spool_folder)
        return _stores[key]


def _forget_all() -> None:
    """Begin anew in a forked process: connections and held locks must not cross a fork."""
    global _lock  # noqa: PLW0603 - the old one may be held by a thread that is not here
    _lock = Lock()
    _stores.clear()


os.register_at_fork(after_in_child=_forget_all)


def _open(
    backend: str, options: Mapping[str, object], prefix: str, spool_folder: Path
) -> ObjectStore:
    if backend not in _BACKENDS:
        raise Misconfigured(f"object store: backend must be one of {', '.join(_BACKENDS)}")
    known = _BACKENDS[backend]
    try:
        parsed: object = TypeAdapter(known.options).validate_python(dict(options))
    except ValidationError as error:
        wrong = (
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
            for each in error.errors(include_input=False)
        )
        raise Misconfigured(f"object store: {'; '.join(wrong)}") from None
    return known.open(parsed, normalised_prefix(prefix), spool_folder)
