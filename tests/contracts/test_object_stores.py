"""What every object store promises, proved on each of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from ingestion.errors import InvalidIdentifier, ObjectMissing
from ingestion.object_stores.protocol import ObjectStore, StoredObject
from ingestion.object_stores.spool import Spool
from tests.contracts.conftest import (
    STORES_SHOWING_WHOLE_OBJECTS,
    Configuration,
    result_of,
    start_put,
)
from tests.contracts.put_in_process import content_of
from tests.services.buckets import PART_BYTES

MakeSpool = Callable[[ObjectStore, bytes], Spool]

KEY = "1.2.3/4.5.6/7.8.9.0123456789abcdef.dcm"
SMALL = b"DICM" * 900
MEDIUM = content_of(700_000)
LARGE = content_of(PART_BYTES + 17)


@pytest.fixture
def put(store: ObjectStore, spooled: MakeSpool) -> Callable[[str, bytes], StoredObject]:
    def put(key: str, content: bytes) -> StoredObject:
        with spooled(store, content) as spool:
            return store.put(key, spool)

    return put


Put = Callable[[str, bytes], StoredObject]


def whole(store: ObjectStore, location: str) -> bytes:
    return b"".join(store.iterate(location))


class TestObjectStore:
    @pytest.mark.parametrize(
        "content", [b"", SMALL, MEDIUM, LARGE], ids=["empty", "memory", "file", "parts"]
    )
    def test_what_was_put_is_read_back(self, store: ObjectStore, put: Put, content: bytes) -> None:
        stored = put(KEY, content)
        assert stored.created
        assert stored.size_bytes == len(content) == store.size(stored.location)
        assert whole(store, stored.location) == content

    def test_any_range_is_read(self, store: ObjectStore, put: Put) -> None:
        location = put(KEY, MEDIUM).location
        for offset, length in [
            (0, 1),
            (5, 100),
            (699_990, 10),
            (699_990, 50),
            (700_000, 5),
            (9, 0),
        ]:
            expected = MEDIUM[offset : offset + length]
            assert store.read(location, offset, length) == expected
            assert b"".join(store.iterate(location, offset=offset, length=length)) == expected
        assert b"".join(store.iterate(location, offset=699_000)) == MEDIUM[699_000:]
        assert store.read(location, 800_000, 5) == b""

    def test_chunks_are_of_the_size_asked_for(self, store: ObjectStore, put: Put) -> None:
        location = put(KEY, MEDIUM).location
        sizes = [len(chunk) for chunk in store.iterate(location, chunk_bytes=300_000)]
        assert sizes == [300_000, 300_000, 100_000]

    @pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
    def test_same_bytes_again_create_nothing(
        self, store: ObjectStore, put: Put, content: bytes
    ) -> None:
        first, second = put(KEY, content), put(KEY, content)
        assert (second.location, second.created) == (first.location, False)
        assert len(list(store.list())) == 1

    @pytest.mark.parametrize("other", [SMALL[:-1] + b"x", SMALL[:-9], MEDIUM])
    def test_other_bytes_under_a_key_overwrite_nothing(
        self, store: ObjectStore, put: Put, other: bytes
    ) -> None:
        first, second = put(KEY, SMALL), put(KEY, other)
        assert second.created
        assert second.location != first.location
        assert whole(store, first.location) == SMALL
        assert whole(store, second.location) == other
        assert put(KEY, other) == StoredObject(second.location, len(other), created=False)
        assert put(KEY, SMALL) == StoredObject(first.location, len(SMALL), created=False)

    def test_deleted_object_is_gone_and_can_be_put_again(
        self, store: ObjectStore, put: Put
    ) -> None:
        location = put(KEY, SMALL).location
        store.delete(location)
        store.delete(location)
        assert not list(store.list())
        assert put(KEY, SMALL).created
        assert whole(store, location) == SMALL

    def test_missing_object_says_so_at_once(self, store: ObjectStore, prefix: str) -> None:
        location = f"{prefix}/1.2/3.4/nothing.dcm"
        for ask in (
            lambda: store.size(location),
            lambda: store.read(location, 0, 5),
            lambda: store.read(location, 0, 0),
            lambda: store.iterate(location),
        ):
            with pytest.raises(ObjectMissing):
                ask()

    @pytest.mark.parametrize(
        "key",
        [
            *("", "/etc/passwd", "../x", "a/../x", "a//b", ".incoming/x", "a/.x", "a/"),
            *("a/b\0", "a\\b", "a b", "ä", "a\n", "x" * 1001),
        ],
    )
    def test_no_key_leaves_the_store(self, store: ObjectStore, put: Put, key: str) -> None:
        with pytest.raises(InvalidIdentifier):
            put(key, SMALL)
        for ask in (store.size, store.delete, store.open_path, store.iterate):
            if key != "x" * 1001:
                with pytest.raises(ObjectMissing):
                    ask(key)

    def test_lists_what_is_below_its_prefix(
        self, store: ObjectStore, put: Put, configuration: Configuration, prefix: str
    ) -> None:
        began_at = datetime.now(UTC) - timedelta(seconds=5)
        stored = [put(f"1.{study}/2/3.dcm", SMALL) for study in (1, 12, 2)]
        listed = {each.location: each for each in store.list()}
        assert set(listed) == {each.location for each in stored}
        for each in listed.values():
            assert each.size_bytes == len(SMALL)
            assert began_at < each.modified_at < datetime.now(UTC) + timedelta(seconds=5)
        assert {each.location for each in store.list("1.1")} == {
            each.location for each in stored[:2]
        }
        assert [each.location for each in store.list("1.1/")] == [stored[0].location]
        assert not list(configuration.open(f"{prefix}x").list())

    def test_local_path_has_the_bytes_where_there_is_one(
        self, store: ObjectStore, put: Put
    ) -> None:
        path = store.open_path(put(KEY, SMALL).location)
        assert path is None or path.read_bytes() == SMALL

    def test_check_passes_and_leaves_nothing(self, store: ObjectStore) -> None:
        store.check()
        assert not list(store.list())

    def test_same_configuration_opens_the_same_store(
        self, store: ObjectStore, configuration: Configuration, prefix: str
    ) -> None:
        assert configuration.open(prefix) is store
        assert configuration.open() is not store

    def test_threads_that_put_other_bytes_lose_none(self, store: ObjectStore, put: Put) -> None:
        contents = [SMALL + bytes([number]) for number in range(4)]
        with ThreadPoolExecutor(4) as pool:
            stored = list(pool.map(lambda content: put(KEY, content), contents))
        assert [whole(store, each.location) for each in stored] == contents
        assert all(each.created for each in stored)

    def test_threads_that_put_the_same_lose_none(self, store: ObjectStore, put: Put) -> None:
        with ThreadPoolExecutor(4) as pool:
            stored = list(pool.map(lambda _: put(KEY, MEDIUM), range(4)))
        assert all(whole(store, each.location) == MEDIUM for each in stored)


@pytest.mark.parametrize("configuration", STORES_SHOWING_WHOLE_OBJECTS, indirect=True)
class TestObjectStoreShowingWholeObjects:
    @pytest.mark.parametrize("content", [SMALL, MEDIUM], ids=["memory", "file"])
    def test_threads_that_put_the_same_make_one_object(
        self, store: ObjectStore, put: Put, content: bytes
    ) -> None:
        with ThreadPoolExecutor(6) as pool:
            stored = list(pool.map(lambda _: put(KEY, content), range(6)))
        assert any(each.created for each in stored)
        assert {each.location for each in stored} == {each.location for each in store.list()}
        (listed,) = store.list()
        assert whole(store, listed.location) == content

    def test_processes_that_put_the_same_make_one_object(
        self, store: ObjectStore, configuration: Configuration, prefix: str
    ) -> None:
        put: dict[str, object] = {"key": KEY, "size_bytes": len(MEDIUM)}
        processes = [start_put(configuration, prefix, asked=put) for _ in range(3)]
        locations = {str(result_of(process)["location"]) for process in processes}
        (listed,) = store.list()
        assert locations == {listed.location}
        assert whole(store, listed.location) == MEDIUM
