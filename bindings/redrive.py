"""What operators do with deliveries: try dead letters again, cancel what is owed, trim the past."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from bindings.models import Attempt, Delivery, DeliveryState
from ingestion.wakeups import Work, wake

STEP = 5000  # rows changed in one transaction


def redrive(deliveries: "QuerySet[Delivery]") -> int:
    """Owe the dead letters and the cancelled among these anew, with their ids; how many.

    Their tries are kept, their count begins again. Works in steps; a repeat continues.
    """
    return _in_steps(
        deliveries.filter(state__in=(DeliveryState.DEAD, DeliveryState.CANCELLED)),
        state=DeliveryState.PENDING,
        attempts=0,
        settled_at=None,
        problem="",
        owed_since=Now(),
        next_attempt_at=Now(),
    )


def retry_now(deliveries: "QuerySet[Delivery]") -> int:
    """Try the pending among these without waiting for their next time; how many."""
    return _in_steps(
        deliveries.filter(state=DeliveryState.PENDING, next_attempt_at__gt=Now()),
        next_attempt_at=Now(),
    )


def cancel(deliveries: "QuerySet[Delivery]") -> int:
    """Stop owing the pending among these; how many. One that is being sent may still arrive."""
    return _in_steps(
        deliveries.filter(state=DeliveryState.PENDING),
        state=DeliveryState.CANCELLED,
        settled_at=Now(),
        claim_id=None,
        claimed_until=None,
    )


def trim_deliveries(*, settled_before: datetime, limit: int = STEP) -> int:
    """Remove up to `limit` delivered and cancelled deliveries with their tries; how many.

    Dead letters stay until somebody decides.
    """
    with transaction.atomic():
        ids = list(
            Delivery.objects.filter(
                settled_at__lt=settled_before,
                state__in=(DeliveryState.DELIVERED, DeliveryState.CANCELLED),
            )
            .order_by("settled_at")
            .values_list("pk", flat=True)[:limit]
            .select_for_update(skip_locked=True)
        )
        tries = Attempt.objects.filter(delivery_id__in=ids)
        tries._raw_delete(tries.db)  # one statement, no collector
        settled = Delivery.objects.filter(pk__in=ids)
        settled._raw_delete(settled.db)
    return len(ids)


def _in_steps(deliveries: "QuerySet[Delivery]", **changes: object) -> int:
    changed = 0
    while True:
        with transaction.atomic():
            ids = list(
                deliveries.order_by("pk")
                .values_list("pk", flat=True)[:STEP]
                .select_for_update(of=("self",))
            )
            if not ids:
                return changed
            changed += Delivery.objects.filter(pk__in=ids).update(**changes)
            transaction.on_commit(lambda: wake(Work.ATTEMPT_DELIVERIES), robust=True)
