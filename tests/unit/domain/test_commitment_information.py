"""Storage commitment's data sets against PS3.4 Tables J.3-1 and J.3-2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.domain.commitment_information import (
    ActionInformation,
    EventInformation,
    Failure,
    Reference,
    failure_rows,
    failures_of,
    read_action,
    read_event,
    reference_rows,
    references_of,
    write_action,
    write_event,
)
from ingestion.errors import OperationRefused

CT = "1.2.840.10008.5.1.4.1.1.2"
UIDS = st.from_regex(r"1\.(0|[1-9][0-9]{0,9})", fullmatch=True)
REFERENCES = st.builds(Reference, UIDS, UIDS)


def request(*uids: str, transaction: str = "1.2.9") -> JsonDataSet:
    items = [{"00081150": element("UI", CT), "00081155": element("UI", uid)} for uid in uids]
    return {"00081195": element("UI", transaction), "00081199": element("SQ", *items)}


@given(UIDS, st.lists(REFERENCES, min_size=1, unique=True))
def test_request_round_trip(transaction: str, references: list[Reference]) -> None:
    action = ActionInformation(transaction, tuple(references))
    assert read_action(write_action(action), references_max=1000) == action
    assert references_of(reference_rows(references)) == action.references


@given(
    UIDS,
    st.lists(REFERENCES),
    st.lists(st.builds(Failure, REFERENCES, st.integers(0, 0xFFFF))),
)
def test_result_round_trip(
    transaction: str, committed: list[Reference], failed: list[Failure]
) -> None:
    event = EventInformation(transaction, tuple(committed), tuple(failed))
    assert read_event(write_event(event, retrieve_ae_title="US")) == event
    assert failures_of([(*row,) for row in failure_rows(failed)]) == event.failed  # type: ignore[misc]


def test_repeated_reference_counts_once() -> None:
    assert len(read_action(request("1.1", "1.2", "1.1"), references_max=3).references) == 2


@pytest.mark.parametrize(
    ("data_set", "status"),
    [
        (request("1.1", transaction=""), 0x0114),
        ({"00081199": request("1.1")["00081199"]}, 0x0114),
        (request("1.1", transaction="1.2.x"), 0x0115),
        (request(), 0x0114),
        ({"00081195": element("UI", "1.2.9")}, 0x0114),
        (request("x"), 0x0115),
        (request(""), 0x0115),
        (request("1.1", "1.2", "1.3"), 0x0213),
    ],
)
def test_what_is_no_request_is_refused(data_set: JsonDataSet, status: int) -> None:
    with pytest.raises(OperationRefused) as refused:
        read_action(data_set, references_max=2)
    assert refused.value.status == status


def test_event_type_tells_whether_all_is_committed() -> None:
    reference = Reference(CT, "1.1")
    failure = Failure(Reference(CT, "1.2"), 0x0112)
    whole = EventInformation("1.2.9", (reference,), ())
    broken = EventInformation("1.2.9", (), (failure,))
    assert (whole.event_type, broken.event_type) == (1, 2)
    assert "00081198" not in write_event(whole, retrieve_ae_title="US")
    # Nothing can be had from us: no Referenced SOP Sequence, no Retrieve AE Title (J.3.3.1.1).
    assert write_event(broken, retrieve_ae_title="US").keys() == {"00081195", "00081198"}
