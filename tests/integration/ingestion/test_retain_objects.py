"""Objects that nobody points at go when their time has come; nothing that is needed goes."""

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pydicom.dataset import Dataset

from ingestion.errors import ObjectMissing
from ingestion.models import (
    HeaderDocument,
    Instance,
    Receipt,
    RetiredObject,
    SenderKind,
    StorageSpace,
    Study,
)
from ingestion.use_cases.commit_receipts import commit_receipts
from ingestion.use_cases.delete_entities import delete_entities
from ingestion.use_cases.register_receipts import register_pending_receipts
from ingestion.use_cases.retain_objects import remove_retired_objects
from ingestion.use_cases.retrieve_instances import Address
from ingestion.use_cases.search_manifest import Scope
from ingestion.use_cases.storage_spaces import open_space_store
from ingestion.use_cases.store_instance import Sender, StoredInstance, receive_file
from tests.builders import build_ct, new_uid, part10_bytes
from tests.receipts import make_receipt, make_space

pytestmark = pytest.mark.django_db

SENDER = Sender(kind=SenderKind.STOW, conversation_id="r1")


class Versions:
    """Different bytes under one SOP Instance UID."""

    def __init__(self, space: StorageSpace) -> None:
        self._space = space
        self._study, self._series, self._sop = new_uid(), new_uid(), new_uid()

    def store(self, patient_name: str) -> StoredInstance:
        """Make a version durable; its receipt is not committed yet."""
        with receive_file(self._space, SENDER) as incoming:
            incoming.write(part10_bytes(self._version(patient_name)))
            return incoming.store()

    def register(self, patient_name: str) -> StoredInstance:
        """Bring a version into the manifest."""
        stored = self.store(patient_name)
        commit_receipts([stored])
        while register_pending_receipts():
            pass
        return stored

    def _version(self, patient_name: str) -> Dataset:
        return build_ct(
            study_instance_uid=self._study,
            series_instance_uid=self._series,
            sop_instance_uid=self._sop,
            patient_name=patient_name,
        )


def end_retention() -> None:
    RetiredObject.objects.update(removable_at=Now() - timedelta(seconds=1))


def is_there(space: StorageSpace, stored: StoredInstance) -> bool:
    try:
        return bool(open_space_store(space).size(stored.location))
    except ObjectMissing:
        return False


def test_superseded_object_stays_until_retention_ends(folder_space: StorageSpace) -> None:
    versions = Versions(folder_space)
    old, new = versions.register("First"), versions.register("Second")
    assert remove_retired_objects() == 0
    assert is_there(folder_space, old)
    end_retention()
    assert remove_retired_objects() == 1
    assert not is_there(folder_space, old)
    assert is_there(folder_space, new)
    assert not RetiredObject.objects.exists()


def test_version_that_came_back_stays(folder_space: StorageSpace) -> None:
    versions = Versions(folder_space)
    first = versions.register("First")
    versions.register("Second")
    again = versions.register("First")
    assert again.location == first.location == Instance.objects.get().location
    end_retention()
    remove_retired_objects()
    assert is_there(folder_space, first)


def test_object_found_in_place_stays_until_its_receipt_can_be_committed(
    folder_space: StorageSpace,
) -> None:
    versions = Versions(folder_space)
    versions.register("First")
    versions.register("Second")
    end_retention()
    found = versions.store("First")
    assert remove_retired_objects() == 0
    commit_receipts([found])
    end_retention()
    remove_retired_objects()
    assert is_there(folder_space, found)


@pytest.mark.parametrize("duplicate_policy", ["replace", "keep_first"])
def test_retention_of_no_days_leaves_time_to_commit_what_was_found_in_place(
    folder_space: StorageSpace, duplicate_policy: str
) -> None:
    """Between finding an object in place and committing the receipt it may be retired."""
    folder_space.retention_days = 0
    folder_space.duplicate_policy = duplicate_policy
    folder_space.save()
    versions = Versions(folder_space)
    versions.register("First")
    found = versions.store("First" if duplicate_policy == "replace" else "Second")
    versions.register("Second")
    assert remove_retired_objects() == 0
    assert is_there(folder_space, found)
    assert RetiredObject.objects.get().removable_at > timezone.now() + timedelta(hours=23)


