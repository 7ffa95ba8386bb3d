"""Compares what a store holds with what is known of it, in both directions.

A crash between putting an object and committing its receipt leaves an object that nobody points
at: nothing was acknowledged, so it is waste. An object that is known and not there is a loss.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from ingestion.database import database_answers
from ingestion.domain.storage_keys import sop_instance_uid_at
from ingestion.errors import ObjectMissing
from ingestion.models import RetiredObject, StorageSpace
from ingestion.object_stores.protocol import ListedObject
from ingestion.use_cases.storage_spaces import open_space_store, spaces_of_the_same_store

BATCH_OBJECTS = 1000
AGE_MIN = timedelta(days=1)  # a receipt may yet be committed

NOTE_LISTED = """
CREATE TEMPORARY TABLE IF NOT EXISTS listed_object (location text NOT NULL);
TRUNCATE listed_object
"""
# Remembers what was listed; returns where something that is known rests, by UID and so by index.
FIND_KNOWN = """
WITH noted AS (INSERT INTO listed_object SELECT unnest(%(locations)s::text[]))
SELECT location FROM ingestion_receipt
WHERE sop_instance_uid = ANY(%(uids)s) AND storage_space_id = ANY(%(spaces)s)
UNION ALL SELECT location FROM ingestion_instance
WHERE sop_instance_uid = ANY(%(uids)s) AND storage_space_id = ANY(%(spaces)s)
UNION ALL SELECT location FROM ingestion_retiredobject
WHERE sop_instance_uid = ANY(%(uids)s) AND storage_space_id = ANY(%(spaces)s)
"""
# What must be there: current versions, and what is not decided.
FIND_MISSING = """
SELECT known.location FROM (
    SELECT location FROM ingestion_instance
    WHERE storage_space_id = %(space)s AND deleted_at IS NULL AND changed_at < %(before)s
    UNION
    SELECT location FROM ingestion_receipt
    WHERE storage_space_id = %(space)s AND received_at < %(before)s
        AND outcome IN ('pending', 'quarantined', 'failed')
) AS known
WHERE NOT EXISTS (SELECT FROM listed_object l WHERE l.location = known.location)
"""


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of one batch. `foreign` objects were not put there by us and are left alone."""

    objects: int
    orphans: Sequence[ListedObject] = ()
    missing: Sequence[str] = ()
    foreign: int = 0


def reconcile_objects(space: StorageSpace) -> Iterator[Findings]:
    """Findings batch by batch, in the order of the store; at the end what is missing.

    Changes nothing. For a connection outside of a transaction, as long as it lasts.
    Raises `Unavailable` and kinds, `Misconfigured`.
    """
    began = timezone.now()
    spaces = [other.pk for other in spaces_of_the_same_store(space)]
    _execute(NOTE_LISTED)
    listed = open_space_store(space).list()
    while batch := list(islice(listed, BATCH_OBJECTS)):
        yield _findings(batch, spaces, before=began - AGE_MIN)
    yield from _missing(space, before=began)


def retire_orphans(space: StorageSpace, orphans: Sequence[ListedObject]) -> None:
    """Have orphans removed once the space's retention has ended, and no sooner than in a day.

    An operator who restored an old database has so long to find out. What a sender brings
    again meanwhile is kept. Raises `DatabaseUnavailable`.
    """
    removable_at = Now() + timedelta(days=max(space.retention_days, 1))
    with database_answers():
        RetiredObject.objects.bulk_create(
            RetiredObject(
                storage_space=space,
                sop_instance_uid=sop_instance_uid_at(orphan.location) or "",
                location=orphan.location,
                size_bytes=orphan.size_bytes,
                data_set_sha256=b"",  # nobody has read it
                reason=RetiredObject.Reason.ORPHANED,
                removable_at=removable_at,
            )
            for orphan in orphans
        )


def _findings(batch: Sequence[ListedObject], spaces: list[int], *, before: datetime) -> Findings:
    uids = {listed.location: sop_instance_uid_at(listed.location) for listed in batch}
    ours = {location: uid for location, uid in uids.items() if uid}
    known = _execute(
        FIND_KNOWN,
        {"locations": list(uids), "uids": sorted(set(ours.values())), "spaces": spaces},
    )
    orphans = [
        listed
        for listed in batch
        if listed.location in ours and listed.location not in known and listed.modified_at < before
    ]
    return Findings(len(batch), orphans=orphans, foreign=len(uids) - len(ours))


def _missing(space: StorageSpace, *, before: datetime) -> Iterator[Findings]:
    """Whatever was not listed is looked for: the space may have had another prefix once."""
    store = open_space_store(space)
    candidates = sorted(_execute(FIND_MISSING, {"space": space.pk, "before": before}))
    for location in candidates:
        try:
            store.size(location)
        except ObjectMissing:
            yield Findings(0, missing=[location])


def _execute(statement: str, parameters: dict[str, Any] | None = None) -> set[str]:
    with database_answers(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return {row[0] for row in cursor.fetchall()} if cursor.description else set()
