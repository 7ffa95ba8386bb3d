"""Objects that no instance points at: kept until their space's retention ends, then removed.

A sender may bring the same bytes back at the moment of removal. The row of the retired
object decides: whoever locks it first wins, and the other sees what was done.
"""

from datetime import timedelta

from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from ingestion.errors import DatabaseUnavailable, ObjectMissing
from ingestion.models import HeaderDocument, Instance, Outcome, Receipt, RetiredObject, StorageSpace
from ingestion.object_stores.protocol import ObjectStore, StoredObject
from ingestion.use_cases.storage_spaces import open_space_store

GRACE = timedelta(days=1)


def keep_existing_object(
    space: StorageSpace, store: ObjectStore, sop_instance_uid: str, stored: StoredObject
) -> bool:
    """Make sure that an object found in place stays. False: it is gone, put it again.

    Raises `DatabaseUnavailable`.
    """
    try:
        RetiredObject.objects.filter(
            storage_space=space, sop_instance_uid=sop_instance_uid, location=stored.location
        ).update(removable_at=Now() + GRACE)
    except DatabaseError as error:
        raise DatabaseUnavailable("the database did not confirm") from error
    try:
        return store.size(stored.location) == stored.size_bytes
    except ObjectMissing:
        return False


def remove_retired_objects(*, limit: int = 500) -> int:
    """Remove objects whose retention has ended. Returns how many rows were settled.

    An object that an instance or an undecided receipt points at is left alone.
    """
    settled = 0
    while settled < limit and _remove_one():
        settled += 1
    return settled


def _remove_one() -> bool:
    with transaction.atomic():
        retired = (
            RetiredObject.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("storage_space")
            .filter(removable_at__lte=Now())
            .order_by("removable_at")
            .first()
        )
        if retired is None:
            return False
        if not _is_needed(retired):
            open_space_store(retired.storage_space).delete(retired.location)
            _remove_document(retired)
        retired.delete()
    return True


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


def _remove_document(retired: RetiredObject) -> None:
    if retired.document_id is not None:
        in_use = Instance.objects.filter(document_id=OuterRef("pk"))
        HeaderDocument.objects.filter(~Exists(in_use), pk=retired.document_id).delete()
