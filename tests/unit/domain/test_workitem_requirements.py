"""What PS3.4 Table CC.2.5-3 asks of attributes: N-CREATE, N-SET and Final State."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingestion.domain.workitem_requirements import (
    created,
    is_complete,
    missing_for_completion,
    scheduled_at,
    updated,
    with_cancellation,
)
from ingestion.errors import InvalidRequest
from tests.workitems import build_workitem, code, performed, text

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
TYPE_1 = ("00741200", "00741204", "00404005", "00404041", "00741000")
TYPE_2 = (
    "00741210 00404025 00404026 00404027 00404018 00400400 00404021 00100010 00100020 00100021"
    " 00100024 00101002 00100030 00100040 00380010 00380014 00081080 00081084 0040A370 00741002"
    " 00741216"
)
NEVER_SET = (
    "00080016 00080018 00100010 00100020 00100021 00100024 00100030 00100040 00380010 00380014"
    " 00081080 00081084 0040A370 00741224 00741000"
)


def make(**attributes: Any) -> dict[str, Any]:
    return created(
        build_workitem(**attributes), sop_instance_uid="1.2.3", worklist_label="main", now=NOW
    )


def test_a_step_has_its_class_its_uid_and_its_time_but_no_lock() -> None:
    step = make()
    assert step["00080016"]["Value"] == [UPS_PUSH]
    assert step["00080018"]["Value"] == ["1.2.3"]
    assert step["00404010"]["Value"] == ["20260102030405.000678+0000"]
    assert "00081195" not in step


@pytest.mark.parametrize("tag", TYPE_1)
@pytest.mark.parametrize("value", [None, {"vr": "CS"}, {"vr": "CS", "Value": [None]}])
def test_type_1_must_have_a_value(tag: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match="must have a value"):
        make(**{f"t{tag}": value})


@pytest.mark.parametrize("tag", TYPE_2.split())
def test_type_2_that_is_left_out_is_created_empty(tag: str) -> None:
    attributes = {f"t{tag}": None}
    assert make(**attributes)[tag].keys() == {"vr"}
    assert not is_complete(build_workitem(**attributes))


def test_a_complete_creation_is_taken_as_it_is() -> None:
    assert is_complete(build_workitem())


def test_a_step_without_worklist_gets_ours() -> None:
    assert make(t00741202={"vr": "LO"})["00741202"] == text("LO", "main")
    assert not is_complete(build_workitem(t00741202={"vr": "LO"}))


@pytest.mark.parametrize("tag", ["00081195", "00741002", "00741216"])
def test_what_is_created_empty_must_come_empty(tag: str) -> None:
    value = text("UI", "1.2") if tag == "00081195" else text("SQ", {"00741004": text("DS", 5)})
    with pytest.raises(InvalidRequest, match="must be empty"):
        make(**{f"t{tag}": value})


@pytest.mark.parametrize(("tag", "value"), [("00741200", "STAT"), ("00404041", "SOON")])
def test_enumerated_values(tag: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match="must be one of"):
        make(**{f"t{tag}": value})


def test_attributes_of_one_value_have_one() -> None:
    with pytest.raises(InvalidRequest, match="more than one"):
        make(t00100020=text("LO", "P1", "P2"))


def test_another_sop_class_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="SOPClassUID"):
        created(
            build_workitem() | {"00080016": text("UI", "1.2.840.10008.5.1.4.34.6.2")},
            sop_instance_uid="1.2.3",
            worklist_label="main",
            now=NOW,
        )


@pytest.mark.parametrize(
    ("value", "start"),
    [
        ("2026", datetime(2026, 1, 1, tzinfo=UTC)),
        ("20260102093000", datetime(2026, 1, 2, 9, 30, tzinfo=UTC)),
        ("20260102093000.5-0500", datetime(2026, 1, 2, 14, 30, 0, 500_000, tzinfo=UTC)),
        ("20251231235960", datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_scheduled_start(value: str, start: datetime) -> None:
    assert scheduled_at(make(t00404005=value)) == start


@pytest.mark.parametrize("value", ["soon", "20261301", "2026-01-02"])
def test_a_start_that_is_no_moment_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="date and time"):
        make(t00404005=value)


def test_an_update_sets_what_it_names_and_leaves_the_rest() -> None:
    before = make()
    later = NOW + timedelta(seconds=1)
    after = updated(before, {"00741204": text("LO", "Contour the lung")}, now=later)
    assert after == before | {
        "00741204": text("LO", "Contour the lung"),
        "00404010": text("DT", "20260102030406.000678+0000"),
    }
    again = updated(after, {"00741204": text("LO", "Contour the lung")}, now=later)
    assert again == after


@pytest.mark.parametrize("tag", NEVER_SET.split())
def test_what_an_update_must_not_set(tag: str) -> None:
    step = make()
    with pytest.raises(InvalidRequest, match="cannot be set"):
        updated(step, {tag: text("LO", "other")}, now=NOW)
    if tag in step:
        updated(step, {tag: step[tag]}, now=NOW)  # to what it is already


def test_an_update_keeps_required_values_and_never_the_lock() -> None:
    with pytest.raises(InvalidRequest, match="ProcedureStepLabel"):
        updated(make(), {"00741204": {"vr": "LO"}}, now=NOW)
    assert "00081195" not in updated(make(), {"00081195": text("UI", "1.2")}, now=NOW)


def test_completion_wants_what_was_performed() -> None:
    assert missing_for_completion(make()) == ("00741216",)
    assert missing_for_completion(make() | performed()) == ()


@pytest.mark.parametrize("tag", ["00404028", "00404050", "00404019", "00404051", "00404033"])
def test_completion_wants_every_attribute_of_final_state_p(tag: str) -> None:
    assert missing_for_completion(make() | performed(**{f"t{tag}": None})) == (tag,)


def test_output_may_be_none_and_others_not() -> None:
    assert missing_for_completion(make() | performed(t00404033={"vr": "SQ"})) == ()
    assert missing_for_completion(make() | performed(t00404028={"vr": "SQ"})) == ("00404028",)


def test_a_cancellation_tells_when_and_why() -> None:
    (progress,) = with_cancellation(make(), {}, now=NOW)["00741002"]["Value"]
    assert progress["00404052"] == text("DT", "20260102030405.000678+0000")
    (reason,) = progress["0074100E"]["Value"]
    assert reason == code("110513", "DCM", "Discontinued for unspecified reason")


def test_a_cancellation_takes_the_reasons_and_the_contact_of_its_request() -> None:
    why = code("110514", "DCM", "Incorrect worklist entry selected")
    request = {
        "00741238": text("LT", "wrong patient"),
        "0074100E": text("SQ", why),
        "0074100A": text("UR", "tel:+49-30-1234"),
        "0074100C": text("LO", "Ward 3"),
    }
    (progress,) = with_cancellation(make(), request, now=NOW)["00741002"]["Value"]
    assert progress["00741238"] == text("LT", "wrong patient")
    assert progress["0074100E"] == text("SQ", why)
    (contact,) = progress["00741008"]["Value"]
    assert contact == {"0074100A": request["0074100A"], "0074100C": request["0074100C"]}


def test_a_cancellation_keeps_what_the_performer_said() -> None:
    said = {"00741238": text("LT", "patient left"), "00404052": text("DT", "20260102")}
    step = make() | {"00741002": text("SQ", said)}
    (progress,) = with_cancellation(step, {"00741238": text("LT", "x")}, now=NOW)["00741002"][
        "Value"
    ]
    assert progress["00741238"] == text("LT", "patient left")
    assert progress["00404052"] == text("DT", "20260102")
