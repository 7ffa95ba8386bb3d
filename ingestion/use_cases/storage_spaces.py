"""From a storage space to the object store that keeps its bytes."""

from pathlib import Path

from django.conf import settings

from ingestion.models import StorageSpace
from ingestion.object_stores.open_store import open_store
from ingestion.object_stores.protocol import ObjectStore


def open_space_store(space: StorageSpace) -> ObjectStore:
    """The store of a space, one per process and configuration.

    Raises `Misconfigured` when the space's options do not make a store.
    """
    return open_store(space.backend, space.options, space.prefix, spool_folder())


def spool_folder() -> Path:
    """Where objects are spooled whose store has no local disk."""
    environment = settings.ENVIRONMENT
    return environment.s3_spool_folder or Path(environment.state_folder).absolute() / "spool"
