"""Deletion: gone at once, told exactly once, and back when it is stored again."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext

from ingestion.errors import HeldInSeveralSpaces, NotFound
from ingestion.models import (
    AttributeConflict,
    Event,
    EventType,
    HeaderDocument,
    Instance,
    InstanceChange,
    Receipt,
    RetiredObject,
    Series,
    StorageSpace,
    Study,
    StudyRevision,
)
from ingestion.use_cases.delete_entities import Deleted, delete_entities
from ingestion.use_cases.describe_event import describe_event
from ingestion.use_cases.register_receipts import register_pending_receipts
from ingestion.use_cases.retrieve_instances import Address
from ingestion.use_cases.revise_studies import revise_due_studies
from ingestion.use_cases.search_manifest import Scope
from tests.receipts import make_receipt, make_space

pytestmark = pytest.mark.django_db(transaction=True)

MR = "1.2.840.10008.5.1.4.1.1.4"


def received(space: StorageSpace, *receipts: dict[str, Any]) -> None:
    for fields in receipts:
        make_receipt(space, **fields)
    while register_pending_receipts():
        pass


def deleted(
    *spaces: StorageSpace, study: str = "1.2.3", series: str = "", sop: str = ""
) -> Deleted:
    scope = Scope(tuple(space.pk for space in spaces))
    return delete_entities(Address(scope, study, series, sop), principal="tester")


@pytest.fixture
def two_series() -> StorageSpace:
    """Two CT in one series, one MR in another, revised as revision 0."""
    space = make_space()
    received(
        space,
        {"sop": "1", "size_bytes": 10},
        {"sop": "2", "size_bytes": 20},
        {"sop": "3", "size_bytes": 30, "series": "1.2.3.2", "modality": "MR", "sop_class_uid": MR},
    )
    revise_due_studies()
    return space


def test_instance_leaves_its_study_counted_anew(two_series: StorageSpace) -> None:
    answer = deleted(two_series, series="1.2.3.1", sop="2")
    assert answer == Deleted("main", series=1, instances=1, study_remains=True)
    study = Study.objects.get()
    assert (study.number_of_series, study.number_of_instances, study.size_bytes) == (2, 2, 40)
    assert study.deleted_at is None
    assert Series.objects.get(series_instance_uid="1.2.3.1").number_of_instances == 1
    assert Instance.objects.get(sop_instance_uid="2").deleted_at is not None


def test_series_that_loses_its_last_instance_goes_with_its_modality(
    two_series: StorageSpace,
) -> None:
    deleted(two_series, series="1.2.3.2", sop="3")
    study, series = Study.objects.get(), Series.objects.get(series_instance_uid="1.2.3.2")
    assert series.deleted_at is not None
    assert series.number_of_instances == 0
    assert (study.modalities, study.number_of_series) == (["CT"], 1)
    assert MR not in study.sop_classes


def test_study_leaves_a_tombstone_and_one_last_revision(two_series: StorageSpace) -> None:
    answer = deleted(two_series)
    assert answer == Deleted("main", series=2, instances=3, study_remains=False)
    study = Study.objects.get()
    assert study.deleted_at is not None
    assert (study.number_of_series, study.number_of_instances, study.size_bytes) == (0, 0, 0)
    assert not Series.objects.filter(deleted_at=None).exists()
    assert revise_due_studies() == 1
    last = StudyRevision.objects.get(number=1)
    assert sorted(last.deletions) == ["1.2.3.1/1", "1.2.3.1/2", "1.2.3.2/3"]
    assert last.additions == last.modifications == []
    assert revise_due_studies() == 0
    told = describe_event(Event.objects.filter(type=EventType.STUDY_REVISION).latest("id"))
    assert told["study"]["series"] == []


def test_quiet_period_and_longest_wait_hold_for_deletions_too() -> None:
    space = make_space(quiet_seconds=30, max_wait_seconds=40)
    received(space, {"sop": "1"}, {"sop": "2"})
    Study.objects.update(changes_since=None, settles_at=None)
    deleted(space, series="1.2.3.1", sop="1")
    study = Study.objects.get()
    assert study.settles_at is not None
    assert study.changes_since is not None
    assert (study.settles_at - study.changes_since).total_seconds() == 30
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ingestion_study SET changes_since = now() - interval '35 seconds'")
    deleted(space, series="1.2.3.1", sop="2")
    study = Study.objects.get()
    assert study.settles_at is not None
    assert study.changes_since is not None
    assert (study.settles_at - study.changes_since).total_seconds() == 40


def test_what_came_and_went_is_told_by_its_own_event_only() -> None:
    space = make_space()
    received(space, {"sop": "1"})
    deleted(space)
    revise_due_studies()
    assert not StudyRevision.objects.exists()
    assert Event.objects.filter(type=EventType.DICOM_DELETED).count() == 1


@pytest.mark.parametrize(
    ("uids", "level", "path", "counts"),
    [
        ({}, "study", "", (2, 3, False)),
        ({"series": "1.2.3.1"}, "series", "/series/1.2.3.1", (1, 2, True)),
        (
            {"series": "1.2.3.1", "sop": "1"},
            "instance",
            "/series/1.2.3.1/instances/1",
            (1, 1, True),
        ),
    ],
)
def test_one_event_tells_level_place_and_counts(
    two_series: StorageSpace,
    uids: dict[str, str],
    level: str,
    path: str,
    counts: tuple[int, int, bool],
) -> None:
    deleted(two_series, **uids)
    event = Event.objects.get(type=EventType.DICOM_DELETED)
    told = describe_event(event)
    assert told["provider"] == "Main"
    assert told["level"] == level
    assert told["endpoint"].endswith(f"/dicomweb/spaces/main/studies/1.2.3{path}")
    assert told["externalEndpoint"] == told["endpoint"]
    assert told["studyInstanceUID"] == "1.2.3"
    assert told.get("seriesInstanceUID", "") == uids.get("series", "")
    assert told.get("sopInstanceUID", "") == uids.get("sop", "")
    assert (told["deletedSeries"], told["deletedInstances"], told["studyRemains"]) == counts
    assert event.modalities == (["CT", "MR"] if level == "study" else ["CT"])


def test_revision_is_selected_also_by_what_it_tells_as_deleted(two_series: StorageSpace) -> None:
    deleted(two_series, series="1.2.3.2")
    revise_due_studies()
    event = Event.objects.filter(type=EventType.STUDY_REVISION).latest("id")
    assert event.modalities == ["CT", "MR"]
    assert MR in event.sop_classes


def test_repeat_and_unknown_are_not_found_and_change_nothing(two_series: StorageSpace) -> None:
    deleted(two_series, series="1.2.3.1", sop="1")
    events, study = Event.objects.count(), Study.objects.values().get()
    for uids in (
        {"series": "1.2.3.1", "sop": "1"},
        {"series": "1.2.3.2", "sop": "2"},  # of another series
        {"series": "1.9"},
        {"study": "1.9"},
        {"study": "not-a-uid"},
    ):
        with pytest.raises(NotFound):
            deleted(two_series, **uids)
    assert Event.objects.count() == events
    assert Study.objects.values().get() == study


def test_space_outside_the_scope_is_never_reached(two_series: StorageSpace) -> None:
    with pytest.raises(NotFound):
        deleted(make_space("other"))
    assert Instance.objects.filter(deleted_at=None).count() == 3


def test_what_several_spaces_hold_needs_a_space_named(two_series: StorageSpace) -> None:
    other = make_space("other")
    received(other, {"sop": "1"})
    with pytest.raises(HeldInSeveralSpaces, match="main, other"):
        deleted(two_series, other)
    deleted(two_series, other, series="1.2.3.2")  # held by one of them only
    deleted(other)
    assert Instance.objects.filter(deleted_at=None, storage_space=two_series).count() == 2


def test_bytes_are_retired_until_retention_ends(two_series: StorageSpace) -> None:
    deleted(two_series, series="1.2.3.1")
    retired = RetiredObject.objects.all()
    assert {row.reason for row in retired} == {"deleted"}
    assert {(row.removable_at - row.retired_at).days for row in retired} == {30}
    documents = [row.document_id for row in retired if row.document_id]
    assert HeaderDocument.objects.filter(pk__in=documents).count() == 2


@pytest.mark.parametrize("content", [b"content", b"other bytes"])
def test_instance_that_is_stored_again_comes_back(two_series: StorageSpace, content: bytes) -> None:
    deleted(two_series)
    received(two_series, {"sop": "1", "size_bytes": 10, "content": content})
    study = Study.objects.get()
    assert study.deleted_at is None
    counts = (study.number_of_series, study.number_of_instances, study.size_bytes)
    assert counts == (1, 1, 10)
    assert (study.modalities, study.sop_classes) == (["CT"], ["1.2.840.10008.5.1.4.1.1.2"])
    revise_due_studies()
    last = StudyRevision.objects.latest("number")
    assert (last.number, last.modifications) == (1, ["1.2.3.1/1"])
    assert sorted(last.deletions) == ["1.2.3.1/2", "1.2.3.2/3"]


def test_attributes_are_those_of_what_is_left() -> None:
    space = make_space()
    received(space, {"sop": "1", "patient_name": "Right", "series_description": "First"})
    received(space, {"sop": "2", "patient_name": "Wrong", "series_description": "Second"})
    deleted(space, series="1.2.3.1", sop="2")
    study, series = Study.objects.get(), Series.objects.get()
    assert (study.patient_name, series.series_description) == ("Right", "First")
    left = Instance.objects.get(deleted_at=None).document_id
    assert study.document_id == series.document_id == left


def test_deleted_study_lends_nothing_to_the_one_that_follows() -> None:
    space = make_space()
    received(space, {"sop": "1", "patient_name": "Wrong", "accession_number": "A-1"})
    received(space, {"sop": "2", "patient_name": "Wronger"})
    assert AttributeConflict.objects.exists()
    deleted(space)
    received(space, {"sop": "3", "patient_name": "Right"})
    study = Study.objects.get()
    assert (study.patient_name, study.accession_number) == ("Right", "")
    assert not AttributeConflict.objects.exists()


def test_large_study_takes_no_more_statements_than_a_small_one() -> None:
    space = make_space()

    def statements(number: int) -> int:
        for sop in range(number):
            make_receipt(space, sop=f"9.{sop}", series=f"1.2.3.{sop % 3}")
        while register_pending_receipts():
            pass
        with CaptureQueriesContext(connection) as queries:
            assert deleted(space).instances == number
        return len([query for query in queries if "SAVEPOINT" not in query["sql"]])

    assert statements(1) == statements(60)


@pytest.mark.parametrize("seed", range(3))
def test_stores_and_deletions_of_one_study_at_once_lose_nothing(seed: int) -> None:
    space = make_space()
    received(space, *({"sop": f"1.{n}", "series": f"2.{n % 3}"} for n in range(12)))
    for n in range(40):
        content = f"content {n % 3}".encode()
        make_receipt(space, sop=f"1.{(n * 7 + seed) % 20}", series=f"2.{(n * 7 + seed) % 20 % 3}",
                     content=content)  # fmt: skip

    at_once(
        partial(repeated, partial(register_pending_receipts, limit=3), 30),
        partial(repeated, partial(register_pending_receipts, limit=3), 30),
        partial(delete_here_and_there, space, seed),
        partial(delete_here_and_there, space, seed),
        partial(repeated, revise_due_studies, 20),
    )
    while register_pending_receipts() or revise_due_studies():
        pass
    assert not Receipt.objects.filter(outcome__in=("pending", "failed")).exists()
    assert_counted(Study.objects.get())
    assert_told()


def at_once(*works: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def repeated(work: Callable[[], int], times: int) -> None:
    for _ in range(times):
        work()
    connection.close()


def delete_here_and_there(space: StorageSpace, seed: int) -> None:
    """Instances mostly, and a whole series now and then."""
    for n in range(20):
        number = (n * 3 + seed) % 20
        with suppress(NotFound):
            deleted(space, series=f"2.{number % 3}", sop=f"1.{number}" if n % 5 else "")
    connection.close()


def assert_counted(study: Study) -> None:
    """The counters are what the rows say."""
    held = Instance.objects.filter(series__study=study, deleted_at=None)
    assert study.number_of_instances == held.count()
    assert study.number_of_series == held.values("series").distinct().count()
    assert study.size_bytes == (held.aggregate(total=Sum("size_bytes"))["total"] or 0)
    for series in Series.objects.filter(study=study):
        assert series.number_of_instances == held.filter(series=series).count()
        assert (series.deleted_at is None) == (series.number_of_instances > 0)


def assert_told() -> None:
    """Whoever follows the revisions holds what the manifest holds."""
    known: set[str] = set()
    for revision in StudyRevision.objects.order_by("number"):
        assert known.isdisjoint(revision.additions)
        assert known >= {*revision.modifications, *revision.deletions}
        known |= set(revision.additions)
        known -= set(revision.deletions)
    held = Instance.objects.filter(deleted_at=None).values_list(
        "series__series_instance_uid", "sop_instance_uid"
    )
    assert known == {"/".join(pair) for pair in held}
    assert not InstanceChange.objects.filter(revision=None).exists()
