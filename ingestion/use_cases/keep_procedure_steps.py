"""Trims the procedure steps that were kept long enough, whatever became of them."""

from datetime import datetime

from django.db.models import Max, Min

from ingestion.models import PerformedProcedureStep
from ingestion.use_cases.remove_rows import remove_rows


def trim_procedure_steps(*, changed_before: datetime, steps_max: int) -> int:
    """Remove what last changed before then, and the oldest beyond so many; how many were removed.

    Bounded: a repeat continues.
    """
    old = PerformedProcedureStep.objects.filter(changed_at__lt=changed_before)
    removed = remove_rows(old.order_by("changed_at"))
    last = _last_beyond(steps_max)
    if last is None:
        return removed
    return removed + remove_rows(PerformedProcedureStep.objects.filter(pk__lte=last).order_by("pk"))


def _last_beyond(steps_max: int) -> int | None:
    """The youngest step that is too many; None, mostly without a count, when there is none."""
    steps = PerformedProcedureStep.objects.all()
    keys = steps.aggregate(newest=Max("pk"), oldest=Min("pk"))
    if keys["newest"] is None or keys["newest"] - keys["oldest"] < steps_max:
        return None
    return steps.order_by("-pk").values_list("pk", flat=True)[steps_max : steps_max + 1].first()
