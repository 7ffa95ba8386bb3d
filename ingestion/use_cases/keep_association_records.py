"""The log of associations: adds what ended, and trims what was kept long enough."""

from collections.abc import Sequence
from datetime import datetime

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Max, QuerySet

from ingestion.errors import DatabaseUnavailable
from ingestion.models import AssociationRecord

STEP = 5000  # rows removed in one transaction
STEPS_MAX = 20  # of one call: more than a minute of the worst flood leaves


def add_association_records(records: Sequence[AssociationRecord]) -> None:
    """Write these, in one statement. Raises `DatabaseUnavailable`: a repeat may help then."""
    try:
        AssociationRecord.objects.bulk_create(records)
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable(f"the database did not answer: {type(error).__name__}") from error


def trim_association_records(*, ended_before: datetime, records_max: int) -> int:
    """Remove what ended before then, and the oldest beyond so many; how many were removed.

    Works in steps, a bounded number of them; a repeat continues.
    """
    newest = AssociationRecord.objects.aggregate(newest=Max("id"))["newest"] or 0
    old = AssociationRecord.objects.filter(ended_at__lt=ended_before).order_by("ended_at")
    # Ids are given in order, so the newest tells which are too many, without a count.
    surplus = AssociationRecord.objects.filter(id__lte=newest - records_max).order_by("id")
    return sum(_remove(rows) for rows in (old, surplus))


def _remove(rows: "QuerySet[AssociationRecord]") -> int:
    removed = 0
    for _ in range(STEPS_MAX):
        with transaction.atomic():
            ids = list(rows.values_list("pk", flat=True)[:STEP].select_for_update(skip_locked=True))
            chosen = AssociationRecord.objects.filter(pk__in=ids)
            chosen._raw_delete(chosen.db)  # nothing refers to them
        removed += len(ids)
        if len(ids) < STEP:
            break
    return removed
