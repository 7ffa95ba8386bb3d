"""Whatever a peer sends as a step, a notification or a commitment: kept or refused, no more."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.json_model import JsonDataSet
from ingestion.domain.availability_rules import announced
from ingestion.domain.commitment_information import read_action, read_event
from ingestion.domain.procedure_step_rules import changed_step, created_step, sop_instance_uids
from ingestion.errors import OperationRefused
from tests.procedure_steps import begun, ended

# What the rules look at, at any level.
TAGS = [
    *("00080054", "00080056", "00080060", "00081115", "00081140", "00081150", "00081155"),
    *("00081195", "00081197", "00081198", "00081199", "00100010", "00100020", "0020000D"),
    *("0020000E", "00181030", "00400220", "00400241", "00400244", "00400245", "00400250"),
    *("00400251", "00400252", "00400253", "00400270", "00400340"),
]
VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.sampled_from(["IN PROGRESS", "COMPLETED", "1.2.3", "ONLINE"]),
)
ATTRIBUTES = st.recursive(
    st.fixed_dictionaries(
        {"vr": st.sampled_from(["UI", "CS", "SQ", "PN", "US", "UN"])},
        optional={"Value": st.lists(VALUES, max_size=2), "InlineBinary": st.just("AAAA")},
    ),
    lambda children: st.fixed_dictionaries(
        {"vr": st.sampled_from(["SQ", "LO"])},
        optional={
            "Value": st.lists(
                st.dictionaries(st.sampled_from(TAGS), children, max_size=4), max_size=2
            )
        },
    ),
    max_leaves=15,
)
DATA_SETS: st.SearchStrategy[JsonDataSet] = st.dictionaries(
    st.sampled_from(TAGS), ATTRIBUTES, max_size=6
)

RULES: dict[str, Callable[[JsonDataSet], object]] = {
    "N-CREATE of a step": created_step,
    "N-CREATE of a step that is right but for": lambda sent: created_step(begun() | sent),
    "N-SET of a step": lambda sent: changed_step(created_step(begun()), sent),
    "N-SET that ends a step but for": lambda sent: sop_instance_uids(
        changed_step(created_step(begun()), ended("1.1") | sent)
    ),
    "availability": announced,
    "request of commitment": lambda sent: read_action(sent, references_max=10),
    "result of commitment": read_event,
}


@pytest.mark.parametrize("rule", RULES)
@given(sent=DATA_SETS)
def test_it_is_kept_or_refused(rule: str, sent: JsonDataSet) -> None:
    with contextlib.suppress(OperationRefused):
        RULES[rule](sent)
