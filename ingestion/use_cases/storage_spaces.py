"""From a storage space to the object store that keeps its bytes."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from django.conf import settings

from ingestion.errors import Misconfigured, OutOfSpace
from ingestion.models import Backend, Instance, Outcome, Receipt, RetiredObject, StorageSpace
from ingestion.object_stores.open_store import open_store
from ingestion.object_stores.protocol import ObjectStore

_OPENED = "_opened_store"

# What tells one place from another; all options where it is not listed.
_PLACE_OPTIONS: dict[str, tuple[str, ...]] = {
    Backend.FILESYSTEM: ("root",),
    Backend.S3: ("endpoint_url", "bucket"),
}
# What holds for the life of an object. A server may get another name, and its keys change.
_FIXED_OPTIONS: dict[str, tuple[str, ...]] = {
    Backend.FILESYSTEM: ("root",),
    Backend.S3: ("bucket",),
    Backend.DJANGO_STORAGE: ("BACKEND",),
}
# Of django-storages' own OPTIONS: the bucket or container, and the folder inside.
_FIXED_FOREIGN_OPTIONS = ("bucket_name", "azure_container", "container_name", "location")


def open_space_store(space: StorageSpace) -> ObjectStore:
    """The store of a space, one per process and configuration.

    Remembered on the space as long as its configuration stays: an association asks for each
    instance. Raises `Misconfigured` when the space's options do not make a store.
    """
    configuration = (os.getpid(), space.backend, space.prefix, space.options)
    known: tuple[tuple[object, ...], ObjectStore] | None = space.__dict__.get(_OPENED)
    if known is None or known[0] != configuration:
        store = open_store(space.backend, space.options, space.prefix, spool_folder())
        known = ((*configuration[:3], dict(space.options)), store)
        space.__dict__[_OPENED] = known
    return known[1]


def space_spool_folder(space: StorageSpace) -> Path:
    """Where objects for a space are spooled, which need not exist yet; makes no store's client.

    Raises `Misconfigured`, `ObjectStoreUnavailable`.
    """
    if space.backend == Backend.FILESYSTEM:
        return open_space_store(space).spool_folder()
    return spool_folder()


def spool_folder() -> Path:
    """Where objects are spooled whose store has no local disk."""
    environment = settings.ENVIRONMENT
    return environment.s3_spool_folder or Path(environment.state_folder).absolute() / "spool"


def require_room(folder: Path) -> None:
    """Refuse early, so that what is under way can still be finished.

    Raises `OutOfSpace` when the spool folder's disk is below its limit or cannot be asked.
    """
    try:
        room = os.statvfs(folder)
    except OSError as error:
        raise OutOfSpace(f"the spool cannot be used: {error.strerror}") from error
    if room.f_bavail * room.f_frsize < settings.LIMITS.spool_free_bytes_min:
        raise OutOfSpace("the spool's disk is below its free space limit")


def space_in_the_same_place(space: StorageSpace) -> StorageSpace | None:
    """Another space whose objects have the same locations in the same store, if there is one.

    The two would hold the same files, and each remove what the other one needs.
    """
    others = StorageSpace.objects.filter(backend=space.backend).exclude(pk=space.pk)
    return next((other for other in others if _place(other) == _place(space)), None)


def spaces_of_the_same_store(space: StorageSpace) -> list[StorageSpace]:
    """The space and all whose objects its store may list: two of one bucket differ by prefix.

    Raises `Misconfigured` when the folder of another space lies inside its own, or around it.
    """
    found = list(StorageSpace.objects.filter(backend=space.backend))
    if space.backend == Backend.FILESYSTEM:
        root = _root(space)
        for other in found:
            if root != _root(other) and _is_inside(root, _root(other)):
                raise Misconfigured(f"the folders of {space.slug} and {other.slug} are nested")
        return [other for other in found if _root(other) == root]
    bucket = space.options.get("bucket")  # django-storages has other names for it: take all
    return [other for other in found if other.options.get("bucket") == bucket]


def _root(space: StorageSpace) -> Path:
    return Path(str(space.options.get("root", ""))).resolve()


def _is_inside(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def loses_its_objects(changed: StorageSpace) -> bool:
    """Whether a saved space holds objects that its changed place does not lead to any more."""
    saved = StorageSpace.objects.filter(pk=changed.pk).first()
    return saved is not None and _fixed(saved) != _fixed(changed) and _holds_objects(saved)


def _holds_objects(space: StorageSpace) -> bool:
    """One query for each of the ways to hold one, all by an index."""
    undecided = Receipt.objects.filter(storage_space=space)
    return (
        Instance.objects.filter(storage_space=space).exists()
        or RetiredObject.objects.filter(storage_space=space).exists()
        or undecided.filter(outcome=Outcome.PENDING).exists()
        or undecided.filter(outcome__in=(Outcome.QUARANTINED, Outcome.FAILED)).exists()
    )


def _fixed(space: StorageSpace) -> tuple[object, ...]:
    foreign = space.options.get("OPTIONS") or {}
    return (
        space.backend,
        space.prefix.rstrip("/"),
        *_values(space.options, _FIXED_OPTIONS[space.backend]),
        *_values(foreign, _FIXED_FOREIGN_OPTIONS),
    )


def _place(space: StorageSpace) -> tuple[object, ...]:
    names = _PLACE_OPTIONS.get(space.backend, sorted(space.options))
    return space.prefix.rstrip("/"), *_values(space.options, names)


def _values(options: Mapping[str, object], names: Iterable[str]) -> Iterator[str]:
    return (str(options.get(name) or "").rstrip("/") for name in names)
