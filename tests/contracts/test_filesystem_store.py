"""What only files can do wrong: crashes, full disks, vanishing folders."""

import os
import shutil
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingestion.errors import Misconfigured
from ingestion.object_stores.durable_folders import OPEN_FOLDERS_MAX
from ingestion.object_stores.open_store import open_store
from ingestion.object_stores.protocol import ObjectStore
from ingestion.object_stores.spool import Spool
from tests.contracts.conftest import Configuration, result_of, start_put
from tests.contracts.put_in_process import content_of

MakeSpool = Callable[[ObjectStore, bytes], Spool]
KEY = "1.2.3/4.5.6/7.8.9.0123456789abcdef.dcm"
SIZES = pytest.mark.parametrize("size_bytes", [9_000, 700_000], ids=["memory", "file"])


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration("filesystem", {"root": str(tmp_path / "objects")}, tmp_path / "spool")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@SIZES
def test_crash_before_the_name_is_made_leaves_no_object(
    configuration: Configuration, store: ObjectStore, prefix: str, size_bytes: int
) -> None:
    put: dict[str, object] = {"key": KEY, "size_bytes": size_bytes}
    process = start_put(configuration, prefix, asked={**put, "killed_at": "os.link"})
    process.communicate(timeout=60)
    assert process.returncode < 0
    assert not list(store.list())
    repeated = result_of(start_put(configuration, prefix, asked=put))
    assert repeated["created"] is True


@SIZES
def test_full_disk_is_out_of_space_and_leaves_no_object(
    configuration: Configuration, prefix: str, root: Path, size_bytes: int
) -> None:
    root.mkdir()
    script = 'mount -t tmpfs -o size=64k tmpfs "$0" && "$@" && find "$0" -type f >&2'
    command = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(root))
    put: dict[str, object] = {"key": KEY, "size_bytes": size_bytes * 10}
    process = start_put(configuration, prefix, asked=put, command=command)
    assert result_of(process) == {"error": "out-of-space"}


@SIZES
def test_file_size_limit_is_out_of_space_and_leaves_no_object(
    configuration: Configuration, store: ObjectStore, prefix: str, root: Path, size_bytes: int
) -> None:
    limit = 8_000
    put: dict[str, object] = {"key": KEY, "size_bytes": size_bytes, "file_size_bytes_max": limit}
    process = start_put(configuration, prefix, asked=put)
    assert result_of(process) == {"error": "out-of-space"}
    assert not list(store.list())
    assert not list((root / ".incoming").iterdir())


@SIZES
def test_torn_leftover_is_kept_and_not_trusted(
    store: ObjectStore, spooled: MakeSpool, root: Path, prefix: str, size_bytes: int
) -> None:
    content = content_of(size_bytes)
    torn = root / prefix / KEY
    torn.parent.mkdir(parents=True)
    torn.write_bytes(content[:-1] + b"!")
    with spooled(store, content) as spool:
        stored = store.put(KEY, spool)
    assert stored.created
    assert store.read(stored.location, 0, size_bytes) == content
    assert torn.read_bytes() == content[:-1] + b"!"


@SIZES
def test_removed_folders_are_made_again(
    store: ObjectStore, spooled: MakeSpool, root: Path, prefix: str, size_bytes: int
) -> None:
    for number in range(3):
        with spooled(store, content_of(size_bytes)) as spool:
            location = store.put(f"1.2/3.4/{number}.dcm", spool).location
        assert store.size(location) == size_bytes
        shutil.rmtree(root / prefix / ("1.2" if number else "1.2/3.4"))


def test_puts_and_deletes_in_one_folder_do_not_disturb_each_other(
    store: ObjectStore, spooled: MakeSpool
) -> None:
    def put_and_delete(thread: int) -> None:
        for number in range(30):
            with spooled(store, b"x") as spool:
                location = store.put(f"1.2/3.4/{thread}.{number}.dcm", spool).location
            assert store.read(location, 0, 9) == b"x"
            store.delete(location)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put_and_delete, range(4)))
    assert not list(store.list())


def test_deleting_the_last_object_removes_its_folders(
    store: ObjectStore, spooled: MakeSpool, root: Path, prefix: str
) -> None:
    with spooled(store, b"x") as spool:
        one, two = (store.put(f"1.2/{series}/x.dcm", spool).location for series in "12")
    store.delete(one)
    assert [path.name for path in (root / prefix / "1.2").iterdir()] == ["2"]
    store.delete(two)
    assert not (root / prefix / "1.2").exists()


@SIZES
def test_nothing_temporary_is_left_and_others_may_not_read(
    store: ObjectStore, spooled: MakeSpool, root: Path, size_bytes: int
) -> None:
    with spooled(store, content_of(size_bytes)) as spool:
        path = store.open_path(store.put(KEY, spool).location)
    assert path
    assert path.stat().st_nlink == 1
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o027 == 0
    assert [each.name for each in root.iterdir() if each.name != "space-a"] == [".incoming"]
    assert not list((root / ".incoming").iterdir())


def test_spool_on_another_filesystem_is_copied(store: ObjectStore, root: Path) -> None:
    elsewhere = Path("/dev/shm")
    assert elsewhere.stat().st_dev != root.parent.stat().st_dev
    content = content_of(700_000)
    with Spool(elsewhere, memory_bytes_max=1000, size_bytes_max=1_000_000) as spool:
        spool.write(content)
        location = store.put(KEY, spool).location
    assert store.read(location, 0, 1_000_000) == content


def test_links_are_not_followed_out_of_the_store(
    store: ObjectStore, spooled: MakeSpool, root: Path, tmp_path: Path, prefix: str
) -> None:
    (tmp_path / "outside").mkdir()
    (root / prefix).mkdir(parents=True)
    (root / prefix / "1.2.3").symlink_to(tmp_path / "outside")
    with spooled(store, b"x") as spool, pytest.raises(Misconfigured):
        store.put(KEY, spool)
    assert not list((tmp_path / "outside").iterdir())


def test_root_that_cannot_be_a_folder_is_misconfigured(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misconfigured):
        open_store("filesystem", {"root": "relative"}, "", tmp_path)
    store = open_store("filesystem", {"root": str(tmp_path / "file")}, "", tmp_path)
    with pytest.raises(Misconfigured):
        store.check()


def test_forked_process_uses_the_store_of_its_own(
    configuration: Configuration, store: ObjectStore, prefix: str
) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0 if configuration.open(prefix) is not store else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_many_stores_share_the_open_folders(tmp_path: Path, spooled: MakeSpool) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(OPEN_FOLDERS_MAX):
        root = tmp_path / f"root{number}"
        store = open_store("filesystem", {"root": str(root)}, "", tmp_path / "spool")
        store.put(KEY, spooled(store, b"content"))
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + OPEN_FOLDERS_MAX + 10
