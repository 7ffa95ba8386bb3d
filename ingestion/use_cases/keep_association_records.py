"""The log of associations: adds what ended, and trims what was kept long enough."""

from collections.abc import Sequence
from datetime import datetime

from django.db import InterfaceError, OperationalError
from django.db.models import Max

from ingestion.errors import DatabaseUnavailable
from ingestion.models import AssociationRecord
from ingestion.use_cases.remove_rows import remove_rows


def add_association_records(records: Sequence[AssociationRecord]) -> None:
    """Write these, in one statement. Raises `DatabaseUnavailable`: a repeat may help then."""
    try:
        AssociationRecord.objects.bulk_create(records)
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable(f"the database did not answer: {type(error).__name__}") from error


def trim_association_records(*, ended_before: datetime, records_max: int) -> int:
    """Remove what ended before then, and the oldest beyond so many; how many were removed.

    Bounded: a repeat continues.
    """
    newest = AssociationRecord.objects.aggregate(newest=Max("id"))["newest"] or 0
    old = AssociationRecord.objects.filter(ended_at__lt=ended_before).order_by("ended_at")
    # Ids are given in order, so the newest tells which are too many, without a count.
    surplus = AssociationRecord.objects.filter(id__lte=newest - records_max).order_by("id")
    return sum(map(remove_rows, (old, surplus)))
