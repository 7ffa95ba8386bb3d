"""Receipts become the manifest: in batches, by sets, in one transaction with their events.

Rows decide what is due; any number of registrars may run. A receipt that cannot be
registered is tried again later, then shown as failed; it never holds up its neighbours.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.db.models import F
from django.db.models.functions import Now

from ingestion.domain.registration_schedule import next_attempt_after
from ingestion.errors import DatabaseUnavailable, NotFound
from ingestion.models import Outcome, Receipt
from ingestion.use_cases import registration_statements as sql
from ingestion.wakeups import Work, wake

log = structlog.get_logger(__name__)

ACCEPTED = frozenset({Outcome.REGISTERED, Outcome.MODIFIED})
# They may leave an object that no instance points at.
RETIRING = frozenset({Outcome.MODIFIED, Outcome.KEPT_FIRST, Outcome.DUPLICATE})


class Raced(Exception):
    """Another study took one of the SOP Instance UIDs between judging and writing."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """One settled receipt. `is_known`: its SOP Instance UID had a row before."""

    receipt_id: UUID
    outcome: Outcome
    is_known: bool
    settles_at_once: bool


def register_pending_receipts(*, limit: int | None = None) -> int:
    """Register one batch of what is pending. Returns how many were settled; 0: nothing due.

    Raises `DatabaseUnavailable`; the rows stay due.
    """
    limit = limit or settings.LIMITS.registration_batch_max
    return len(_settle(sql.CLAIM, {"limit": limit}))


def register_receipts(receipt_ids: Sequence[UUID]) -> dict[UUID, Outcome]:
    """Register these receipts now and return every one's outcome.

    Waits for a registrar that has them already. Raises `DatabaseUnavailable`.
    """
    settled = _settle(sql.LOCK, {"ids": [str(receipt_id) for receipt_id in receipt_ids]})
    missing = [receipt_id for receipt_id in receipt_ids if receipt_id not in settled]
    if missing:
        rows = Receipt.objects.filter(pk__in=missing).values_list("pk", "outcome")
        settled |= {pk: Outcome(outcome) for pk, outcome in rows}
    return settled


def retry_receipt(receipt_id: UUID) -> None:
    """Make a failed or quarantined receipt due again. Raises `NotFound`."""
    changed = Receipt.objects.filter(
        pk=receipt_id, outcome__in=(Outcome.FAILED, Outcome.QUARANTINED)
    ).update(outcome=Outcome.PENDING, attempts=0, next_attempt_at=None, reason="")
    if not changed:
        raise NotFound("no failed or quarantined receipt has this id")
    transaction.on_commit(lambda: wake(Work.REGISTER_RECEIPTS), robust=True)


def _settle(claim: str, parameters: Mapping[str, Any]) -> dict[UUID, Outcome]:
    """One round: claim, judge, write. One bad receipt makes the batch fall apart into ones."""
    ids: list[str] = []
    try:
        while True:
            try:
                with transaction.atomic():
                    ids = _claimed(claim, parameters)
                    settled = register_claimed(ids) if ids else {}
            except Raced:
                log.info("registration raced for a SOP Instance UID; judging again")
            else:
                if settled:
                    log.info("registered", **Counter(one.value for one in settled.values()))
                return settled
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable("the database did not confirm") from error
    except DatabaseError as error:
        if not ids:
            raise  # no receipt's fault
        if len(ids) > 1:
            return _settle_singly(ids)
        return _postpone(ids[0], error)


def _settle_singly(ids: Sequence[str]) -> dict[UUID, Outcome]:
    settled: dict[UUID, Outcome] = {}
    for receipt_id in ids:
        settled |= _settle(sql.LOCK, {"ids": [receipt_id]})
    return settled


def _claimed(claim: str, parameters: Mapping[str, Any]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(claim, parameters)
        return [str(row[0]) for row in cursor.fetchall()]


def register_claimed(ids: list[str], *, after: sql.Statement = sql.NOTHING) -> dict[UUID, Outcome]:
    """Register receipts that nobody else can have, inside the caller's transaction.

    `after` the statement that makes them, if they are new. A round for each object of an
    instance. Raises `Raced`; then the transaction must be undone.
    """
    judged = _register_round(ids, after=after)
    settled = {one.receipt_id: one.outcome for one in judged}
    while left := [receipt_id for receipt_id in ids if UUID(receipt_id) not in settled]:
        judged += _register_round(left)
        settled = {one.receipt_id: one.outcome for one in judged}
    _wake_who_goes_on([one for one in judged if one.outcome in ACCEPTED])
    return settled


def _wake_who_goes_on(accepted: Sequence[_Judged]) -> None:
    """There are events to tell; studies of spaces without a quiet period are due already."""
    if accepted:
        transaction.on_commit(lambda: wake(Work.FAN_OUT), robust=True)
    if any(one.settles_at_once for one in accepted):
        transaction.on_commit(lambda: wake(Work.REVISE_STUDIES), robust=True)


def _register_round(ids: list[str], *, after: sql.Statement = sql.NOTHING) -> list[_Judged]:
    """Judge the first receipt of each instance, and those that repeat it, and write them."""
    with connection.cursor() as cursor:
        sql.judge(cursor, ids, after=after)
        judged = [_Judged(row[0], Outcome(row[1]), *row[2:]) for row in cursor.fetchall()]
        counts = Counter(one.outcome for one in judged)
        accepted = sum(counts[outcome] for outcome in ACCEPTED)
        if any(counts[outcome] for outcome in RETIRING):
            sql.run(cursor, ["retire"], ids)
        if accepted:
            sql.run(cursor, sql.WRITING if accepted == 1 else sql.WRITING_SEVERAL, ids)
            if cursor.rowcount != accepted:
                raise Raced
            if any(one.is_known and one.outcome == Outcome.REGISTERED for one in judged):
                sql.run(cursor, ["recount"], ids)
        if counts[Outcome.DUPLICATE]:
            sql.run(cursor, ["drop_duplicate_documents"], ids)
    return judged


def _postpone(receipt_id: str, error: DatabaseError) -> dict[UUID, Outcome]:
    """Put a receipt that the database refuses off; after the last attempt it is failed."""
    attempts = Receipt.objects.values_list("attempts", flat=True).get(pk=receipt_id) + 1
    delay = next_attempt_after(attempts)
    reason = type(error).__name__
    log.error("a receipt cannot be registered", receipt_id=receipt_id, reason=reason)
    Receipt.objects.filter(pk=receipt_id, outcome=Outcome.PENDING).update(
        attempts=F("attempts") + 1,
        reason=reason,
        outcome=Outcome.FAILED if delay is None else Outcome.PENDING,
        next_attempt_at=None if delay is None else Now() + timedelta(seconds=delay),
        settled_at=Now() if delay is None else None,
    )
    return {UUID(receipt_id): Outcome.FAILED if delay is None else Outcome.PENDING}
