"""Waits for what happens soon. The only place of the tests that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(
    condition: Callable[[], T | None], *, within_seconds: float = 60, every_seconds: float = 0.02
) -> T:
    """The first true value of the condition. Raises `AssertionError` when time is up."""
    deadline = time.monotonic() + within_seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{condition} did not come true within {within_seconds} s")
        time.sleep(every_seconds)
    return value
