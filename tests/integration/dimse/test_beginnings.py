"""The first bytes of an object are read before its turn, the others when it is sent."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pytest_django import Settings

from ingestion.dimse.services.read_ahead import (
    BEGINNING_BYTES,
    Beginning,
    forget,
    in_background,
    read_ahead,
    result_of,
)
from ingestion.errors import NotFound, ObjectMissing, ObjectStoreUnavailable
from ingestion.models import StorageSpace
from ingestion.use_cases.retrieve_instances import HeldInstance
from tests.builders import build_ct, part10_bytes
from tests.held_instances import CountingStore, hold
from tests.receipts import make_space

LARGE = part10_bytes(build_ct(rows=1500, columns=1200))
SMALL = part10_bytes(build_ct())


class BreakingStore(CountingStore):
    """Its first stream breaks behind the first chunk."""

    has_broken = False

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for number, chunk in enumerate(super()._counted(chunks)):
            if number and not self.has_broken:
                self.has_broken = True
                raise ObjectStoreUnavailable("the connection was idle for too long")
            yield chunk


def held_in(store: type[CountingStore], space: StorageSpace, content: bytes) -> HeldInstance:
    held = hold(space, content)
    return replace(held, store=store(held.store))


def given_bytes(held: HeldInstance) -> int:
    assert isinstance(held.store, CountingStore)
    return held.store.given_bytes


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("offset", [0, 300])
def test_all_is_read_once_and_may_be_read_again(
    space: StorageSpace, content: bytes, offset: int
) -> None:
    held = held_in(CountingStore, space, content)
    beginning = Beginning(held)
    assert given_bytes(held) == min(len(content), BEGINNING_BYTES)
    assert b"".join(beginning.read(offset)) == content[offset:]
    assert given_bytes(held) == len(content)
    assert b"".join(beginning.read(offset)) == content[offset:]


def test_stream_that_broke_while_it_stood_is_read_on(space: StorageSpace) -> None:
    held = held_in(BreakingStore, space, LARGE)
    assert b"".join(Beginning(held).read(0)) == LARGE


def test_large_object_that_is_let_go_is_not_read_further(space: StorageSpace) -> None:
    held = held_in(CountingStore, space, LARGE)
    beginning = Beginning(held)
    beginning.close()
    beginning.close()
    assert given_bytes(held) == BEGINNING_BYTES


def test_what_waits_for_one_space_holds_up_no_other(
    space: StorageSpace, settings: Settings
) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"dimse_store_readers_max": 2})
    go_on = threading.Event()
    waiting = [in_background(space, go_on.wait) for _ in range(2)]
    third = in_background(space, lambda: "third")
    elsewhere = in_background(make_space("other"), lambda: "elsewhere")
    assert elsewhere.result(10) == "elsewhere"
    assert not third.done()
    go_on.set()
    assert (third.result(10), [each.result(10) for each in waiting]) == ("third", [True, True])


def test_who_does_not_wait_any_longer_has_nothing_begun(
    space: StorageSpace, settings: Settings
) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"dimse_store_readers_max": 1})
    go_on = threading.Event()
    waiting = in_background(space, go_on.wait)
    second = in_background(space, lambda: "second")

    def check() -> None:
        raise NotFound("nobody waits any more")

    with pytest.raises(NotFound):
        result_of(second, check)
    assert second.cancelled()
    go_on.set()
    assert result_of(waiting, check=lambda: None)


def test_range_that_does_not_reach_the_end_is_read_by_itself(space: StorageSpace) -> None:
    ahead = read_ahead(held_in(CountingStore, space, LARGE), space)
    assert b"".join(ahead.read(128, 4)) == b"DICM"
    assert b"".join(ahead.read(128)) == LARGE[128:]
    forget(ahead)


def test_what_is_missing_is_told_when_it_is_read(space: StorageSpace) -> None:
    held = hold(space, SMALL)
    held.store.delete(held.location)
    ahead = read_ahead(held, space)
    with pytest.raises(ObjectMissing):
        ahead.read()
    forget(ahead)
