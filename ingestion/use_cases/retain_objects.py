"""Objects that no instance points at: kept until their space's retention ends, then removed.

A sender may bring the same bytes back at the moment of removal. The row of the retired
object decides: whoever locks it first wins, and the other sees what was done.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta

import structlog
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now

from ingestion.errors import DatabaseUnavailable, IngestionError, ObjectMissing
from ingestion.models import HeaderDocument, Instance, Outcome, Receipt, RetiredObject, StorageSpace
from ingestion.object_stores.protocol import ObjectStore, StoredObject
from ingestion.use_cases.storage_spaces import open_space_store

BorrowDatabase = Callable[[], AbstractContextManager[BaseDatabaseWrapper]]

log = structlog.get_logger(__name__)

# An object that is found in place is not removed before its receipt can be committed.
POSTPONE_REMOVAL = f"""
UPDATE {RetiredObject._meta.db_table} SET removable_at = now() + interval '1 day'
WHERE storage_space_id = %s AND sop_instance_uid = %s AND location = %s
"""  # noqa: S608  # constants
REPEAT_AFTER = timedelta(hours=1)


@contextmanager
def own_database() -> Iterator[BaseDatabaseWrapper]:
    """The connection of this thread, which stays open until its request or task has ended."""
    yield connection


def keep_existing_object(
    space: StorageSpace,
    store: ObjectStore,
    sop_instance_uid: str,
    *,
    stored: StoredObject,
    borrow_database: BorrowDatabase = own_database,
) -> bool:
    """Make sure that an object found in place stays. False: it is gone, put it again.

    Raises `DatabaseUnavailable`.
    """
    try:
        with borrow_database() as database:
            _leave_broken_connection(database)
            with database.cursor() as cursor:
                cursor.execute(POSTPONE_REMOVAL, [space.pk, sop_instance_uid, stored.location])
    except (DatabaseError, InterfaceError) as error:
        raise DatabaseUnavailable("the database did not confirm") from error
    try:
        return store.size(stored.location) == stored.size_bytes
    except ObjectMissing:
        return False


def remove_retired_objects(*, limit: int = 500) -> int:
    """Remove objects whose retention has ended. Returns how many rows were looked at.

    An object that an instance or an undecided receipt points at is left alone. One whose store
    fails is tried again later and holds up no other.
    """
    settled = 0
    while settled < limit and _settle_next():
        settled += 1
    return settled


def _leave_broken_connection(database: BaseDatabaseWrapper) -> None:
    """Associations have no request whose begin would check the connection."""
    if not database.in_atomic_block:
        database.close_if_unusable_or_obsolete()


def _settle_next() -> bool:
    with transaction.atomic():
        retired = (
            RetiredObject.objects.select_for_update(skip_locked=True)
            .filter(removable_at__lte=Now())
            .order_by("removable_at")
            .first()
        )
        if retired is None:
            return False
        try:
            _remove(retired)
        except IngestionError as error:
            log.error("a retired object cannot be removed", retired=retired.pk, code=error.code)
            retired.removable_at = Now() + REPEAT_AFTER
            retired.save(update_fields=["removable_at"])
    return True


def _remove(retired: RetiredObject) -> None:
    """Remove the row with its tombstone and document, and the object unless it is needed."""
    if not _is_needed(retired):
        open_space_store(retired.storage_space).delete(retired.location)
    document_id = retired.document_id
    if retired.reason == RetiredObject.Reason.DELETED:
        # Nothing refers to it but its document, unless it came back: then it is none any more.
        tombstone = Instance.objects.filter(document_id=document_id, deleted_at__isnull=False)
        tombstone._raw_delete(tombstone.db)
    if document_id and not Instance.objects.filter(document_id=document_id).exists():
        # As SQL: Django would look through all receipts and studies that might refer to it.
        document = HeaderDocument.objects.filter(pk=document_id)
        document._raw_delete(document.db)
    retired.delete()


def _is_needed(retired: RetiredObject) -> bool:
    same = {
        "storage_space_id": retired.storage_space_id,
        "sop_instance_uid": retired.sop_instance_uid,
        "location": retired.location,
    }
    undecided = (Outcome.PENDING, Outcome.FAILED, Outcome.QUARANTINED)
    return (
        Instance.objects.filter(**same, deleted_at__isnull=True).exists()
        or Receipt.objects.filter(**same, outcome__in=undecided).exists()
        or RetiredObject.objects.filter(**same).exclude(pk=retired.pk).exists()
    )
