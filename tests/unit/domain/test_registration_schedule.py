"""A receipt that cannot be registered is tried ever more rarely, then no more."""

from ingestion.domain.registration_schedule import next_attempt_after


def test_delays_grow_and_end() -> None:
    delays = [next_attempt_after(attempts) for attempts in range(1, 9)]
    assert delays == [5, 30, 120, 600, 1800, 3600, None, None]
