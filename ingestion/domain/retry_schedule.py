"""When to try again, and when to stop: one schedule for whoever is told, as pure functions.

Delays follow the example schedule of Standard Webhooks ("Deliverability and reliability"),
with two short steps more at the start for peers that restart.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

DELAYS_SECONDS = (5, 30, 120, 600, 1800, 7200, 18_000, 36_000)  # then the last, again and again
JITTER = 0.2  # of the delay, either way
RETRY_AFTER_SECONDS_MAX = 3600.0

FAILURES_BEFORE_OPEN = 5
OPEN_SECONDS_MIN = 10.0
OPEN_SECONDS_MAX = 300.0


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """Where trying ends: whichever is reached first."""

    attempts_max: int
    age_max: timedelta


def next_attempt_at(
    now: datetime,
    *,
    attempts: int,
    owed_since: datetime,
    limits: RetryLimits,
    retry_after_seconds: float | None,
    chance: float,
) -> datetime | None:
    """When to try again after the `attempts`-th failed try; None when that was the last.

    `chance` in [0, 1) places the time inside the jitter. What the peer asks for by Retry-After
    only ever makes the wait longer, up to `RETRY_AFTER_SECONDS_MAX`.
    """
    assert attempts >= 1
    if attempts >= limits.attempts_max or now - owed_since >= limits.age_max:
        return None
    delay = DELAYS_SECONDS[min(attempts, len(DELAYS_SECONDS)) - 1]
    jittered = delay * (1 - JITTER + 2 * JITTER * chance)
    return now + timedelta(seconds=max(jittered, capped_retry_after(retry_after_seconds)))


def capped_retry_after(seconds: float | None) -> float:
    """The wait a peer asked for, within our bounds; 0 if it asked for none."""
    return min(max(seconds or 0.0, 0.0), RETRY_AFTER_SECONDS_MAX)


def open_seconds(consecutive_failures: int) -> float:
    """How long a subscriber that failed so often in a row is left alone; 0 while few."""
    beyond = consecutive_failures - FAILURES_BEFORE_OPEN
    if beyond < 0:
        return 0.0
    return min(OPEN_SECONDS_MIN * 2.0 ** min(beyond, 20), OPEN_SECONDS_MAX)


def is_half_open(consecutive_failures: int) -> bool:
    """Whether only one delivery may probe the subscriber before the rest follows."""
    return consecutive_failures >= FAILURES_BEFORE_OPEN
