"""Leftovers in a spool go, what is being written stays."""

import os
from pathlib import Path

from ingestion.models import StorageSpace
from ingestion.object_stores.spool import Spool
from ingestion.use_cases.clean_spools import STALE_SECONDS, clean_spools
from ingestion.use_cases.storage_spaces import open_space_store
from tests.receipts import make_space


def test_only_stale_files_are_removed(folder_space: StorageSpace) -> None:
    folder = open_space_store(folder_space).spool_folder()
    with Spool(folder, memory_bytes_max=0, size_bytes_max=100) as spool:
        spool.write(b"arriving")
        (arriving,) = folder.iterdir()
        assert clean_spools() == 0
        os.utime(arriving, (0, arriving.stat().st_mtime - STALE_SECONDS - 60))
        assert clean_spools() == 1
        assert not arriving.exists()


def test_space_without_a_store_keeps_no_other_from_being_cleaned(
    folder_space: StorageSpace, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    make_space("a", options={})
    make_space("z", options={"root": str(tmp_path / "file" / "below")})
    folder = open_space_store(folder_space).spool_folder()
    stale = folder / ".incoming-stale"
    stale.touch()
    os.utime(stale, (0, 0))
    assert clean_spools() == 1
    assert not stale.exists()
