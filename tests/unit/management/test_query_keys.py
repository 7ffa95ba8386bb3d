"""Matching keys as they are typed become identifiers, and answers become text."""

import pytest

from ingestion.dicom.json_model import element, person_name
from ingestion.errors import InvalidQuery
from ingestion.management.query_keys import identifier_of, paths_of, shown


def test_keys_become_an_identifier() -> None:
    keys = [
        "PatientName=Doe^Jane=X",
        "StudyDate=20260101-",
        "StudyInstanceUID=1.2\\1.3",
        "00100020",
    ]
    assert identifier_of([*keys, "00100020"]) == {
        "00100010": {"vr": "PN", "Value": ["Doe^Jane=X"]},
        "00080020": {"vr": "DA", "Value": ["20260101-"]},
        "0020000D": {"vr": "UI", "Value": ["1.2", "1.3"]},
        "00100020": {"vr": "LO"},
    }


def test_tags_are_read_as_dcmtk_writes_them() -> None:
    keys = ["(0010,0010)=DOE*", "0040,0275.0040,1001=RP"]
    assert identifier_of(keys) == identifier_of(
        ["PatientName=DOE*", "RequestAttributesSequence.RequestedProcedureID=RP"]
    )
    assert paths_of(keys) == [(0x00100010,), (0x00400275, 0x00401001)]


@pytest.mark.parametrize("key", ["", "=DOE"])
def test_key_without_a_name_is_told(key: str) -> None:
    with pytest.raises(InvalidQuery, match="a key is NAME or NAME=VALUE"):
        identifier_of([key])


@pytest.mark.parametrize(
    "key", ["PatientName=" + "a" * 70_000, "Rows=99999999999", "Rows=nan", "Rows=1.5"]
)
def test_value_that_cannot_be_sent_is_told(key: str) -> None:
    with pytest.raises(InvalidQuery, match=r"cannot have such a value|longer than"):
        identifier_of([key])


def test_values_cannot_steer_a_terminal() -> None:
    data_set = {"00100010": person_name("DOE\x1b[2J^JANE"), "00104000": element("LT", "a\r\nb")}
    assert shown(data_set, (0x00100010,)) == "DOE [2J^JANE"
    assert shown(data_set, (0x00104000,)) == "a  b"


def test_later_key_replaces_an_earlier_one() -> None:
    assert identifier_of(["PatientID", "PatientID=1"]) == {"00100020": {"vr": "LO", "Value": ["1"]}}
    assert paths_of(["PatientID", "PatientID=1"]) == [(0x00100020,)]


def test_keys_below_a_sequence_share_an_item() -> None:
    keys = [
        "RequestAttributesSequence.RequestedProcedureID=RP",
        "RequestAttributesSequence.ScheduledProcedureStepID",
    ]
    item = {"00401001": {"vr": "SH", "Value": ["RP"]}, "00400009": {"vr": "SH"}}
    assert identifier_of(keys) == {"00400275": {"vr": "SQ", "Value": [item]}}
    assert identifier_of(["RequestAttributesSequence"]) == {"00400275": {"vr": "SQ", "Value": [{}]}}


def test_numbers_are_numbers() -> None:
    assert identifier_of(["Rows=512"]) == {"00280010": {"vr": "US", "Value": [512.0]}}


@pytest.mark.parametrize(
    "key", ["Nonsense", "Rows=many", "PatientID.PatientName", "RequestAttributesSequence=1", ""]
)
def test_what_is_no_key_is_told(key: str) -> None:
    with pytest.raises(InvalidQuery):
        identifier_of([key])


def test_values_are_shown_as_text() -> None:
    match = {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane", "Phonetic": "Do"}]},
        "00080061": {"vr": "CS", "Value": ["CT", None, "MR"]},
        "00400275": {"vr": "SQ", "Value": [{"00401001": {"vr": "SH", "Value": ["A"]}}, None]},
        "00280010": {"vr": "US", "Value": [512]},
    }
    assert shown(match, (0x00100010,)) == "Doe^Jane==Do"
    assert shown(match, (0x00080061,)) == "CT\\\\MR"
    assert shown(match, (0x00400275,)) == "2 items"
    assert shown(match, (0x00400275, 0x00401001)) == "A"
    assert shown(match, (0x00280010,)) == "512"
    assert shown(match, (0x00100020,)) == ""
