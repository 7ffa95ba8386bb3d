"""Quiet studies become revisions: numbers without gaps, every change in exactly one."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from ingestion.models import Event, EventType, InstanceChange, Study, StudyRevision
from ingestion.use_cases.describe_event import describe_event
from ingestion.use_cases.register_receipts import register_pending_receipts
from ingestion.use_cases.revise_studies import revise_due_studies
from tests.receipts import make_receipt, make_space

pytestmark = pytest.mark.django_db(transaction=True)


def received(*receipts: dict[str, Any], space: Any) -> None:
    for fields in receipts:
        make_receipt(space, **fields)
    while register_pending_receipts():
        pass


def test_study_is_revised_only_after_its_quiet_period() -> None:
    space = make_space(quiet_seconds=3600, max_wait_seconds=3600)
    received({"sop": "1"}, space=space)
    assert revise_due_studies() == 0
    Study.objects.update(settles_at=Now())
    assert revise_due_studies() == 1
    assert Study.objects.get().settles_at is None
    assert revise_due_studies() == 0


def test_revisions_count_from_zero_and_hold_what_changed_since_the_last() -> None:
    space = make_space()
    received({"sop": "1"}, {"sop": "2"}, space=space)
    assert revise_due_studies() == 1
    received({"sop": "2", "content": b"other"}, {"sop": "3"}, space=space)
    assert revise_due_studies() == 1

    first, second = StudyRevision.objects.order_by("number")
    assert (first.number, second.number) == (0, 1)
    assert first.additions == ["1.2.3.1/1", "1.2.3.1/2"]
    assert first.modifications == first.deletions == []
    assert (second.additions, second.modifications) == (["1.2.3.1/3"], ["1.2.3.1/2"])
    assert not InstanceChange.objects.filter(revision=None).exists()


def test_duplicates_make_no_revision() -> None:
    space = make_space()
    received({"sop": "1"}, space=space)
    revise_due_studies()
    received({"sop": "1"}, space=space)
    assert revise_due_studies() == 0


def test_what_came_and_went_within_a_quiet_period_makes_no_revision() -> None:
    space = make_space()
    received({"sop": "1"}, space=space)
    InstanceChange.objects.create(
        study=Study.objects.get(),
        series_instance_uid="1.2.3.1",
        sop_instance_uid="1",
        kind="deletion",
    )
    assert revise_due_studies() == 1
    assert not StudyRevision.objects.exists()
    assert Study.objects.get().latest_revision is None


def test_event_tells_the_original_fields() -> None:
    space = make_space(
        wado_external_base_url="https://example.org/dicomweb/",
        wado_internal_base_url="http://inside/dicomweb",
    )
    received(
        {"sop": "1", "patient_id": "P1", "study_date": "20200102", "instance_number": 7},
        space=space,
    )
    revise_due_studies()
    available, revised = Event.objects.order_by("id")

    told = describe_event(available)
    path = "/studies/1.2.3/series/1.2.3.1/instances/1"
    assert told["provider"] == "Main"
    assert told["endpoint"] == "http://inside/dicomweb" + path
    assert told["change"] == "addition"

    assert revised.type == EventType.STUDY_REVISION
    told = describe_event(revised)
    assert told["revision"] == 0
    assert told["changeSet"] == {
        "additions": ["1.2.3.1/1"],
        "deletions": [],
        "modifications": [],
    }
    study = told["study"]
    assert (study["studyInstanceUID"], study["studyDate"]) == ("1.2.3", "20200102")
    assert {"group": "0010", "element": "0020", "vr": "LO", "value": "P1"} in study["attributes"]
    (series,) = study["series"]
    assert series["endpoint"] == "https://example.org/dicomweb/studies/1.2.3/series/1.2.3.1"
    assert series["providerName"] == "Main"
    assert series["instances"] == [
        {"sopInstanceUID": "1", "sopClassUID": "1.2.840.10008.5.1.4.1.1.2", "number": 7}
    ]


def test_snapshot_of_a_revision_does_not_change_later() -> None:
    space = make_space()
    received({"sop": "1"}, space=space)
    revise_due_studies()
    received({"sop": "2"}, space=space)
    told = describe_event(Event.objects.get(type=EventType.STUDY_REVISION))
    assert [i["sopInstanceUID"] for i in told["study"]["series"][0]["instances"]] == ["1"]


def test_concurrent_revisers_and_registrars_put_each_change_in_exactly_one_revision() -> None:
    space = make_space()
    received(*({"study": f"1.{n}", "series": "2", "sop": f"3.{n}"} for n in range(5)), space=space)
    for number in range(60):
        make_receipt(space, study=f"1.{number % 5}", series="2", sop=f"4.{number}")

    def work(use_case: Any, **options: int) -> None:
        for _ in range(25):
            use_case(**options)
        connection.close()

    threads = [
        threading.Thread(target=work, args=(use_case,), kwargs=options)
        for use_case, options in (
            (register_pending_receipts, {"limit": 3}),
            (register_pending_receipts, {"limit": 5}),
            (revise_due_studies, {"limit": 2}),
            (revise_due_studies, {"limit": 3}),
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while register_pending_receipts():
        pass
    while revise_due_studies():
        pass

    for study in Study.objects.all():
        revisions = list(study.revisions.order_by("number"))
        assert [revision.number for revision in revisions] == list(range(len(revisions)))
        additions = [reference for revision in revisions for reference in revision.additions]
        assert len(additions) == len(set(additions)) == 13
        assert study.latest_revision == len(revisions) - 1
    assert not InstanceChange.objects.filter(revision=None).exists()
