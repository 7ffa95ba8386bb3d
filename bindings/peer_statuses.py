"""What an HTTP status of a subscriber means for what we owe it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from bindings.models import OutcomeClass

# RFC 9110 15, RFC 6585 4, RFC 8470 5.2. What is not listed goes by its hundred.
OUTCOMES: Mapping[int, OutcomeClass] = {
    401: OutcomeClass.TRANSIENT,  # the subscription's credentials, not this delivery's fault
    403: OutcomeClass.TRANSIENT,
    407: OutcomeClass.TRANSIENT,
    408: OutcomeClass.TRANSIENT,
    410: OutcomeClass.GONE,
    425: OutcomeClass.TRANSIENT,
    429: OutcomeClass.THROTTLED,
}
HUNDREDS: Mapping[int, OutcomeClass] = {
    2: OutcomeClass.DELIVERED,
    3: OutcomeClass.PERMANENT,  # redirects are not followed
    4: OutcomeClass.PERMANENT,
    5: OutcomeClass.TRANSIENT,
}


def outcome_of(status: int, *, retry_after_seconds: float | None) -> OutcomeClass:
    """The outcome class; a 5xx that names a time (Retry-After) is a throttle."""
    outcome = OUTCOMES.get(status) or HUNDREDS.get(status // 100, OutcomeClass.PERMANENT)
    is_put_off = outcome == OutcomeClass.TRANSIENT and retry_after_seconds is not None
    return OutcomeClass.THROTTLED if is_put_off else outcome


def retry_after_seconds(value: str | None, *, now: datetime) -> float | None:
    """The wait that a Retry-After field asks for (RFC 9110 10.2.3); None when it is no such."""
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)
