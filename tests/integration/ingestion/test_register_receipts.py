"""From receipts to the manifest: every outcome, counters, conflicts, events."""

import threading
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext

from ingestion.models import (
    AttributeConflict,
    Event,
    HeaderDocument,
    Instance,
    InstanceChange,
    Outcome,
    Receipt,
    RetiredObject,
    Series,
    Study,
)
from ingestion.use_cases.register_receipts import (
    register_pending_receipts,
    register_receipts,
    retry_receipt,
)
from ingestion.use_cases.registration_statements import CLAIM
from tests.receipts import make_receipt, make_space

pytestmark = pytest.mark.django_db


def register_all() -> None:
    while register_pending_receipts():
        pass


def outcome(receipt_id: UUID) -> str:
    return Receipt.objects.get(pk=receipt_id).outcome


def test_receipts_become_study_series_and_instances_with_counters() -> None:
    space = make_space()
    make_receipt(space, sop="1.1", size_bytes=10, modality="CT", study_date="20200101")
    make_receipt(space, sop="1.2", size_bytes=20, modality="CT")
    make_receipt(space, series="1.2.3.2", sop="2.1", size_bytes=30, modality="MR")

    register_all()

    study = Study.objects.get()
    assert (study.number_of_series, study.number_of_instances, study.size_bytes) == (2, 3, 60)
    assert study.modalities == ["CT", "MR"]
    assert study.study_date == "20200101"
    assert study.settles_at is not None
    assert sorted(Series.objects.values_list("number_of_instances", flat=True)) == [1, 2]
    assert Instance.objects.count() == 3
    assert set(Receipt.objects.values_list("outcome", flat=True)) == {Outcome.REGISTERED}


def test_counters_grow_over_batches() -> None:
    space = make_space()
    for sop in ("1", "2", "3", "4", "5"):
        make_receipt(space, sop=sop, size_bytes=10)
    while register_pending_receipts(limit=2):
        pass
    study = Study.objects.get()
    assert (study.number_of_series, study.number_of_instances, study.size_bytes) == (1, 5, 50)
    assert Series.objects.get().number_of_instances == 5


def test_each_registered_instance_has_exactly_one_event_and_one_change() -> None:
    space = make_space()
    make_receipt(space, sop="1", calling_ae_title="CT1")
    make_receipt(space, sop="2")
    register_all()
    events = Event.objects.order_by("id")
    assert [event.sop_instance_uid for event in events] == ["1", "2"]
    first = events[0]
    assert first.type == "DicomAvailableEvent"
    assert first.calling_ae_title == "CT1"
    assert first.modalities == ["CT"]
    assert first.data["change"] == "addition"
    assert first.data["sha256"] == Receipt.objects.get(sop_instance_uid="1").data_set_sha256.hex()
    assert InstanceChange.objects.filter(kind="addition", revision=None).count() == 2


@pytest.mark.parametrize("same_batch", [True, False])
def test_repeated_store_of_same_bytes_adds_no_event(same_batch: bool) -> None:
    space = make_space()
    first = make_receipt(space)
    if not same_batch:
        register_all()
    second, third = make_receipt(space), make_receipt(space)
    register_all()
    assert [outcome(first), outcome(second), outcome(third)] == [
        Outcome.REGISTERED,
        Outcome.DUPLICATE,
        Outcome.DUPLICATE,
    ]
    assert Event.objects.count() == InstanceChange.objects.count() == 1
    assert Study.objects.get().number_of_instances == 1
    assert HeaderDocument.objects.count() == 1


def test_duplicate_that_rests_elsewhere_is_retired() -> None:
    space = make_space()
    make_receipt(space, location="here")
    make_receipt(space, location="here")
    make_receipt(space, location="there")
    register_all()
    assert RetiredObject.objects.values_list("location", "reason").get() == ("there", "duplicate")


@pytest.mark.parametrize("same_batch", [True, False])
def test_other_bytes_replace_and_the_old_version_is_kept(same_batch: bool) -> None:
    space = make_space(duplicate_policy="replace")
    first = make_receipt(space, content=b"old", size_bytes=10)
    if not same_batch:
        register_all()
    second = make_receipt(space, content=b"newer", size_bytes=15)
    register_all()
    assert [outcome(first), outcome(second)] == [Outcome.REGISTERED, Outcome.MODIFIED]
    instance = Instance.objects.get()
    assert instance.receipt_id == second
    assert instance.document_id == second
    retired = RetiredObject.objects.get()
    assert retired.reason == "superseded"
    assert retired.location == Receipt.objects.get(pk=first).location
    study = Study.objects.get()
    assert (study.number_of_instances, study.size_bytes) == (1, 15)
    assert [change.kind for change in InstanceChange.objects.order_by("id")] == [
        "addition",
        "modification",
    ]
    assert Event.objects.order_by("id").last().data["change"] == "modification"  # type: ignore[union-attr]


