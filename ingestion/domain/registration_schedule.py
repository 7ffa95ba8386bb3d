"""When a receipt that could not be registered is tried again."""

DELAYS_SECONDS = (5, 30, 120, 600, 1800, 3600)


def next_attempt_after(attempts: int) -> int | None:
    """Seconds until the next attempt, given how many were made; None: no more, it failed."""
    assert attempts >= 1
    return DELAYS_SECONDS[attempts - 1] if attempts <= len(DELAYS_SECONDS) else None
