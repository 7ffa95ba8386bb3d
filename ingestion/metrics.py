"""Queues as Prometheus metrics: depth and age of the oldest row; rows are the queues.

Nothing here counts a whole table: queues have partial indexes and counting stops at a bound,
totals are the planner's estimates. No metric carries anything of a patient.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count, F, Min, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ingestion.models import (
    CommitmentState,
    Event,
    Instance,
    Outcome,
    Receipt,
    RetiredObject,
    Series,
    StorageCommitment,
    Study,
)

DEPTH_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Queue:
    """Rows that wait for somebody; `rows` must be found by an index."""

    name: str
    rows: Callable[[], "QuerySet[Any]"]
    waiting_since: str  # the column


def _troubled_receipts() -> "QuerySet[Receipt]":
    return Receipt.objects.filter(outcome__in=(Outcome.QUARANTINED, Outcome.FAILED))


QUEUES: dict[str, Queue] = {}


def add_queue(queue: Queue) -> None:
    """Show this queue too. Other applications call it when they are ready; repeats replace."""
    QUEUES[queue.name] = queue


for _queue in (
    Queue(
        "receipts_pending",
        lambda: Receipt.objects.filter(outcome=Outcome.PENDING),
        "received_at",
    ),
    Queue("receipts_troubled", _troubled_receipts, "received_at"),
    Queue("events_waiting", lambda: Event.objects.filter(fanned_out_at=None), "created_at"),
    Queue("studies_due", lambda: Study.objects.filter(settles_at__lte=Now()), "settles_at"),
    Queue(
        "commitments_owed",
        lambda: StorageCommitment.objects.filter(state=CommitmentState.PENDING),
        "requested_at",
    ),
    Queue(
        "retired_objects_due",
        lambda: RetiredObject.objects.filter(removable_at__lte=Now()),
        "removable_at",
    ),
):
    add_queue(_queue)


class QueueCollector(Collector):
    """Asks the database at each scrape, one statement per queue."""

    def collect(self) -> Iterator[Metric]:
        """Depth and age of every queue."""
        depth = GaugeMetricFamily(
            "ingestion_queue_depth", f"Rows that wait, at most {DEPTH_MAX}.", labels=["queue"]
        )
        age = GaugeMetricFamily(
            "ingestion_queue_oldest_age_seconds", "Age of the oldest such row.", labels=["queue"]
        )
        for queue in QUEUES.values():
            waiting = queue.rows().order_by().values(since=F(queue.waiting_since))[:DEPTH_MAX]
            found = waiting.aggregate(depth=Count("*"), oldest=Min("since"))
            depth.add_metric([queue.name], found["depth"])
            age.add_metric([queue.name], _age_seconds(found["oldest"]))
        yield from (depth, age)


class EstimateCollector(Collector):
    """The planner's estimates of what is held, as old as the last ANALYZE."""

    def collect(self) -> Iterator[Metric]:
        """Rows per table, receipts per outcome."""
        rows = GaugeMetricFamily("ingestion_rows", "Estimated rows.", labels=["table"])
        for model in (Study, Series, Instance, Receipt, Event):
            rows.add_metric([model._meta.model_name or ""], _estimate(model._meta.db_table))
        receipts = GaugeMetricFamily(
            "ingestion_receipts", "Estimated receipts by outcome.", labels=["outcome"]
        )
        for outcome, share in _outcome_shares():
            receipts.add_metric([outcome], share * _estimate(Receipt._meta.db_table))
        yield from (rows, receipts)


class ProcessesCollector(Collector):
    """The usual process metrics, told apart by process id: several processes serve the web."""

    def __init__(self) -> None:
        self._own = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Metric]:
        """Memory, CPU seconds, start time and open files of the process that answers."""
        for metric in self._own.collect():
            for index, sample in enumerate(metric.samples):
                metric.samples[index] = sample._replace(
                    labels={**sample.labels, "pid": str(os.getpid())}
                )
            yield metric


def collect_metrics() -> bytes:
    """Everything as Prometheus text. Raises Django's `DatabaseError` without a database."""
    registry = CollectorRegistry(auto_describe=False)
    for collector in (QueueCollector(), EstimateCollector(), ProcessesCollector()):
        registry.register(collector)
    return generate_latest(registry)


def _age_seconds(oldest: datetime | None) -> float:
    return max((timezone.now() - oldest).total_seconds(), 0.0) if oldest else 0.0


def _estimate(table: str) -> float:
    """The planner's number of rows; 0 before the first ANALYZE."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples FROM pg_class WHERE oid = %s::regclass",
            [connection.ops.quote_name(table)],
        )
        return max(float(cursor.fetchone()[0]), 0.0)


def _outcome_shares() -> Iterable[tuple[str, float]]:
    """Outcome of receipts → its share of all, as the last ANALYZE saw it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT unnest(most_common_vals::text::text[]), unnest(most_common_freqs)"
            " FROM pg_stats WHERE schemaname = current_schema() AND tablename = %s"
            " AND attname = 'outcome'",
            [Receipt._meta.db_table],
        )
        return [(str(outcome), float(share)) for outcome, share in cursor.fetchall()]