def test_keep_first_records_the_other_bytes_and_tells_nobody() -> None:
    space = make_space(duplicate_policy="keep_first")
    first = make_receipt(space, content=b"old")
    register_all()
    second = make_receipt(space, content=b"new")
    register_all()
    assert outcome(second) == Outcome.KEPT_FIRST
    assert Instance.objects.get().receipt_id == first
    assert RetiredObject.objects.get().reason == "kept_first"
    assert Event.objects.count() == 1


def test_quarantine_policy_leaves_the_first_and_shows_the_other() -> None:
    space = make_space(duplicate_policy="quarantine")
    first = make_receipt(space, content=b"old")
    register_all()
    second = make_receipt(space, content=b"new")
    register_all()
    receipt = Receipt.objects.get(pk=second)
    assert receipt.outcome == Outcome.QUARANTINED
    assert "other bytes" in receipt.reason
    assert Instance.objects.get().receipt_id == first
    assert not RetiredObject.objects.exists()


@pytest.mark.parametrize(
    "elsewhere", [{"study": "9.9"}, {"series": "1.2.3.9"}], ids=["study", "series"]
)
@pytest.mark.parametrize("content", [b"content", b"other"], ids=["same bytes", "other bytes"])
def test_same_sop_instance_uid_elsewhere_is_quarantined(
    elsewhere: dict[str, str], content: bytes
) -> None:
    space = make_space()
    make_receipt(space)
    register_all()
    second = make_receipt(space, content=content, **elsewhere)
    register_all()
    receipt = Receipt.objects.get(pk=second)
    assert receipt.outcome == Outcome.QUARANTINED
    assert "another series or study" in receipt.reason
    assert Study.objects.count() == Series.objects.count() == Instance.objects.count() == 1


def test_same_sop_instance_uid_elsewhere_in_one_batch_is_quarantined() -> None:
    space = make_space()
    first, second = make_receipt(space), make_receipt(space, study="9.9")
    register_all()
    assert [outcome(first), outcome(second)] == [Outcome.REGISTERED, Outcome.QUARANTINED]
    assert Study.objects.count() == 1


def test_spaces_are_segregated() -> None:
    one, two = make_space("one"), make_space("two")
    make_receipt(one)
    make_receipt(two, content=b"other")
    register_all()
    assert Study.objects.count() == Instance.objects.count() == 2
    assert set(Receipt.objects.values_list("outcome", flat=True)) == {Outcome.REGISTERED}


def test_canonical_value_is_the_latest_that_says_something() -> None:
    space = make_space()
    make_receipt(space, sop="1", patient_id="A", study_description="First", series_number=4)
    register_all()
    make_receipt(space, sop="2", patient_id="B", study_description="", series_number=None)
    register_all()
    study = Study.objects.get()
    assert (study.patient_id, study.study_description) == ("B", "First")
    assert Series.objects.get().series_number == 4


@pytest.mark.parametrize("same_batch", [True, False])
def test_conflicting_attributes_are_all_kept(same_batch: bool) -> None:
    space = make_space()
    for number, patient_id in enumerate(("A", "B", "A", "")):
        make_receipt(space, sop=f"1.{number}", patient_id=patient_id)
        if not same_batch:
            register_all()
    register_all()
    observed = AttributeConflict.objects.values_list("keyword", "value")
    assert sorted(observed) == [("PatientID", "A"), ("PatientID", "B")]


def test_agreeing_attributes_are_no_conflict() -> None:
    space = make_space()
    make_receipt(space, sop="1", patient_id="A")
    make_receipt(space, sop="2", patient_id="A")
    register_all()
    assert not AttributeConflict.objects.exists()


def test_registering_given_receipts_leaves_the_others_pending() -> None:
    space = make_space()
    mine, other = make_receipt(space, sop="1"), make_receipt(space, sop="2")
    assert register_receipts([mine]) == {mine: Outcome.REGISTERED}
    assert outcome(other) == Outcome.PENDING
    assert register_receipts([mine]) == {mine: Outcome.REGISTERED}


def test_an_instance_that_was_deleted_can_come_back() -> None:
    space = make_space()
    make_receipt(space, sop="1", size_bytes=10)
    register_all()
    Instance.objects.update(deleted_at="2020-01-01T00:00Z")
    Study.objects.update(
        number_of_instances=0, number_of_series=0, size_bytes=0, deleted_at="2020-01-01T00:00Z"
    )
    Series.objects.update(number_of_instances=0, deleted_at="2020-01-01T00:00Z")
    again = make_receipt(space, sop="1", size_bytes=10)
    register_all()
    assert outcome(again) == Outcome.REGISTERED
    study = Study.objects.get()
    assert (study.number_of_instances, study.number_of_series, study.size_bytes) == (1, 1, 10)
    assert study.deleted_at is None
    assert Instance.objects.get().deleted_at is None


