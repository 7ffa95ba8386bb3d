"""What is kept for moments is given back until it is too old, and never grows without end."""

from dicomweb.timed_cache import ENTRIES_MAX, TimedCache
from tests.eventually import eventually


def test_a_value_is_known_while_it_is_fresh() -> None:
    cache: TimedCache[str, int] = TimedCache(seconds=60)
    assert cache.get("a") is None
    cache.put("a", 1)
    cache.put("a", 2)
    assert (cache.get("a"), cache.get("b")) == (2, None)


def test_an_old_value_is_forgotten() -> None:
    cache: TimedCache[str, int] = TimedCache(seconds=0.05)
    cache.put("a", 1)
    eventually(lambda: cache.get("a") is None, within_seconds=60)


def test_entries_are_bounded() -> None:
    cache: TimedCache[int, int] = TimedCache(seconds=60)
    for number in range(ENTRIES_MAX + 1):
        cache.put(number, number)
    kept = [number for number in range(ENTRIES_MAX + 1) if cache.get(number) is not None]
    assert kept == [ENTRIES_MAX]
