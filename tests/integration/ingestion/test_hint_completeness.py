"""A study closes at once when all is here that somebody told it consists of."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from ingestion.errors import OperationRefused
from ingestion.models import (
    CompletenessHint,
    HintSource,
    Instance,
    StorageSpace,
    Study,
    StudyRevision,
)
from ingestion.use_cases.hint_completeness import (
    expect_instances,
    fulfil_hints,
    note_availability,
    remove_old_hints,
)
from ingestion.use_cases.record_procedure_steps import change_step, create_step
from ingestion.use_cases.register_receipts import register_pending_receipts
from ingestion.use_cases.revise_studies import revise_due_studies
from tests.procedure_steps import STEP, STUDY, begun, ended, notification
from tests.receipts import make_receipt, make_space

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def space() -> StorageSpace:
    """A space whose studies stay open for an hour."""
    return make_space(quiet_seconds=3600, max_wait_seconds=3600)


def received(space: StorageSpace, *sops: str, **fields: Any) -> None:
    for sop in sops:
        make_receipt(space, sop=sop, **fields)
    while register_pending_receipts():
        pass


def hint(space: StorageSpace, *sops: str) -> bool:
    return expect_instances(
        space, STUDY, sop_instance_uids=sops, source=HintSource.PROCEDURE_STEP, source_uid=STEP
    )


def revisions() -> list[list[str]]:
    """What each revision added, after the workers' round."""
    fulfil_hints()
    revise_due_studies()
    rows = StudyRevision.objects.order_by("number").values_list("additions", flat=True)
    return [[reference.partition("/")[2] for reference in row] for row in rows]


def test_completed_step_closes_a_study_that_is_whole(space: StorageSpace) -> None:
    received(space, "1.1", "1.2")
    create_step(space, begun(), sop_instance_uid=STEP)
    assert revisions() == []
    change_step(space, STEP, ended("1.1", "1.2"))
    assert revisions() == [["1.1", "1.2"]]
    assert Study.objects.get().settles_at is None


def test_study_closes_when_the_last_late_instance_is_registered(space: StorageSpace) -> None:
    received(space, "1.1")
    hint(space, "1.1", "1.2", "1.3")
    received(space, "1.3")
    assert revisions() == []
    received(space, "1.2")
    assert revisions() == [["1.1", "1.3", "1.2"]]
    assert CompletenessHint.objects.get().fulfilled_at is not None


def test_hint_may_come_before_its_study(space: StorageSpace) -> None:
    hint(space, "1.1")
    assert revisions() == []
    received(space, "1.1")
    assert revisions() == [["1.1"]]


def test_as_many_instances_are_not_the_same_instances(space: StorageSpace) -> None:
    received(space, "1.1", "1.8", "1.9")
    hint(space, "1.1", "1.2")
    assert revisions() == []


def test_instances_after_a_hint_wait_for_quiet(space: StorageSpace) -> None:
    hint(space, "1.1")
    received(space, "1.1")
    assert revisions() == [["1.1"]]
    received(space, "1.2")
    assert revisions() == [["1.1"]]


def test_deleted_instance_is_not_here(space: StorageSpace) -> None:
    received(space, "1.1", "1.2", "1.3")
    Instance.objects.filter(sop_instance_uid="1.2").update(deleted_at=Now())
    hint(space, "1.1", "1.2")
    assert revisions() == []


def test_another_space_fulfils_nothing(space: StorageSpace) -> None:
    other = make_space("other", quiet_seconds=3600, max_wait_seconds=3600)
    received(other, "1.1")
    hint(space, "1.1")
    assert revisions() == []


def test_settled_study_gets_no_further_revision(space: StorageSpace) -> None:
    received(space, "1.1")
    Study.objects.update(settles_at=Now())
    assert revisions() == [["1.1"]]
    hint(space, "1.1")
    assert revisions() == [["1.1"]]
    assert CompletenessHint.objects.get().fulfilled_at is not None


