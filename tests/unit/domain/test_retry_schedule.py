"""The retry schedule against its promises. Delays are restated from Standard Webhooks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.domain.retry_schedule import (
    FAILURES_BEFORE_OPEN,
    RetryLimits,
    is_half_open,
    next_attempt_at,
    open_seconds,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENDLESS = RetryLimits(attempts_max=1000, age_max=timedelta(days=365))
MIDDLE = 0.5  # of the jitter: the delay itself


def delay(attempts: int, *, retry_after: float | None = None, chance: float = MIDDLE) -> float:
    again = next_attempt_at(
        NOW,
        attempts=attempts,
        owed_since=NOW,
        limits=ENDLESS,
        retry_after_seconds=retry_after,
        chance=chance,
    )
    assert again is not None
    return (again - NOW).total_seconds()


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(1, 5), (2, 30), (3, 120), (4, 600), (5, 1800), (6, 7200), (7, 18_000), (8, 36_000)],
)
def test_delays_grow_from_seconds_to_hours(attempts: int, seconds: float) -> None:
    assert delay(attempts) == pytest.approx(seconds)


@given(attempts=st.integers(1, 900), chance=st.floats(0, 1, exclude_max=True))
def test_jitter_stays_within_a_fifth_and_the_longest_wait_is_bounded(
    attempts: int, chance: float
) -> None:
    middle = delay(attempts)
    assert 0.8 * middle <= delay(attempts, chance=chance) <= 1.2 * middle <= 12 * 3600


@given(
    attempts=st.integers(1, 50),
    attempts_max=st.integers(1, 50),
    age=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10)),
    age_max=st.timedeltas(min_value=timedelta(hours=1), max_value=timedelta(days=10)),
)
def test_trying_ends_by_number_or_by_age_and_not_before(
    attempts: int, attempts_max: int, age: timedelta, age_max: timedelta
) -> None:
    again = next_attempt_at(
        NOW,
        attempts=attempts,
        owed_since=NOW - age,
        limits=RetryLimits(attempts_max=attempts_max, age_max=age_max),
        retry_after_seconds=None,
        chance=MIDDLE,
    )
    assert (again is None) == (attempts >= attempts_max or age >= age_max)


@given(retry_after=st.floats(allow_nan=False, allow_infinity=True))
def test_retry_after_only_lengthens_and_is_capped(retry_after: float) -> None:
    seconds = delay(1, retry_after=retry_after)
    assert seconds == pytest.approx(max(5.0, min(retry_after, 3600.0)), abs=1e-5)


def test_circuit_opens_after_five_failures_and_waits_longer_up_to_five_minutes() -> None:
    assert [open_seconds(n) for n in range(5)] == [0.0] * FAILURES_BEFORE_OPEN
    assert [open_seconds(n) for n in (5, 6, 7, 8, 9, 10, 5000)] == [10, 20, 40, 80, 160, 300, 300]
    assert [is_half_open(n) for n in (0, 4, 5, 6)] == [False, False, True, True]
