"""The spool gives back every byte and the right hash, however the bytes arrived."""

import hashlib
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.errors import LimitExceeded
from ingestion.object_stores.spool import Spool, remove_stale_spool_files

CONTENT = st.binary(max_size=300)
CUTS = st.lists(st.integers(0, 300), max_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


def bytes_of(spool: Spool) -> bytes:
    content = spool.content()
    return content.read_bytes() if isinstance(content, Path) else bytes(content)


@given(
    content=CONTENT,
    cuts=CUTS,
    memory_bytes_max=st.integers(0, 310),
    hash_start=st.integers(0, 320),
    hash_after=st.integers(0, 9),
    other_start=st.integers(0, 320),
)
def test_split_anywhere_gives_the_same_bytes_and_hash(
    folder: Path,
    content: bytes,
    cuts: list[int],
    memory_bytes_max: int,
    hash_start: int,
    hash_after: int,
    other_start: int,
) -> None:
    pieces = [content[a:b] for a, b in pairwise(sorted({0, *cuts, len(content)}))]
    with Spool(folder, memory_bytes_max=memory_bytes_max, size_bytes_max=300) as spool:
        for number, piece in enumerate(pieces):
            if number == hash_after:
                spool.hash_from(hash_start)
            reused = bytearray(piece)
            spool.write(memoryview(reused))
            reused[:] = bytes(len(reused))
        assert spool.size_bytes == len(content)
        assert isinstance(spool.content(), Path) == (len(content) > memory_bytes_max)
        assert bytes_of(spool) == content
        assert spool.read_at(0, 400) == content
        for start in (hash_start, other_start):
            assert spool.sha256(start) == hashlib.sha256(content[start:]).digest()
            assert spool.read_at(start, 7) == content[start : start + 7]
    assert not list(folder.iterdir())


@pytest.mark.parametrize("memory_bytes_max", [0, 100])
def test_limit_is_exact_and_leaves_what_was_taken(folder: Path, memory_bytes_max: int) -> None:
    with Spool(folder, memory_bytes_max=memory_bytes_max, size_bytes_max=10) as spool:
        spool.write(b"0123456789")
        with pytest.raises(LimitExceeded):
            spool.write(b"x")
        assert bytes_of(spool) == b"0123456789"


def test_file_is_private_and_removed_at_close(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "when needed"
    spool = Spool(folder, memory_bytes_max=1, size_bytes_max=100)
    spool.write(b"bytes")
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o137 == 0
    spool.close()
    spool.close()
    assert not list(folder.iterdir())


def test_only_old_leftovers_are_removed(tmp_path: Path) -> None:
    assert remove_stale_spool_files(tmp_path / "missing", older_than_seconds=0) == 0
    (tmp_path / "of somebody else").write_bytes(b"")
    os.utime(tmp_path / "of somebody else", (0, 0))
    with (
        Spool(tmp_path, memory_bytes_max=0, size_bytes_max=9) as old,
        Spool(tmp_path, memory_bytes_max=0, size_bytes_max=9) as fresh,
    ):
        old.write(b"old")
        fresh.write(b"fresh")
        old_path, fresh_path = old.content(), fresh.content()
        assert isinstance(old_path, Path)
        assert isinstance(fresh_path, Path)
        os.utime(old_path, (0, 0))
        assert remove_stale_spool_files(tmp_path, older_than_seconds=60) == 1
        assert not old_path.exists()
        assert fresh_path.read_bytes() == b"fresh"
    assert [path.name for path in tmp_path.iterdir()] == ["of somebody else"]