def test_documents_leave_with_their_version_and_without_a_scan(
    folder_space: StorageSpace,
) -> None:
    versions = Versions(folder_space)
    for patient_name in ("First", "Second", "First"):
        versions.register(patient_name)
    assert HeaderDocument.objects.count() == 3
    end_retention()
    with CaptureQueriesContext(connection) as queries:
        remove_retired_objects()
    assert HeaderDocument.objects.get().pk == Instance.objects.get().document_id
    written = [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
    assert not [sql for sql in written if "document_id" in sql], "no index finds these rows"


def test_space_whose_store_fails_holds_up_no_other(
    folder_space: StorageSpace, tmp_path: Path
) -> None:
    (tmp_path / "a file").touch()
    broken = make_space(
        "broken", backend="filesystem", options={"root": str(tmp_path / "a file"), "no": "such"}
    )
    make_receipt(broken, content=b"old")
    register_pending_receipts()
    make_receipt(broken, content=b"new")
    register_pending_receipts()
    versions = Versions(folder_space)
    old = versions.register("First")
    versions.register("Second")
    end_retention()
    RetiredObject.objects.filter(storage_space=broken).update(
        removable_at=Now() - timedelta(days=1)
    )
    remove_retired_objects()
    assert not is_there(folder_space, old)
    left = RetiredObject.objects.get()
    assert left.storage_space == broken
    assert left.removable_at > timezone.now(), "tried again, later"


@pytest.mark.django_db(transaction=True)
def test_restart_of_the_database_fails_no_object_that_is_there_already(
    folder_space: StorageSpace,
) -> None:
    """Association threads keep their connection, and no request begins that would check it."""
    versions = Versions(folder_space)
    first = versions.register("First")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    other = connection.copy()
    with closing(other), other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
    assert versions.store("First").location == first.location
    assert Receipt.objects.count() == 1


def delete(space: StorageSpace) -> None:
    study = Study.objects.get().study_instance_uid
    delete_entities(Address(Scope((space.pk,)), study), principal="tester")


def test_deleted_object_leaves_with_its_header_when_retention_ends(
    folder_space: StorageSpace,
) -> None:
    folder_space.retention_days = 0
    folder_space.save()
    stored = Versions(folder_space).register("First")
    delete(folder_space)
    assert remove_retired_objects() == 0, "a sender may be about to commit the same bytes"
    assert is_there(folder_space, stored)
    end_retention()
    assert remove_retired_objects() == 1
    assert not is_there(folder_space, stored)
    assert not RetiredObject.objects.exists()
    assert not HeaderDocument.objects.exists()
    assert not Instance.objects.exists()


def test_deleted_object_that_was_stored_again_stays(folder_space: StorageSpace) -> None:
    versions = Versions(folder_space)
    first = versions.register("First")
    delete(folder_space)
    again = versions.register("First")
    assert again.location == first.location
    end_retention()
    remove_retired_objects()
    assert is_there(folder_space, again)
    assert Instance.objects.get().deleted_at is None
    assert HeaderDocument.objects.get().pk == Instance.objects.get().document_id


def test_deleted_object_comes_back_after_it_was_removed(folder_space: StorageSpace) -> None:
    versions = Versions(folder_space)
    versions.register("First")
    delete(folder_space)
    end_retention()
    remove_retired_objects()
    again = versions.register("First")
    assert is_there(folder_space, again)
    study = Study.objects.get()
    assert (study.number_of_series, study.number_of_instances, study.deleted_at) == (1, 1, None)
