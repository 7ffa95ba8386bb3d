"""What killed processes left in the spools of this machine: removed once it is surely dead.

A worker on another machine sees no spool of this one, so whoever spools here cleans here too.
"""

from pathlib import Path

import structlog
from django.db import connections

from ingestion.database import database_answers
from ingestion.errors import DatabaseUnavailable, IngestionError
from ingestion.models import StorageSpace
from ingestion.object_stores.spool import remove_stale_spool_files
from ingestion.use_cases.storage_spaces import space_spool_folder

log = structlog.get_logger(__name__)

STALE_SECONDS = 24 * 3600.0  # far longer than any object takes to arrive


def clean_spools() -> int:
    """Remove spool files that nobody wrote to for a day. Returns how many.

    A space whose spool cannot be cleaned is logged and holds up no other.
    Raises `DatabaseUnavailable`.
    """
    with database_answers():
        spaces = list(StorageSpace.objects.all())
    cleaned: set[Path] = set()
    removed = 0
    for space in spaces:
        try:
            folder = space_spool_folder(space)
            if folder not in cleaned:
                cleaned.add(folder)
                removed += remove_stale_spool_files(folder, STALE_SECONDS)
        except IngestionError as error:
            log.error("a spool cannot be cleaned", storage_space=space.slug, code=error.code)
    return removed


def clean_spools_at_start() -> None:
    """Clean before this process takes work; without a database it takes work all the same.

    Leaves no connection open: forks may follow.
    """
    try:
        removed = clean_spools()
    except DatabaseUnavailable as error:
        log.warning("spools are cleaned another time", code=error.code, reason=str(error))
    else:
        if removed:
            log.info("spools were cleaned", files=removed)
    finally:
        connections.close_all()
