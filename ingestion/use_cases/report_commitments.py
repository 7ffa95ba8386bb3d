"""Which storage commitments are owed to whom, and how telling them went.

Rows decide what is due. Whoever reports puts the next attempt off first, so that no two report at
the same time and a reporter that dies is followed by another.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from ingestion.domain.retry_schedule import RetryLimits, next_attempt_at
from ingestion.errors import Misconfigured
from ingestion.models import (
    CommitmentRequest,
    CommitmentState,
    RemoteApplicationEntity,
    StorageCommitment,
)
from ingestion.wakeups import Work, wake

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=3)
LIMITS = RetryLimits(attempts_max=100, age_max=timedelta(days=7))
PEER_AWAY = timedelta(seconds=30)
KEPT = timedelta(days=90)
PROBLEM_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class OwedReport:
    """A report that is this caller's to make until `LEASE` is over."""

    commitment_id: int
    transaction_uid: str
    requesting_ae_title: str
    called_ae_title: str


def claim_report() -> OwedReport | None:
    """The report that is due longest; None when none is."""
    due = StorageCommitment.objects.filter(
        state=CommitmentState.PENDING, next_attempt_at__lte=Now()
    )
    with transaction.atomic():
        row = due.order_by("next_attempt_at").select_for_update(skip_locked=True).first()
        if row is None:
            return None
        StorageCommitment.objects.filter(pk=row.pk).update(next_attempt_at=Now() + LEASE)
    return OwedReport(row.pk, row.transaction_uid, row.requesting_ae_title, row.called_ae_title)


def report_destination(ae_title: str) -> RemoteApplicationEntity:
    """Where an AE is told on an association of ours. Raises `Misconfigured` if nobody knows."""
    found = (
        RemoteApplicationEntity.objects.filter(
            ae_title=ae_title, is_enabled=True, port__isnull=False
        )
        .exclude(host="")
        .order_by("pk")
        .first()
    )
    if found is None:
        raise Misconfigured(f"no host and port of the AE {ae_title} are known")
    return found


def record_reported(commitment_id: int) -> None:
    """The peer confirmed the report: it is owed no more. A repeat is fine."""
    StorageCommitment.objects.filter(pk=commitment_id).update(
        state=CommitmentState.REPORTED,
        reported_at=Now(),
        attempts=F("attempts") + 1,
        next_attempt_at=None,
        problem="",
    )


def record_not_reported(commitment_id: int, problem: str) -> None:
    """The attempt failed: there is a next one, or it is given up."""
    with transaction.atomic():
        row = (
            StorageCommitment.objects.select_for_update()
            .filter(pk=commitment_id, state=CommitmentState.PENDING)
            .first()
        )
        if row is None:
            return
        row.attempts += 1
        row.problem = problem[:PROBLEM_CHARACTERS_MAX]
        row.next_attempt_at = next_attempt_at(
            datetime.now(UTC),
            attempts=row.attempts,
            owed_since=row.requested_at,
            limits=LIMITS,
            retry_after_seconds=None,
            chance=random.random(),
        )
        if row.next_attempt_at is None:
            row.state = CommitmentState.GIVEN_UP
        row.save(update_fields=["attempts", "problem", "next_attempt_at", "state"])
    log.warning(
        "storage commitment not reported",
        transaction_uid=row.transaction_uid,
        attempts=row.attempts,
        is_given_up=row.state == CommitmentState.GIVEN_UP,
        problem=row.problem,
    )


def put_off_reports(ae_title: str) -> None:
    """A peer could not be reached: what else is due to it waits for a while."""
    StorageCommitment.objects.filter(
        requesting_ae_title=ae_title, state=CommitmentState.PENDING, next_attempt_at__lte=Now()
    ).update(next_attempt_at=Now() + PEER_AWAY)


def hand_report_on(commitment_id: int) -> None:
    """The association of the request will not report: another one shall, at once."""
    StorageCommitment.objects.filter(pk=commitment_id, state=CommitmentState.PENDING).update(
        next_attempt_at=Now()
    )
    transaction.on_commit(lambda: wake(Work.REPORT_COMMITMENTS), robust=True)


def trim_commitments() -> int:
    """Remove what was settled long ago, ours and those of peers. Returns how many."""
    before = Now() - KEPT
    settled = StorageCommitment.objects.exclude(state=CommitmentState.PENDING)
    removed = settled.filter(requested_at__lt=before).delete()[0]
    return removed + CommitmentRequest.objects.filter(requested_at__lt=before).delete()[0]
