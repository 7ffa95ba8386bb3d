"""The sweeps: rows that became due with nobody to say so, or whose wake-up was lost.

A study settles by the mere passing of time, so that sweep is the shortest; all of them ask
partial indexes that are empty when nothing is due.
"""

from typing import Any

import structlog
from celery import Celery
from celery.beat import ScheduleEntry, Scheduler

from workers.queues import DELIVER, HOUSEKEEPING, INGEST, MESSAGES_MAX, REVISIONS

log = structlog.get_logger(__name__)

REVISE_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 60.0


def beat_schedule(sweep_seconds: float) -> dict[str, dict[str, Any]]:
    """Every sweep, by name."""
    return {
        "sweep receipts": _every(sweep_seconds, "register_receipts", INGEST),
        "sweep studies": _every(min(REVISE_SECONDS, sweep_seconds), "revise_studies", REVISIONS),
        "sweep events": _every(sweep_seconds, "fan_out", DELIVER),
        "sweep deliveries": _every(sweep_seconds, "attempt_deliveries", DELIVER),
        "sweep commitments": _every(sweep_seconds, "report_commitments", DELIVER),
        "keep house": _every(HOUSEKEEPING_SECONDS, "keep_house", HOUSEKEEPING),
    }


def _every(seconds: float, task: str, queue: str) -> dict[str, Any]:
    options = {"queue": queue, "expires": max(seconds, 5.0)}
    return {"task": f"workers.{task}", "schedule": seconds, "options": options}


class SweepScheduler(Scheduler):
    """Keeps its times in memory, since every interval is short; adds to no queue that is full.

    So workers that were away for a day do not find a day of sweeps.
    """

    app: Celery

    def apply_async(  # type: ignore[override]  # `advance` passes with the others
        self, entry: ScheduleEntry, producer: Any = None, **how: Any
    ) -> Any:
        """Send the sweep unless as many wait already."""
        queue = (entry.options or {})["queue"]
        with self.app.producer_or_acquire(producer) as it:
            is_full = declared_length(it.channel, queue) >= MESSAGES_MAX
        if is_full:
            log.warning("queue is full, sweep left out", queue=queue)
            return None
        return super().apply_async(entry, producer=producer, **how)


def declared_length(channel: Any, queue: str) -> int:
    """The length that a repeated, harmless declaration tells."""
    declared = channel.queue_declare(queue=queue, durable=True, auto_delete=False)
    return int(declared.message_count)
