"""Leftovers in a spool go, what is being written stays."""

import os

from ingestion.models import StorageSpace
from ingestion.object_stores.spool import Spool
from ingestion.use_cases.clean_spools import STALE_SECONDS, clean_spools
from ingestion.use_cases.storage_spaces import open_space_store


def test_only_stale_files_are_removed(folder_space: StorageSpace) -> None:
    folder = open_space_store(folder_space).spool_folder()
    with Spool(folder, memory_bytes_max=0, size_bytes_max=100) as spool:
        spool.write(b"arriving")
        (arriving,) = folder.iterdir()
        assert clean_spools() == 0
        os.utime(arriving, (0, arriving.stat().st_mtime - STALE_SECONDS - 60))
        assert clean_spools() == 1
        assert not arriving.exists()
