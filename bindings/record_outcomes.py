"""Writing down how tries went: attempts, the next time or the end, the circuit breaker."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from django.db import connection, transaction

from bindings.binding import DETAIL_CHARACTERS_MAX, DeliveryOutcome
from bindings.claims import Claim, ClaimedRow
from bindings.models import Attempt, DeliveryState, OutcomeClass, Subscription
from ingestion.domain.retry_schedule import (
    RetryLimits,
    capped_retry_after,
    next_attempt_at,
    open_seconds,
)

log = structlog.get_logger(__name__)

# What a failed try means for the delivery; a delivered one is settled whoever holds the claim.
RETRIED = frozenset({OutcomeClass.TRANSIENT, OutcomeClass.THROTTLED})
# What says that the subscriber's side answers; a refused delivery is the delivery's fault.
ALIVE = frozenset({OutcomeClass.DELIVERED, OutcomeClass.PERMANENT})

UPDATE = """
    UPDATE bindings_delivery AS d
    SET attempts = d.attempts + 1, state = v.state, problem = v.problem,
        next_attempt_at = coalesce(v.next_attempt_at, d.next_attempt_at),
        settled_at = CASE WHEN v.state = 'pending' THEN NULL ELSE statement_timestamp() END,
        claim_id = NULL, claimed_until = NULL
    FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(problems)s::text[],
                %(times)s::timestamptz[]) AS v (id, state, problem, next_attempt_at)
    WHERE d.id = v.id AND (d.claim_id = %(claim)s
        OR (v.state = 'delivered' AND d.state IN ('pending', 'dead')))
"""


def record_outcomes(
    subscription: Subscription, claim: Claim, outcomes: Sequence[DeliveryOutcome]
) -> None:
    """Write the tries and what follows from them, in one transaction.

    A pass that lost its claim meanwhile only adds its tries, and what it did deliver.
    """
    rows = {row.id: row for row in claim.rows}
    now = datetime.now(UTC)
    decided = [_decide(subscription, rows[item.delivery_id], item, now=now) for item in outcomes]
    with transaction.atomic():
        Attempt.objects.bulk_create([_attempt(item) for item in outcomes])
        with connection.cursor() as cursor:
            cursor.execute(
                UPDATE,
                {
                    "ids": [item.delivery_id for item in outcomes],
                    "states": [state for state, _ in decided],
                    "problems": [_problem(item) for item in outcomes],
                    "times": [time for _, time in decided],
                    "claim": str(claim.id),
                },
            )
        _move_circuit(subscription, outcomes, now=now)
    _tell(subscription, rows, outcomes, decided)


def _decide(
    subscription: Subscription, row: ClaimedRow, outcome: DeliveryOutcome, *, now: datetime
) -> tuple[str, datetime | None]:
    """The state and the next time."""
    if outcome.outcome == OutcomeClass.DELIVERED:
        return DeliveryState.DELIVERED.value, None
    if outcome.outcome not in RETRIED:
        return DeliveryState.DEAD.value, None
    again = next_attempt_at(
        now,
        attempts=row.attempts + 1,
        owed_since=row.owed_since,
        limits=RetryLimits(subscription.attempts_max, timedelta(hours=subscription.age_max_hours)),
        retry_after_seconds=outcome.retry_after_seconds,
        chance=random.random(),
    )
    state = DeliveryState.DEAD if again is None else DeliveryState.PENDING
    return state.value, again


def _attempt(outcome: DeliveryOutcome) -> Attempt:
    return Attempt(
        delivery_id=outcome.delivery_id,
        started_at=outcome.started_at,
        duration_ms=outcome.duration_ms,
        outcome=outcome.outcome,
        peer_status=outcome.peer_status[:20],
        detail=outcome.detail[:DETAIL_CHARACTERS_MAX],
    )


def _problem(outcome: DeliveryOutcome) -> str:
    if outcome.outcome == OutcomeClass.DELIVERED:
        return ""
    return f"{outcome.peer_status} {outcome.detail}".strip()[:DETAIL_CHARACTERS_MAX]


def _move_circuit(
    subscription: Subscription, outcomes: Sequence[DeliveryOutcome], *, now: datetime
) -> None:
    """Close the circuit on a sign of life, else count failures and perhaps open it.

    `subscription` follows what the database has, so that the pass can stop.
    """
    kinds = [item.outcome for item in outcomes]
    if OutcomeClass.GONE in kinds:
        _disable(subscription)
    is_closed = not subscription.consecutive_failures and subscription.opened_until is None
    if is_closed and all(kind in ALIVE for kind in kinds):
        return
    # Without the secrets: they are not needed, and the row is locked only for a moment.
    row = (
        Subscription.objects.select_for_update(no_key=True)
        .only("consecutive_failures", "opened_until")
        .get(pk=subscription.pk)
    )
    if any(kind in ALIVE for kind in kinds):
        row.consecutive_failures, row.opened_until = 0, None
    else:
        row.consecutive_failures += kinds.count(OutcomeClass.TRANSIENT)
    wait = max(
        open_seconds(row.consecutive_failures),
        *(
            capped_retry_after(item.retry_after_seconds)
            for item in outcomes
            if item.outcome == OutcomeClass.THROTTLED
        ),
        0.0,
    )
    if wait:
        row.opened_until = max(row.opened_until or now, now + timedelta(seconds=wait))
    row.save(update_fields=["consecutive_failures", "opened_until"])
    subscription.consecutive_failures = row.consecutive_failures
    subscription.opened_until = row.opened_until


def _disable(subscription: Subscription) -> None:
    reason = "The subscriber answered that it is gone (410)."
    Subscription.objects.filter(pk=subscription.pk).update(is_enabled=False, disabled_reason=reason)
    subscription.is_enabled = False
    log.error("subscription disabled, the subscriber is gone", subscription_id=subscription.pk)


def _tell(
    subscription: Subscription,
    rows: dict[int, ClaimedRow],
    outcomes: Sequence[DeliveryOutcome],
    decided: Sequence[tuple[str, datetime | None]],
) -> None:
    """One line per delivery that ended or will be tried again."""
    for outcome, (state, _) in zip(outcomes, decided, strict=True):
        row = rows[outcome.delivery_id]
        write = log.warning if state != DeliveryState.DELIVERED else log.info
        write(
            "delivery attempted",
            delivery_id=str(row.uuid),
            subscription_id=subscription.pk,
            state=state,
            attempt=row.attempts + 1,
            outcome=outcome.outcome.value,
            peer_status=outcome.peer_status,
            milliseconds=outcome.duration_ms,
        )
