"""One pass over what is owed to a subscription: claim, send outside any transaction, record.

A worker that dies in a pass loses nothing: its claims lapse and the deliveries are sent again
under the same id. A delivery that cannot succeed ends by itself and never blocks others.
"""

import threading
from datetime import UTC, datetime

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.models import Prefetch

from bindings.binding import Batch, DeliveryOutcome, OwedDelivery
from bindings.binding_kinds import BINDINGS
from bindings.claims import Claim, claim_deliveries, kept_alive, release
from bindings.models import OutcomeClass, Subscription
from bindings.record_outcomes import record_outcomes
from ingestion.errors import DatabaseUnavailable, Misconfigured
from ingestion.models import Event, StorageSpace

log = structlog.get_logger(__name__)


def attempt_deliveries(subscription_id: int, *, stopping: threading.Event | None = None) -> int:
    """Claim a batch of one subscription, send it, record how it went.

    Returns how many were claimed; 0: nothing is due, or enough is in flight already. `stopping`
    lets sends end that have begun and gives the others back. Raises `DatabaseUnavailable`.
    """
    try:
        claim = claim_deliveries(subscription_id)
        if claim is None:
            return 0
        try:
            with kept_alive(claim):
                _send(claim, stopping or threading.Event())
        finally:
            release(claim)
    except Subscription.DoesNotExist:
        log.info("subscription was removed meanwhile", subscription_id=subscription_id)
        return 0
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable("the database did not confirm") from error
    return len(claim.rows)


def _send(claim: Claim, stopping: threading.Event) -> None:
    left = {row.id for row in claim.rows}
    try:
        subscription = Subscription.objects.get(pk=claim.subscription_id)
        batch = Batch(subscription, _owed(claim), stopping)
        for outcomes in BINDINGS[subscription.kind].deliver(batch):
            record_outcomes(subscription, claim, outcomes)
            left -= {outcome.delivery_id for outcome in outcomes}
            if not subscription.is_enabled or subscription.opened_until is not None:
                stopping.set()
    except Misconfigured as error:  # the secrets were written with another key
        log.error(
            "deliveries cannot be sent", subscription_id=claim.subscription_id, why=str(error)
        )
        _record_unable(claim, left, status=error.code, detail=str(error))
    except (Subscription.DoesNotExist, DatabaseError, InterfaceError):
        raise
    except Exception as error:  # a fault of ours must not have the same rows sent for ever
        log.exception("deliveries cannot be sent", subscription_id=claim.subscription_id)
        _record_unable(claim, left, status="error", detail=type(error).__name__)


def _owed(claim: Claim) -> list[OwedDelivery]:
    """The claimed rows with their events, in a fixed number of queries."""
    # A space's options hold secrets that only a store needs.
    spaces = Prefetch("storage_space", StorageSpace.objects.defer("options"))
    events = Event.objects.prefetch_related(spaces, "revision").in_bulk(
        [row.event_id for row in claim.rows]
    )
    return [
        OwedDelivery(row.id, row.uuid, events[row.event_id], row.attempts, row.owed_since)
        for row in claim.rows
    ]


def _record_unable(claim: Claim, delivery_ids: set[int], *, status: str, detail: str) -> None:
    """Record a failed try of these, so that they wait and end like any other."""
    # Without the secrets, which may be what cannot be read.
    subscription = Subscription.objects.defer("auth_secret", "headers", "signing_secret").get(
        pk=claim.subscription_id
    )
    now = datetime.now(UTC)
    outcomes = [
        DeliveryOutcome(delivery_id, OutcomeClass.TRANSIENT, now, 0, status, detail)
        for delivery_id in sorted(delivery_ids)
    ]
    record_outcomes(subscription, claim, outcomes)
