"""What statuses of subscribers mean."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bindings.models import OutcomeClass
from bindings.peer_statuses import outcome_of, retry_after_seconds

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((200, 201, 202, 204, 299), "delivered"),
        ((301, 302, 307, 308), "permanent"),
        ((400, 404, 405, 409, 413, 415, 422), "permanent"),
        ((401, 403, 407, 408, 425), "transient"),
        ((410,), "gone"),
        ((429,), "throttled"),
        ((500, 502, 503, 504, 507), "transient"),
        ((101, 600, 999), "permanent"),
    ],
)
def test_status_decides_the_outcome(statuses: tuple[int, ...], outcome: str) -> None:
    assert {outcome_of(status, retry_after_seconds=None) for status in statuses} == {outcome}


def test_server_error_with_a_time_is_a_throttle() -> None:
    assert outcome_of(503, retry_after_seconds=3.0) == OutcomeClass.THROTTLED
    assert outcome_of(404, retry_after_seconds=3.0) == OutcomeClass.PERMANENT
    assert outcome_of(200, retry_after_seconds=3.0) == OutcomeClass.DELIVERED


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("soon", None),
        ("-5", None),
        ("²", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(field: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(field, now=NOW) == seconds
