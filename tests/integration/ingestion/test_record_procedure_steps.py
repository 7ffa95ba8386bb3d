"""Procedure steps as rows: created once, changed by turns, read back."""

import threading

import pytest
from django.db import connection

from ingestion.dicom.json_model import element
from ingestion.errors import OperationRefused
from ingestion.models import PerformedProcedureStep
from ingestion.use_cases.record_procedure_steps import change_step, create_step, read_step
from tests.procedure_steps import STEP, STUDY, begun, ended
from tests.receipts import make_space

pytestmark = pytest.mark.django_db(transaction=True)


def test_columns_say_what_the_data_set_says() -> None:
    space = make_space()
    assert create_step(space, begun(), sop_instance_uid=STEP) == STEP
    row = PerformedProcedureStep.objects.get()
    assert (row.status, row.modality_ae_title, row.modality) == ("IN PROGRESS", "CT1", "CT")
    assert (row.patient_id, row.patient_name, row.started_on) == ("P1", "DOE^JANE", "20240131")
    assert (row.performed_procedure_step_id, row.study_instance_uids) == ("PPS1", [STUDY])
    change_step(space, STEP, ended("1.1"))
    changed = PerformedProcedureStep.objects.get()
    assert (changed.status, changed.patient_id) == ("COMPLETED", "P1")
    assert changed.changed_at > row.changed_at


def test_step_without_a_uid_gets_one() -> None:
    space = make_space()
    uid = create_step(space, begun())
    assert uid.startswith("2.25.")
    assert read_step(space, uid)["00400253"]["Value"] == ["PPS1"]


def test_uid_is_taken_once_per_space() -> None:
    space, other = make_space(), make_space("other")
    create_step(space, begun(), sop_instance_uid=STEP)
    create_step(other, begun(), sop_instance_uid=STEP)
    with pytest.raises(OperationRefused) as refused:
        create_step(space, begun(), sop_instance_uid=STEP)
    assert refused.value.status == 0x0111


def test_unknown_step_is_neither_changed_nor_read() -> None:
    space = make_space()
    for refuse in (lambda: change_step(space, STEP, ended("1.1")), lambda: read_step(space, STEP)):
        with pytest.raises(OperationRefused) as refused:
            refuse()
        assert refused.value.status == 0x0112


def test_only_what_is_asked_for_is_read() -> None:
    space = make_space()
    create_step(space, begun(), sop_instance_uid=STEP)
    assert read_step(space, STEP, tags=["00400252", "00080090"]) == {
        "00400252": element("CS", "IN PROGRESS")
    }


def test_of_two_ends_at_the_same_time_one_is_refused() -> None:
    space = make_space()
    create_step(space, begun(), sop_instance_uid=STEP)
    begin, refusals = threading.Barrier(2), []

    def end(status: str) -> None:
        begin.wait(60)
        try:
            change_step(space, STEP, ended("1.1", status=status))
        except OperationRefused as refused:
            refusals.append(refused.status)
        connection.close()

    threads = [
        threading.Thread(target=end, args=(status,)) for status in ("COMPLETED", "DISCONTINUED")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert refusals == [0x0110]
