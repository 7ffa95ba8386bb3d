"""Deletes a study, a series or an instance: gone from searches and retrieval at once.

What is left is a tombstone, the change for the study's next revision, and an event. The bytes
stay until the retention of their space ends; an instance that is stored again comes back.
"""

from dataclasses import dataclass
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Exists, OuterRef

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.errors import DatabaseUnavailable, HeldInSeveralSpaces, NotFound
from ingestion.models import AttributeConflict, Event, EventType, Instance, Study
from ingestion.use_cases import deletion_statements as sql
from ingestion.use_cases.retrieve_instances import Address
from ingestion.wakeups import Work, wake

log = structlog.get_logger(__name__)

_Names = dict[str, int | str]


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion took away."""

    space_slug: str
    series: int
    instances: int
    study_remains: bool


@dataclass(frozen=True, slots=True)
class _Gone:
    """The instances deleted: how many, of how many series, and what subscribers select by."""

    instances: int
    series: int
    modalities: list[str]
    sop_classes: list[str]


def delete_entities(address: Address, *, principal: str) -> Deleted:
    """Delete what the address means, in one transaction with its changes and its event.

    A series or study that loses its last instance goes too. Raises `NotFound` when nothing is
    held there (so does a repeat), `HeldInSeveralSpaces`, `DatabaseUnavailable`.
    """
    uids = (address.study_instance_uid, address.series_instance_uid, address.sop_instance_uid)
    if not all(is_valid_uid(uid) for uid in uids if uid):
        raise NotFound("there is no such resource")
    try:
        study = _found(address)
        with transaction.atomic():
            deleted = _delete(study, address)
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable("the database did not confirm") from error
    log.info(
        "deleted",
        principal=principal,
        storage_space=deleted.space_slug,
        study_instance_uid=address.study_instance_uid,
        series_instance_uid=address.series_instance_uid,
        sop_instance_uid=address.sop_instance_uid,
        series=deleted.series,
        instances=deleted.instances,
    )
    return deleted


def _found(address: Address) -> Study:
    """The one study of the scope that holds something at the address."""
    wanted = {
        "series__series_instance_uid": address.series_instance_uid,
        "sop_instance_uid": address.sop_instance_uid,
    }
    held = Instance.objects.filter(
        series__study=OuterRef("pk"),
        deleted_at__isnull=True,
        **{path: uid for path, uid in wanted.items() if uid},
    )
    found = list(
        Study.objects.filter(
            Exists(held),
            storage_space_id__in=address.scope.space_ids,
            study_instance_uid=address.study_instance_uid,
            deleted_at__isnull=True,
        )
        .select_related("storage_space")
        .only("study_instance_uid", "storage_space__slug")
        .order_by("storage_space__slug")
    )
    if not found:
        raise NotFound("there is no such resource")
    if len(found) > 1:
        slugs = ", ".join(study.storage_space.slug for study in found)
        raise HeldInSeveralSpaces(
            f"several storage spaces hold it; delete it at /dicomweb/spaces/<space>/… of: {slugs}"
        )
    return found[0]


def _delete(study: Study, address: Address) -> Deleted:
    """Lock the study as registration does, then write by sets."""
    names: _Names = {
        "study": study.pk,
        "space": study.storage_space_id,
        "study_instance_uid": address.study_instance_uid,
        "series_instance_uid": address.series_instance_uid,
        "sop_instance_uid": address.sop_instance_uid,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql.SERIALIZE, names)
        settles_at_once = _one(cursor, sql.TOUCH, names)
        gone = _Gone(*_row(cursor, sql.DELETE, names))
        if not gone.instances:  # somebody else deleted it meanwhile
            raise NotFound("there is no such resource")
        study_remains = _one(cursor, sql.RECOUNT, names)
        if study_remains:
            cursor.execute(";".join(sql.DESCRIBE_ANEW), names)
    if not study_remains:
        AttributeConflict.objects.filter(study_id=study.pk).delete()
    deleted = Deleted(study.storage_space.slug, gone.series, gone.instances, study_remains)
    _write_event(study, address, gone=gone, study_remains=study_remains)
    transaction.on_commit(lambda: wake(Work.FAN_OUT), robust=True)
    if settles_at_once:
        transaction.on_commit(lambda: wake(Work.REVISE_STUDIES), robust=True)
    return deleted


def _row(cursor: CursorWrapper, statement: str, names: _Names) -> tuple[Any, ...]:
    """The only row. Raises `NotFound` when there is none."""
    cursor.execute(statement, names)
    row: tuple[Any, ...] | None = cursor.fetchone()
    if row is None:
        raise NotFound("there is no such resource")
    return row


def _one(cursor: CursorWrapper, statement: str, names: _Names) -> bool:
    return bool(_row(cursor, statement, names)[0])


def _write_event(study: Study, address: Address, *, gone: _Gone, study_remains: bool) -> None:
    """One event for the whole deletion, selected by what was deleted."""
    Event.objects.create(
        type=EventType.DICOM_DELETED,
        storage_space_id=study.storage_space_id,
        study_instance_uid=address.study_instance_uid,
        series_instance_uid=address.series_instance_uid,
        sop_instance_uid=address.sop_instance_uid,
        modalities=gone.modalities,
        sop_classes=gone.sop_classes,
        data={
            "level": _level(address),
            "deletedSeries": gone.series,
            "deletedInstances": gone.instances,
            "studyRemains": study_remains,
        },
    )


def _level(address: Address) -> str:
    """The lowest level that the address names."""
    uids = {"instance": address.sop_instance_uid, "series": address.series_instance_uid}
    return next((level for level, uid in uids.items() if uid), "study")
