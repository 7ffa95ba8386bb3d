"""Tasks: doors to use cases. Each works until nothing is due or its slice of time is over.

All are safe to run twice and beside each other: rows are claimed.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from celery import Task
from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from bindings.attempt_deliveries import attempt_deliveries as attempt_subscription_deliveries
from bindings.claims import due_subscriptions
from bindings.fan_out import BATCH_MAX as FAN_OUT_BATCH_MAX
from bindings.fan_out import fan_out_events
from bindings.redrive import trim_deliveries
from ingestion.dimse.services.commitment_reports import report_next_commitment
from ingestion.errors import Unavailable
from ingestion.use_cases.clean_spools import clean_spools
from ingestion.use_cases.hint_completeness import fulfil_hints, remove_old_hints
from ingestion.use_cases.issue_viewer_token import remove_expired_viewer_tokens
from ingestion.use_cases.keep_association_records import trim_association_records
from ingestion.use_cases.keep_procedure_steps import trim_procedure_steps
from ingestion.use_cases.register_receipts import register_pending_receipts
from ingestion.use_cases.report_commitments import trim_commitments
from ingestion.use_cases.retain_objects import remove_retired_objects
from ingestion.use_cases.revise_studies import revise_due_studies
from ingestion.wakeups import Work, wake
from workers.celery_app import app
from workers.queues import DELIVER, HOUSEKEEPING, INGEST, REVISIONS

log = structlog.get_logger(__name__)

SLICE_SECONDS = 10.0
# One pass may send many large objects.
LONG = {"soft_time_limit": 3600, "time_limit": 3630}
SETTLED_DELIVERIES_KEPT = timedelta(days=30)


def door(queue: str, **options: Any) -> Callable[[Callable[..., None]], "Task[Any, Any]"]:
    """Make a task of a function: named after it, on this queue, its log lines bound to it.

    Work that our own side cannot do now is put off; the sweep comes back to it.
    """

    def make(function: Callable[..., None]) -> "Task[Any, Any]":
        def run(*ids: int) -> None:
            close_old_connections()  # as Django does around a request
            with structlog.contextvars.bound_contextvars(task=function.__name__):
                try:
                    function(*ids)
                except (Unavailable, OperationalError, InterfaceError) as error:
                    log.warning("work put off", reason=type(error).__name__)

        run.__doc__ = function.__doc__
        name = f"workers.{function.__name__}"
        task: Task[Any, Any] = app.task(name=name, queue=queue, **options)(run)  # type: ignore[no-untyped-call]
        return task

    return make


def until_idle(step: Callable[[], int], work: Work) -> None:
    """Repeat a step until it finds nothing; past the slice of time, wake a worker for the rest."""
    ends_at = time.monotonic() + SLICE_SECONDS
    while step():
        if time.monotonic() > ends_at:
            wake(work)
            return


@door(INGEST)
def register_receipts() -> None:
    """Register what was received. What comes during a batch has a wake-up of its own."""
    full = settings.LIMITS.registration_batch_max
    until_idle(lambda: register_pending_receipts() // full, Work.REGISTER_RECEIPTS)


@door(REVISIONS)
def revise_studies() -> None:
    """Close studies into revisions: those that are complete, and those that are quiet."""
    until_idle(fulfil_hints, Work.REVISE_STUDIES)
    until_idle(revise_due_studies, Work.REVISE_STUDIES)


@door(DELIVER)
def fan_out() -> None:
    """Turn events into deliveries. What happens during a batch has a wake-up of its own."""
    until_idle(lambda: fan_out_events() // FAN_OUT_BATCH_MAX, Work.FAN_OUT)


@door(DELIVER, **LONG)
def attempt_deliveries() -> None:
    """Send what is due: to one subscription here, to each other one beside it."""
    due = due_subscriptions()
    for subscription_id in due[1:]:
        attempt_subscription.apply_async((subscription_id,))
    for subscription_id in due[:1]:  # saves the way through the broker
        _attempt(subscription_id)


@door(DELIVER, **LONG)
def attempt_subscription(subscription_id: int) -> None:
    """Send what is due to one subscription."""
    _attempt(subscription_id)


def _attempt(subscription_id: int) -> None:
    with structlog.contextvars.bound_contextvars(subscription_id=subscription_id):
        until_idle(
            lambda: attempt_subscription_deliveries(subscription_id), Work.ATTEMPT_DELIVERIES
        )


@door(DELIVER, **LONG)
def report_commitments() -> None:
    """Tell peers what became of the storage commitments that they asked for."""
    until_idle(report_next_commitment, Work.REPORT_COMMITMENTS)


@door(HOUSEKEEPING)
def keep_house() -> None:
    """Remove what has been kept long enough."""
    remove_retired_objects()
    clean_spools()
    remove_expired_viewer_tokens()
    trim_deliveries(settled_before=timezone.now() - SETTLED_DELIVERIES_KEPT)
    trim_commitments()
    remove_old_hints()
    trim_association_records(
        ended_before=timezone.now() - timedelta(days=settings.ENVIRONMENT.association_records_days),
        records_max=settings.LIMITS.association_records_max,
    )
    trim_procedure_steps(
        changed_before=timezone.now() - timedelta(days=settings.ENVIRONMENT.procedure_steps_days),
        steps_max=settings.LIMITS.procedure_steps_max,
    )
