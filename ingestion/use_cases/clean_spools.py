"""What killed processes left in the spools of this machine: removed once it is surely dead."""

from ingestion.models import StorageSpace
from ingestion.object_stores.spool import remove_stale_spool_files
from ingestion.use_cases.storage_spaces import open_space_store

STALE_SECONDS = 24 * 3600.0  # far longer than any object takes to arrive


def clean_spools() -> int:
    """Remove spool files that nobody wrote to for a day. Returns how many.

    Raises `Misconfigured` when a space's store cannot be opened.
    """
    folders = {open_space_store(space).spool_folder() for space in StorageSpace.objects.all()}
    return sum(remove_stale_spool_files(folder, STALE_SECONDS) for folder in folders)
