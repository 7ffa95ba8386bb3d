"""Removes rows that were kept long enough, in steps that hold up nobody."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

STEP = 5000  # rows removed in one transaction
STEPS_MAX = 20  # of one call: more than a minute of the worst flood of associations leaves


def remove_rows(rows: "QuerySet[Any]") -> int:
    """Remove these, the first of their order first; how many were removed.

    Bounded: a repeat continues. Nothing may refer to the rows.
    """
    removed = 0
    for _ in range(STEPS_MAX):
        with transaction.atomic():
            keys = list(
                rows.values_list("pk", flat=True)[:STEP].select_for_update(skip_locked=True)
            )
            chosen = rows.model._base_manager.filter(pk__in=keys)
            chosen._raw_delete(chosen.db)
        removed += len(keys)
        if len(keys) < STEP:
            break
    return removed
