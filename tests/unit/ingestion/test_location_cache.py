"""What was found in a data set is remembered by its bytes, and only so much of it."""

from pathlib import Path

import pytest

from ingestion.object_stores.filesystem import FilesystemOptions, FilesystemStore
from ingestion.use_cases.location_cache import LocationCache
from ingestion.use_cases.retrieve_instances import HeldInstance


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    return FilesystemStore(FilesystemOptions(root=tmp_path), prefix="")


def instance(store: FilesystemStore, sha256: bytes, syntax: str = "1.2") -> HeldInstance:
    return HeldInstance(
        instance_id=1,
        space_slug="main",
        study_instance_uid="1",
        series_instance_uid="2",
        sop_instance_uid="3",
        sop_class_uid="4",
        transfer_syntax_uid=syntax,
        data_set_sha256=sha256,
        size_bytes=1000,
        data_set_offset=300,
        pixel_data_offset=None,
        number_of_frames=None,
        location="1/2/3.dcm",
        store=store,
    )


def test_the_same_bytes_are_known_in_one_transfer_syntax(store: FilesystemStore) -> None:
    cache: LocationCache[str] = LocationCache(100, len)
    cache.put(instance(store, b"a"), "where")
    assert cache.get(instance(store, memoryview(b"a").tobytes())) == "where"
    assert cache.get(instance(store, b"a", syntax="1.2.1")) is None
    assert cache.get(instance(store, b"b")) is None


def test_the_least_recently_used_leave_and_what_is_too_large_never_comes(
    store: FilesystemStore,
) -> None:
    cache: LocationCache[str] = LocationCache(10, len)
    one, two, three = (instance(store, name) for name in (b"1", b"2", b"3"))
    cache.put(one, "aaaa")
    cache.put(two, "bbbb")
    assert cache.get(one) == "aaaa"
    cache.put(three, "cccc")
    cache.put(instance(store, b"4"), "d" * 11)
    assert [cache.get(item) for item in (one, two, three)] == ["aaaa", None, "cccc"]
    assert cache.get(instance(store, b"4")) is None
