"""Steps against PS3.4 Table F.7.2-1 and Table F.1-4, which are restated here."""

import pytest

from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.domain.procedure_step_rules import (
    changed_step,
    created_step,
    sop_instance_uids,
    study_instance_uids,
)
from ingestion.errors import OperationRefused
from tests.procedure_steps import begun, ended

# Table F.1-4: state → what an N-SET of each status leads to; None is refused.
TRANSITIONS: dict[str, dict[str, str | None]] = {
    "IN PROGRESS": {
        "IN PROGRESS": "IN PROGRESS",
        "COMPLETED": "COMPLETED",
        "DISCONTINUED": "DISCONTINUED",
    },
    "COMPLETED": {"IN PROGRESS": None, "COMPLETED": None, "DISCONTINUED": None},
    "DISCONTINUED": {"IN PROGRESS": None, "COMPLETED": None, "DISCONTINUED": None},
}
# Table F.7.2-1, N-CREATE "1/1" at the top level.
TYPE_1 = {
    "00400270": "ScheduledStepAttributesSequence",
    "00400253": "PerformedProcedureStepID",
    "00400241": "PerformedStationAETitle",
    "00400244": "PerformedProcedureStepStartDate",
    "00400245": "PerformedProcedureStepStartTime",
    "00400252": "PerformedProcedureStepStatus",
    "00080060": "Modality",
}


def refusal(
    data_set: JsonDataSet, changes: JsonDataSet | None = None
) -> tuple[int, tuple[str, ...]]:
    """Status and named attributes of a refused creation, or of a refused change."""
    try:
        created_step(data_set) if changes is None else changed_step(data_set, changes)
    except OperationRefused as refused:
        return refused.status, refused.tags
    pytest.fail("nothing was refused")


def step_in(state: str) -> JsonDataSet:
    step = created_step(begun())
    return step if state == "IN PROGRESS" else changed_step(step, ended("1.1", status=state))


@pytest.mark.parametrize(
    ("state", "status", "wanted"),
    [
        (state, status, wanted)
        for state, row in TRANSITIONS.items()
        for status, wanted in row.items()
    ],
)
def test_states_change_as_the_standard_has_it(state: str, status: str, wanted: str | None) -> None:
    changes = ended("1.1", status=status)
    if wanted is None:
        with pytest.raises(OperationRefused, match="may no longer be updated") as refused:
            changed_step(step_in(state), changes)
        assert (refused.value.status, refused.value.error_id) == (0x0110, 0xA710)
    else:
        assert changed_step(step_in(state), changes)["00400252"]["Value"] == [wanted]


@pytest.mark.parametrize("tag", TYPE_1)
def test_creation_lacks_a_required_attribute_or_its_value(tag: str) -> None:
    vr = begun()[tag]["vr"]
    assert refusal(begun({tag: None})) == (0x0120, (tag,))
    assert refusal(begun({tag: element(vr)})) == (0x0121, (tag,))


def test_refusal_names_all_that_is_absent_by_keyword() -> None:
    with pytest.raises(OperationRefused, match="PerformedStationAETitle, Modality must be there"):
        created_step(begun({"00400241": None, "00080060": None}))


def test_scheduled_step_must_name_its_study() -> None:
    assert refusal(begun({"00400270": element("LO", "no sequence")})) == (0x0121, ("00400270",))
    without = element("SQ", {"00401001": element("SH", "RP1")})
    assert refusal(begun({"00400270": without})) == (0x0120, ("0020000D",))
    no_uid = element("SQ", {"0020000D": element("UI", "1.2.x")})
    assert refusal(begun({"00400270": no_uid})) == (0x0106, ("0020000D",))


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED", "SCHEDULED"])
def test_step_is_created_in_progress_only(status: str) -> None:
    assert refusal(begun({"00400252": element("CS", status)})) == (0x0106, ("00400252",))


def test_status_must_be_known() -> None:
    changes = {"00400252": element("CS", "PAUSED")}
    assert refusal(step_in("IN PROGRESS"), changes) == (0x0106, ("00400252",))


@pytest.mark.parametrize("tag", ["00400250", "00400251", "00400340"])
def test_completed_step_has_its_end_and_its_series(tag: str) -> None:
    assert refusal(step_in("IN PROGRESS"), ended("1.1", changes={tag: None})) == (0x0121, (tag,))


def test_discontinued_step_may_have_no_series() -> None:
    changes = ended(status="DISCONTINUED", changes={"00400340": None})
    assert changed_step(step_in("IN PROGRESS"), changes)["00400252"]["Value"] == ["DISCONTINUED"]


@pytest.mark.parametrize("tag", ["00181030", "0020000E"])
def test_series_has_a_protocol_and_a_uid(tag: str) -> None:
    changes = ended("1.1")
    del changes["00400340"]["Value"][0][tag]
    assert refusal(step_in("IN PROGRESS"), changes) == (0x0120, (tag,))


def test_what_identifies_the_step_is_never_set_but_may_be_repeated() -> None:
    step = step_in("IN PROGRESS")
    assert refusal(step, {"00100020": element("LO", "P2")}) == (0x0106, ("00100020",))
    assert changed_step(step, {"00100020": element("LO", "P1")}) == step


def test_sequences_are_replaced_and_the_character_set_is_not_kept() -> None:
    first = changed_step(step_in("IN PROGRESS"), ended("1.1", "1.2", status="IN PROGRESS"))
    second = changed_step(first, {**ended("1.3"), "00080005": element("CS", "ISO_IR 192")})
    assert sop_instance_uids(second) == ("1.3",)
    assert "00080005" not in second


def test_references_of_all_series_are_found_once() -> None:
    changes = ended("1.1", "1.2", "1.1")
    other = {
        "00181030": element("LO", "SR"),
        "0020000E": element("UI", "1.9"),
        "00400220": element("SQ", {"00081155": element("UI", "1.4")}),
    }
    changes["00400340"]["Value"].append(other)
    assert sop_instance_uids(changes) == ("1.1", "1.2", "1.4")
    assert study_instance_uids(begun(study="1.2.9")) == ("1.2.9",)