@pytest.mark.parametrize("is_study_deleted", [True, False])
def test_another_instance_brings_a_deleted_series_back(is_study_deleted: bool) -> None:
    space = make_space()
    make_receipt(space, sop="1", size_bytes=10)
    make_receipt(space, series="1.2.3.2", sop="2", size_bytes=10)
    register_all()
    gone = {"deleted_at": "2020-01-01T00:00Z"}
    if is_study_deleted:
        Instance.objects.update(**gone)
        Series.objects.update(number_of_instances=0, **gone)
        Study.objects.update(number_of_instances=0, number_of_series=0, size_bytes=0, **gone)
    else:
        Instance.objects.filter(sop_instance_uid="1").update(**gone)
        Series.objects.filter(series_instance_uid="1.2.3.1").update(number_of_instances=0, **gone)
        Study.objects.update(number_of_instances=1, number_of_series=1, size_bytes=10)
    make_receipt(space, sop="3", size_bytes=7)
    make_receipt(space, sop="4", size_bytes=7)
    register_all()
    study, series = Study.objects.get(), Series.objects.get(series_instance_uid="1.2.3.1")
    counts = (study.number_of_series, study.number_of_instances, study.size_bytes)
    assert counts == ((1, 2, 14) if is_study_deleted else (2, 3, 24))
    assert (series.number_of_instances, series.deleted_at) == (2, None)


def test_retried_receipt_is_judged_again() -> None:
    space = make_space(duplicate_policy="quarantine")
    make_receipt(space, content=b"old")
    register_all()
    second = make_receipt(space, content=b"new")
    register_all()
    space.duplicate_policy = "replace"
    space.save()
    retry_receipt(second)
    register_all()
    assert outcome(second) == Outcome.MODIFIED


def test_settles_after_the_quiet_period_but_within_the_longest_wait() -> None:
    space = make_space(quiet_seconds=30, max_wait_seconds=40)
    make_receipt(space, sop="1")
    register_all()
    study = Study.objects.get()
    assert study.changes_since is not None
    assert study.settles_at is not None
    assert (study.settles_at - study.changes_since).total_seconds() == 30
    with connection.cursor() as cursor:
        cursor.execute("UPDATE ingestion_study SET changes_since = now() - interval '35 seconds'")
    make_receipt(space, sop="2")
    register_all()
    study.refresh_from_db()
    assert study.settles_at is not None
    assert (study.settles_at - study.changes_since).total_seconds() == 40


def test_statements_do_not_grow_with_the_batch() -> None:
    space = make_space()

    def statements(amount: int, study: str) -> int:
        for number in range(amount):
            make_receipt(space, study=study, series=study, sop=f"{study}.{number}")
        with CaptureQueriesContext(connection) as queries:
            register_pending_receipts()
        return len(queries)

    assert statements(1, "1.1") == statements(50, "1.2") <= 9


def test_busy_space_does_not_hold_up_another() -> None:
    """In the order of receipt, whichever space was made first."""
    busy, quiet = make_space("busy"), make_space("quiet")
    first, second, third = make_receipt(quiet), make_receipt(busy), make_receipt(quiet, sop="2")
    for receipt_id in (first, second, third):
        assert register_pending_receipts(limit=1) == 1
        assert outcome(receipt_id) == Outcome.REGISTERED


def test_claims_are_found_by_an_index_in_order() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {CLAIM}", {"limit": 10})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "receipt_pending_in_order" in plan
    assert "Sort" not in plan


def test_batch_is_no_larger_than_its_limit(settings: Any) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"registration_batch_max": 2})
    space = make_space()
    for sop in ("1", "2", "3"):
        make_receipt(space, sop=sop)
    assert [register_pending_receipts() for _ in range(3)] == [2, 1, 0]


@pytest.mark.django_db(transaction=True)
def test_concurrent_registrars_lose_and_double_nothing() -> None:
    space = make_space()
    for number in range(120):
        make_receipt(space, study=f"1.{number % 3}", series=f"1.{number % 6}", sop=f"5.{number}")

    def run() -> None:
        while register_pending_receipts(limit=7):
            pass
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    register_all()
    assert Instance.objects.count() == Event.objects.count() == 120
    assert sum(Study.objects.values_list("number_of_instances", flat=True)) == 120
    assert sum(Series.objects.values_list("number_of_instances", flat=True)) == 120
    assert Study.objects.count() == 3


def test_failure_before_a_receipt_is_claimed_says_what_it_is() -> None:
    """Not that there is no receipt to postpone."""
    with pytest.raises(DatabaseError, match="LIMIT"):
        register_pending_receipts(limit=-1)
