"""Gives back what was stored: which instances an address means, their bytes and their headers.

An address never reaches beyond its scope. Nothing is read before it is asked for, and no object
is held as a whole. Source: PS3.18 10.4.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import zstandard
from django.db import connection
from django.db.models import F, Q

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.errors import NotFound
from ingestion.models import Instance, Series, StorageSpace
from ingestion.object_stores.protocol import ObjectStore
from ingestion.use_cases.search_manifest import Scope
from ingestion.use_cases.storage_spaces import open_space_store

BATCH = 500

# Id, space, and the fields of `HeldInstance` in their order.
_HELD = (
    "id",
    "storage_space_id",
    "series__study__study_instance_uid",
    "series__series_instance_uid",
    "sop_instance_uid",
    "sop_class_uid",
    "transfer_syntax_uid",
    "data_set_sha256",
    "size_bytes",
    "data_set_offset",
    "pixel_data_offset",
    "number_of_frames",
    "location",
)

# By hand, because the ORM takes longer to pass many ids on than PostgreSQL to find the rows.
_DOCUMENTS = """
    SELECT instance.id, instance.series_id, instance.sop_instance_uid, document.body
    FROM ingestion_instance AS instance
    JOIN ingestion_headerdocument AS document ON document.id = instance.document_id
    WHERE instance.id = ANY(%s::bigint[]) AND instance.deleted_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Address:
    """A study, a series of it, or an instance of that; UIDs below the level are ''."""

    scope: Scope
    study_instance_uid: str
    series_instance_uid: str = ""
    sop_instance_uid: str = ""

    @property
    def uid(self) -> str:
        """The UID of what is addressed."""
        return self.sop_instance_uid or self.series_instance_uid or self.study_instance_uid


