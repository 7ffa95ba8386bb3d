"""Filters of large tables: each must let the database stop early or use an index."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.admin import SimpleListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

PERIODS = (("1", "Today and yesterday"), ("7", "Last 7 days"), ("30", "Last 30 days"))


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
        start = datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())
        return UUID(int=int(start.timestamp() * 1000) << 80)


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