def test_expired_hint_closes_nothing_and_is_removed(space: StorageSpace) -> None:
    hint(space, "1.1")
    CompletenessHint.objects.update(expires_at=Now() - timedelta(seconds=1))
    received(space, "1.1")
    assert revisions() == []
    assert remove_old_hints() == 1
    assert remove_old_hints() == 0


@pytest.mark.parametrize("status", ["DISCONTINUED", "IN PROGRESS"])
def test_step_that_did_not_complete_tells_nothing(space: StorageSpace, status: str) -> None:
    create_step(space, begun(), sop_instance_uid=STEP)
    change_step(space, STEP, ended("1.1", status=status))
    assert not CompletenessHint.objects.exists()


def of_two_studies(space: StorageSpace) -> None:
    """A step of the studies 1.2.3 and 1.2.4 began."""
    step = begun()
    step["00400270"]["Value"].append({"0020000D": {"vr": "UI", "Value": ["1.2.4"]}})
    create_step(space, step, sop_instance_uid=STEP)


def test_step_of_several_studies_closes_each_when_all_its_instances_are_here(
    space: StorageSpace,
) -> None:
    received(space, "1.1", "1.2")
    of_two_studies(space)
    change_step(space, STEP, ended("1.1", "1.2", "1.3"))
    assert revisions() == []
    received(space, "1.3", study="1.2.4", series="1.2.4.1")
    assert sorted(revisions()) == [["1.1", "1.2"], ["1.3"]]
    assert not CompletenessHint.objects.filter(fulfilled_at=None).exists()


def test_step_of_several_studies_closes_those_that_are_whole_already(space: StorageSpace) -> None:
    received(space, "1.1", "1.2")
    received(space, "1.3", study="1.2.4", series="1.2.4.1")
    of_two_studies(space)
    change_step(space, STEP, ended("1.1", "1.2", "1.3"))
    assert sorted(revisions()) == [["1.1", "1.2"], ["1.3"]]


def test_study_of_a_step_that_gets_no_instances_keeps_no_other_open(space: StorageSpace) -> None:
    of_two_studies(space)
    change_step(space, STEP, ended("1.1", "1.2"))
    received(space, "1.1", "1.2")
    assert revisions() == [["1.1", "1.2"]]


def test_step_without_instances_tells_nothing(space: StorageSpace) -> None:
    create_step(space, begun(), sop_instance_uid=STEP)
    change_step(space, STEP, ended())
    assert not CompletenessHint.objects.exists()


def test_availability_notification_closes_a_study(space: StorageSpace) -> None:
    assert note_availability(space, notification("ONLINE", "UNAVAILABLE"), sop_instance_uid=STEP)
    received(space, "1.2.3.1")
    assert revisions() == [["1.2.3.1"]]


def test_repeated_notification_is_a_duplicate(space: StorageSpace) -> None:
    note_availability(space, notification("ONLINE"), sop_instance_uid=STEP)
    with pytest.raises(OperationRefused) as refused:
        note_availability(space, notification("ONLINE"), sop_instance_uid=STEP)
    assert refused.value.status == 0x0111


def test_many_studies_close_in_one_round(space: StorageSpace) -> None:
    for number in range(5):
        expect_instances(
            space,
            f"1.{number}",
            sop_instance_uids=[f"1.1.{number}"],
            source=HintSource.AVAILABILITY,
            source_uid=f"2.25.{number}",
        )
        received(space, f"1.1.{number}", study=f"1.{number}", series=f"1.{number}.1")
    assert fulfil_hints(limit=3) == 3
    assert fulfil_hints() == 2
    assert fulfil_hints() == 0


def test_registration_does_not_look_at_hints(space: StorageSpace) -> None:
    hint(space, "1.1", "1.2")
    make_receipt(space, sop="1.1")
    with CaptureQueriesContext(connection) as captured:
        register_pending_receipts()
    assert not [sql for sql in captured.captured_queries if "completenesshint" in sql["sql"]]
