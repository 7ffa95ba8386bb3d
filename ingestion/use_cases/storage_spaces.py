"""From a storage space to the object store that keeps its bytes."""

from pathlib import Path

from django.conf import settings

from ingestion.models import Backend, StorageSpace
from ingestion.object_stores.open_store import open_store
from ingestion.object_stores.protocol import ObjectStore

# What tells one place from another; all options where it is not listed.
_PLACE_OPTIONS: dict[str, tuple[str, ...]] = {
    Backend.FILESYSTEM: ("root",),
    Backend.S3: ("endpoint_url", "bucket"),
}


def open_space_store(space: StorageSpace) -> ObjectStore:
    """The store of a space, one per process and configuration.

    Raises `Misconfigured` when the space's options do not make a store.
    """
    return open_store(space.backend, space.options, space.prefix, spool_folder())


def spool_folder() -> Path:
    """Where objects are spooled whose store has no local disk."""
    environment = settings.ENVIRONMENT
    return environment.s3_spool_folder or Path(environment.state_folder).absolute() / "spool"


def space_in_the_same_place(space: StorageSpace) -> StorageSpace | None:
    """Another space whose objects have the same locations in the same store, if there is one.

    The two would hold the same files, and each remove what the other one needs.
    """
    others = StorageSpace.objects.filter(backend=space.backend).exclude(pk=space.pk)
    return next((other for other in others if _place(other) == _place(space)), None)


def _place(space: StorageSpace) -> tuple[object, ...]:
    names = _PLACE_OPTIONS.get(space.backend, sorted(space.options))
    options = (str(space.options.get(name) or "").rstrip("/") for name in names)
    return space.prefix.rstrip("/"), *options
