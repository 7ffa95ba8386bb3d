"""What killed processes left in the spools of this machine: removed once it is surely dead."""

import structlog

from ingestion.errors import IngestionError
from ingestion.models import StorageSpace
from ingestion.object_stores.spool import remove_stale_spool_files
from ingestion.use_cases.storage_spaces import open_space_store

log = structlog.get_logger(__name__)

STALE_SECONDS = 24 * 3600.0  # far longer than any object takes to arrive


def clean_spools() -> int:
    """Remove spool files that nobody wrote to for a day. Returns how many.

    A space whose spool cannot be cleaned is logged and holds up no other.
    """
    removed = 0
    for space in StorageSpace.objects.all():
        try:
            folder = open_space_store(space).spool_folder()
            removed += remove_stale_spool_files(folder, STALE_SECONDS)
        except IngestionError as error:
            log.error("a spool cannot be cleaned", storage_space=space.slug, code=error.code)
    return removed
