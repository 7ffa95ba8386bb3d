"""The AE tables are read often enough, and not more often."""

import threading
from collections.abc import Callable

import pytest

from ingestion.dimse.acceptor.entity_cache import EntityCache
from ingestion.dimse.security.association_policy import EntityTables
from ingestion.errors import DatabaseUnavailable
from tests.eventually import eventually

EMPTY = EntityTables({}, {})


def counting(reads: list[str]) -> Callable[[], EntityTables]:
    def load() -> EntityTables:
        reads.append("read")
        return EMPTY

    return load


def test_fresh_tables_are_not_read_again() -> None:
    reads: list[str] = []
    cache = EntityCache(counting(reads), release=lambda: None)
    assert [cache.tables() for _ in range(3)] == [EMPTY] * 3
    assert len(reads) == 1
    cache.close()


def test_stale_tables_are_read_again() -> None:
    reads: list[str] = []
    cache = EntityCache(counting(reads), release=lambda: None, max_age_seconds=0.01)
    eventually(lambda: cache.tables() and len(reads) >= 3)
    cache.close()


def test_failure_is_told_and_not_remembered() -> None:
    answers = [DatabaseUnavailable("down"), None]

    def load() -> EntityTables:
        error = answers.pop(0)
        if error is not None:
            raise error
        return EMPTY

    cache = EntityCache(load, release=lambda: None)
    with pytest.raises(DatabaseUnavailable):
        cache.tables()
    assert cache.tables() is EMPTY
    cache.close()


def test_all_reads_and_the_release_happen_on_one_thread() -> None:
    threads: set[str] = set()

    def note() -> None:
        threads.add(threading.current_thread().name)

    def load() -> EntityTables:
        note()
        return EMPTY

    cache = EntityCache(load, release=note, max_age_seconds=0)
    askers = [threading.Thread(target=cache.tables) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    cache.close()
    assert len(threads) == 1
    assert threading.current_thread().name not in threads
