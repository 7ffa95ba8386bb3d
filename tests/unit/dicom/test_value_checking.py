"""What may stand in the values of a data set that a client wrote."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.json_reading import parse_data_set
from ingestion.dicom.value_checking import checked_data_set
from ingestion.errors import IngestionError, InvalidDocument

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["00100010", "00741002", "00091001", "00080018", "vr", "Value", "x"])
            | st.text(max_size=8),
            inner,
            max_size=3,
        )
    ),
    max_leaves=20,
)
ATTRIBUTE = st.fixed_dictionaries(
    {"vr": st.sampled_from(["PN", "SQ", "LO", "DS", "UI", "OB", "UN", "ZZ"])},
    optional={"Value": st.lists(JSON, max_size=3), "InlineBinary": JSON},
)
DATA_SET = st.dictionaries(
    st.sampled_from(["00100010", "00741002", "00091001", "00080018", "00020010", "7FE00010"]),
    ATTRIBUTE | JSON,
    max_size=4,
)


def checked(data_set: Any) -> Any:
    return checked_data_set(parse_data_set(orjson.dumps(data_set), depth_max=5))


@given(DATA_SET | JSON)
def test_whatever_comes_is_checked_or_refused(data_set: Any) -> None:
    try:
        text = orjson.dumps(data_set)
    except (TypeError, ValueError):
        return  # no JSON text either
    try:
        found = checked_data_set(parse_data_set(text, depth_max=5))
    except IngestionError:
        return
    assert checked_data_set(found) == found


@pytest.mark.parametrize(
    ("tag", "given", "kept"),
    [
        ("00100020", {"vr": "LO", "Value": ["P1"]}, {"vr": "LO", "Value": ["P1"]}),
        ("00100020", {"vr": "SH", "Value": ["P1"]}, {"vr": "LO", "Value": ["P1"]}),
        ("00100020", {"Value": ["P1"]}, {"vr": "LO", "Value": ["P1"]}),
        ("00100020", {"vr": "LO", "Value": []}, {"vr": "LO"}),
        ("00100020", {"vr": "LO", "Value": [""]}, {"vr": "LO", "Value": [None]}),
        (
            "00100010",
            {"vr": "PN", "Value": ["Doe^J"]},
            {"vr": "PN", "Value": [{"Alphabetic": "Doe^J"}]},
        ),
        ("00100010", {"vr": "PN", "Value": [{"Phonetic": ""}]}, {"vr": "PN", "Value": [None]}),
        ("00741004", {"vr": "DS", "Value": ["33.3", 5]}, {"vr": "DS", "Value": ["33.3", 5]}),
        ("00091001", {"vr": "OB", "InlineBinary": "AAE="}, {"vr": "OB", "InlineBinary": "AAE="}),
        ("00741002", {"vr": "SQ", "Value": [None]}, {"vr": "SQ", "Value": [{}]}),
    ],
)
def test_values_are_kept_in_the_types_of_their_vr(tag: str, given: Any, kept: Any) -> None:
    assert checked({tag: given}) == {tag: kept}


@pytest.mark.parametrize("tag", ["00000002", "00020010", "00041220", "00100000"])
def test_what_is_in_no_data_set_is_left_out(tag: str) -> None:
    assert checked({tag: {"vr": "UL", "Value": [1]}}) == {}


@pytest.mark.parametrize(
    ("tag", "given"),
    [
        ("00100020", {"vr": "LO", "Value": [5]}),
        ("00100020", {"vr": "LO", "Value": ["a\0b"]}),
        ("00100020", {"vr": "LO", "Value": [True]}),
        ("00100020", {"vr": "LO", "BulkDataURI": "http://x"}),
        ("00100020", {"vr": "LO", "InlineBinary": "AAE="}),
        ("00100010", {"vr": "PN", "Value": [{"Family": "Doe"}]}),
        ("00100010", {"vr": "PN", "Value": [{"Alphabetic": "a\0b"}]}),
        ("00741002", {"vr": "LO", "Value": [{"x": 1}]}),
        ("00741002", {"vr": "SQ", "Value": ["x"]}),
        ("00091001", {"vr": "OB", "InlineBinary": "no base64!"}),
        ("00091001", {"vr": "OB", "Value": ["AAE="]}),
    ],
)
def test_what_a_vr_cannot_have_is_refused(tag: str, given: Any) -> None:
    with pytest.raises(InvalidDocument):
        checked({tag: given})
