"""Filters of large tables: each must let the database stop early or use an index."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.admin import SimpleListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from ingestion.models import AssociationRecord

PERIODS = (("1", "Today and yesterday"), ("7", "Last 7 days"), ("30", "Last 30 days"))
CLOCKS_DIFFER = timedelta(seconds=5)


class PeriodFilter(SimpleListFilter):
    """Rows since some days ago, by a column that grows with the primary key."""

    title = "period"
    parameter_name = "days"
    column = "created_at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:  # noqa: ARG002
        """The periods on offer."""
        return PERIODS

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Model]") -> "QuerySet[Model]":  # noqa: ARG002
        """Rows of the chosen period; all without one or with a period not on offer."""
        if self.value() not in dict(PERIODS):
            return queryset
        day = timezone.now().date() - timedelta(days=int(self.value() or 0))
        return queryset.filter(**{f"{self.column}__gte": self.bound(day)})

    def bound(self, day: date) -> object:
        """The least value of the column on that day."""
        return datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())


class ReceivedFilter(PeriodFilter):
    """Receipts by the time inside their id (RFC 9562 5.7), which is the primary key."""

    title = "received"
    column = "id"

    def bound(self, day: date) -> object:
        """The least receipt id of that day."""
        return _least_receipt_id(
            datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())
        )


class AssociationFilter(SimpleListFilter):
    """Receipts of one association, by its record. Offered only where a link chose it.

    Conversations have no index; the time inside the ids bounds what is read.
    """

    title = "association"
    parameter_name = "association"

    def lookups(self, request: HttpRequest, model_admin: Any) -> tuple[tuple[str, str], ...]:  # noqa: ARG002
        """The one that was chosen, if any."""
        chosen = request.GET.get(self.parameter_name, "")
        return ((chosen, f"Association {chosen}"),) if chosen else ()

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Model]") -> "QuerySet[Model]":  # noqa: ARG002
        """Those that it brought; none when its record is gone."""
        if not self.value():
            return queryset
        chosen = self.value() or ""
        record = AssociationRecord.objects.filter(pk=chosen).first() if chosen.isdigit() else None
        if record is None:
            return queryset.none()
        return queryset.filter(
            conversation_id=record.association_id,
            pk__gte=_least_receipt_id(record.started_at - CLOCKS_DIFFER),
            pk__lt=_least_receipt_id(record.ended_at + CLOCKS_DIFFER),
        )


class StudyDateFilter(PeriodFilter):
    """Studies by Study Date (0008,0020)."""

    title = "study date"
    column = "study_date"

    def bound(self, day: date) -> object:
        """The day as DA."""
        return day.strftime("%Y%m%d")


class RetiredFilter(PeriodFilter):
    """Objects by when they were retired."""

    title = "retired"
    column = "retired_at"


def _least_receipt_id(moment: datetime) -> UUID:
    return UUID(int=int(moment.timestamp() * 1000) << 80)