class Identified(Protocol):
    """An instance by its id, and what it is encoded in."""

    @property
    def instance_id(self) -> int: ...
    @property
    def transfer_syntax_uid(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Addressed:
    """One instance that an address means. Its document's id changes with its bytes."""

    instance_id: int
    transfer_syntax_uid: str
    document_id: UUID


@dataclass(frozen=True, slots=True)
class HeldInstance:
    """One instance and where its bytes rest.

    Bytes at a location never change. `pixel_data_offset` is where the Pixel Data element begins
    in the (inflated) data set, None when there is none; `number_of_frames` is None when not said.
    """

    instance_id: int
    space_slug: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    data_set_sha256: bytes | memoryview
    size_bytes: int
    data_set_offset: int
    pixel_data_offset: int | None
    number_of_frames: int | None
    location: str
    store: ObjectStore

    def read(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The file as stored, or a range of it, in chunks. Raises `ObjectMissing` at once."""
        return self.store.iterate(self.location, offset=offset, length=length)

    def path(self) -> Path | None:
        """A local file with the same bytes, if the store has one. Raises `ObjectMissing`."""
        return self.store.open_path(self.location)


@dataclass(frozen=True, slots=True)
class HeldDocument:
    """The header of one instance as DICOM JSON, its bulk data as relative references."""

    instance_id: int
    space_slug: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    document: bytes


def find_instances(address: Address) -> list[Addressed]:
    """What the address means, in series and then instance order; one statement.

    Raises `NotFound` when there is nothing, or nothing in the scope.
    """
    rows = (
        Instance.objects.filter(_addressed(address))
        .order_by(
            F("series__series_number").asc(nulls_last=True),
            "series__series_instance_uid",
            F("instance_number").asc(nulls_last=True),
            "sop_instance_uid",
            "id",
        )
        .values_list("sop_instance_uid", "id", "transfer_syntax_uid", "document_id")
    )
    found = list(_once_each(rows))
    if not found:
        raise NotFound("there is no such resource")
    return found


def held_instance(address: Address) -> HeldInstance:
    """Where the instance of a whole address rests; one statement.

    Of several spaces the one that has it longest. Raises `NotFound`.
    """
    assert address.sop_instance_uid, "an instance has an address of three UIDs"
    rows = Instance.objects.filter(_addressed(address)).select_related("storage_space")
    instance = rows.order_by("id").first()
    if instance is None:
        raise NotFound("there is no such resource")
    return HeldInstance(
        instance_id=instance.pk,
        space_slug=instance.storage_space.slug,
        study_instance_uid=address.study_instance_uid,
        series_instance_uid=address.series_instance_uid,
        sop_instance_uid=address.sop_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        data_set_sha256=instance.data_set_sha256,
        size_bytes=instance.size_bytes,
        data_set_offset=instance.data_set_offset,
        pixel_data_offset=instance.pixel_data_offset,
        number_of_frames=instance.number_of_frames,
        location=instance.location,
        store=open_space_store(instance.storage_space),
    )


def _addressed(address: Address) -> Q:
    """The instances that an address means. Raises `NotFound` for one that can mean none."""
    uids = (address.study_instance_uid, address.series_instance_uid, address.sop_instance_uid)
    if not all(is_valid_uid(uid) for uid in uids if uid):
        raise NotFound("there is no such resource")
    spaces = address.scope.space_ids
    wanted = Q(
        storage_space_id__in=spaces,
        series__study__storage_space_id__in=spaces,
        series__study__study_instance_uid=address.study_instance_uid,
        series__study__deleted_at__isnull=True,
        series__deleted_at__isnull=True,
        deleted_at__isnull=True,
    )
    if address.series_instance_uid:
        wanted &= Q(series__series_instance_uid=address.series_instance_uid)
    if address.sop_instance_uid:
        wanted &= Q(sop_instance_uid=address.sop_instance_uid)
    return wanted


def _once_each(rows: Iterable[tuple[str, int, str, UUID]]) -> Iterator[Addressed]:
    """Each instance once; what several spaces hold is taken from the one that is there longest."""
    seen: set[str] = set()
    for sop_instance_uid, instance_id, transfer_syntax_uid, document_id in rows:
        if sop_instance_uid not in seen:
            seen.add(sop_instance_uid)
            yield Addressed(instance_id, transfer_syntax_uid, document_id)


def held_instances(addressed: Sequence[Addressed]) -> Iterator[HeldInstance]:
    """Where each one rests, in the given order. What was deleted meanwhile is left out."""
    stores: dict[int, tuple[str, ObjectStore]] = {}
    for ids in _batches(addressed):
        for row in _rows_in_order(ids):
            if row[1] not in stores:
                stores[row[1]] = _opened(row[1])
            slug, store = stores[row[1]]
            yield _held(row, slug, store)


def held_in(space: StorageSpace, instance_ids: Sequence[int]) -> list[HeldInstance]:
    """Where each of these instances of a space rests, in the given order; one statement.

    What was deleted meanwhile, and what is not of the space, is left out.
    """
    store = open_space_store(space)
    return [
        _held(row, space.slug, store)
        for row in _rows_in_order(list(instance_ids))
        if row[1] == space.pk
    ]


def _rows_in_order(ids: list[int]) -> Iterator[Any]:
    rows = Instance.objects.filter(pk__in=ids, deleted_at__isnull=True).values_list(*_HELD)
    by_id = {row[0]: row for row in rows}
    return (by_id[instance_id] for instance_id in ids if instance_id in by_id)


def _held(row: Any, slug: str, store: ObjectStore) -> HeldInstance:
    fields = (row[0], slug, *row[2:], store)
    return HeldInstance(*fields)


def only_instance(addressed: Sequence[Addressed]) -> HeldInstance:
    """Where the one instance of an instance's address rests. Raises `NotFound`."""
    instance = next(held_instances(addressed), None)
    if instance is None:
        raise NotFound("there is no such resource")
    return instance


def held_documents(addressed: Sequence[Identified]) -> Iterator[HeldDocument]:
    """The header of each one, in the given order. What was deleted meanwhile is left out."""
    decompress = zstandard.ZstdDecompressor().decompress
    for ids in _batches(addressed):
        with connection.cursor() as cursor:
            cursor.execute(_DOCUMENTS, [ids])
            by_id = {row[0]: row[1:] for row in cursor.fetchall()}
        uids = _uids_above({row[0] for row in by_id.values()})
        for instance_id in ids:
            if (row := by_id.get(instance_id)) is not None:
                series_id, sop_instance_uid, body = row
                yield HeldDocument(
                    instance_id, *uids[series_id], sop_instance_uid, decompress(body)
                )


def _uids_above(series_ids: set[int]) -> dict[int, tuple[str, str, str]]:
    """Slug of the space, Study and Series Instance UID, by series."""
    rows = Series.objects.filter(pk__in=series_ids).values_list(
        "pk", "study__storage_space__slug", "study__study_instance_uid", "series_instance_uid"
    )
    return {row[0]: row[1:] for row in rows}


def _batches(addressed: Sequence[Identified]) -> Iterator[list[int]]:
    ids = (item.instance_id for item in addressed)
    while batch := list(islice(ids, BATCH)):
        yield batch


def _opened(space_id: int) -> tuple[str, ObjectStore]:
    space = StorageSpace.objects.get(pk=space_id)
    return space.slug, open_space_store(space)
