"""Claims on deliveries: who sends what now, and how that comes back when a worker dies.

A claim lapses by itself; a pass that lives renews it. So many rows of one subscription are
claimed at most that a slow subscriber cannot take all workers.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction

from ingestion.domain.retry_schedule import is_half_open

log = structlog.get_logger(__name__)

LEASE_SECONDS = 30.0

# Times are the statement's, as Django's `Now()`, so that rows just written are due.
DUE = """
    SELECT s.id FROM bindings_subscription s
    WHERE s.is_enabled
        AND (s.opened_until IS NULL OR s.opened_until <= statement_timestamp())
        AND EXISTS (
            SELECT 1 FROM bindings_delivery d
            WHERE d.subscription_id = s.id AND d.state = 'pending'
                AND d.next_attempt_at <= statement_timestamp()
                AND (d.claimed_until IS NULL OR d.claimed_until <= statement_timestamp())
        )
    ORDER BY s.id
"""
LOCK = """
    SELECT consecutive_failures FROM bindings_subscription
    WHERE id = %s AND is_enabled
        AND (opened_until IS NULL OR opened_until <= statement_timestamp())
    FOR NO KEY UPDATE
"""
IN_FLIGHT = """
    SELECT count(*) FROM bindings_delivery
    WHERE subscription_id = %s AND claim_id IS NOT NULL
        AND claimed_until > statement_timestamp()
"""
# Materialized: in a join PostgreSQL may read a mere subquery again and again, and it finds
# others each time, since those of the last time are locked.
CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT id FROM bindings_delivery
        WHERE subscription_id = %(subscription)s AND state = 'pending'
            AND next_attempt_at <= statement_timestamp()
            AND (claimed_until IS NULL OR claimed_until <= statement_timestamp())
        ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    UPDATE bindings_delivery AS d
    SET claim_id = %(claim)s,
        claimed_until = statement_timestamp() + make_interval(secs => %(lease)s)
    FROM due WHERE d.id = due.id
    RETURNING d.id, d.uuid, d.event_id, d.attempts, d.owed_since
"""
RENEW = """
    UPDATE bindings_delivery
    SET claimed_until = statement_timestamp() + make_interval(secs => %(lease)s)
    WHERE subscription_id = %(subscription)s AND claim_id = %(claim)s
"""
RELEASE = """
    UPDATE bindings_delivery SET claim_id = NULL, claimed_until = NULL
    WHERE subscription_id = %(subscription)s AND claim_id = %(claim)s
"""


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A delivery as it was when claimed."""

    id: int
    uuid: UUID
    event_id: int
    attempts: int
    owed_since: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows of one subscription that one pass sends."""

    id: UUID
    subscription_id: int
    rows: tuple[ClaimedRow, ...]


def due_subscriptions() -> list[int]:
    """Subscriptions with something to send now, by id."""
    with connection.cursor() as cursor:
        cursor.execute(DUE)
        return [row[0] for row in cursor.fetchall()]


def claim_deliveries(subscription_id: int) -> Claim | None:
    """Claim what is due, oldest first; None when nothing is, or enough is in flight.

    A subscriber that failed repeatedly gets a single delivery, the probe.
    """
    limit = settings.LIMITS.delivery_batch_max
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK, [subscription_id])
        found = cursor.fetchone()
        if found is None:
            return None
        cursor.execute(IN_FLIGHT, [subscription_id])
        in_flight, is_probe = cursor.fetchone()[0], is_half_open(found[0])
        if in_flight > (0 if is_probe else limit):
            return None
        claim_id = uuid4()
        names = _names(claim_id, subscription_id)
        cursor.execute(CLAIM, {**names, "limit": 1 if is_probe else limit})
        rows = sorted((ClaimedRow(*row) for row in cursor.fetchall()), key=lambda row: row.id)
    return Claim(claim_id, subscription_id, tuple(rows)) if rows else None


def release(claim: Claim) -> None:
    """Give back what the pass did not try. Repeats are harmless."""
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, _names(claim.id, claim.subscription_id))


@contextmanager
def kept_alive(claim: Claim, *, renew_seconds: float = LEASE_SECONDS / 3) -> Iterator[None]:
    """Renew the claim as long as the block runs; a process that dies renews nothing."""
    done = threading.Event()
    keeper = threading.Thread(target=_renew_until, args=(done, claim, renew_seconds), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


def _renew_until(done: threading.Event, claim: Claim, renew_seconds: float) -> None:
    while not done.wait(renew_seconds):
        try:
            with connection.cursor() as cursor:
                cursor.execute(RENEW, _names(claim.id, claim.subscription_id))
        except (
            DatabaseError,
            InterfaceError,
        ):  # the claim lapses if this goes on; sending twice is allowed
            log.warning("claim not renewed", subscription_id=claim.subscription_id)
        finally:
            connection.close()  # this thread's own


def _names(claim_id: UUID, subscription_id: int) -> dict[str, str | float]:
    return {"claim": str(claim_id), "subscription": subscription_id, "lease": LEASE_SECONDS}
