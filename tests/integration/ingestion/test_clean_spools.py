"""Leftovers in a spool go, what is being written stays."""

import os
from pathlib import Path

import pytest

from ingestion.models import StorageSpace
from ingestion.object_stores.spool import Spool
from ingestion.use_cases.clean_spools import STALE_SECONDS, clean_spools
from ingestion.use_cases.storage_spaces import open_space_store
from tests.integration.dicomweb.web_process import running_web
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
    stale = stale_file(folder)
    assert clean_spools() == 1
    assert not stale.exists()


@pytest.mark.django_db(transaction=True)
def test_web_cleans_when_it_starts(folder_space: StorageSpace, tmp_path: Path) -> None:
    """No worker may run on its machine."""
    stale = stale_file(open_space_store(folder_space).spool_folder())
    with running_web(tmp_path):
        assert not stale.exists()


def stale_file(folder: Path) -> Path:
    stale = folder / ".incoming-stale"
    stale.touch()
    os.utime(stale, (0, 0))
    return stale
