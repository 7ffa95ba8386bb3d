"""Indexed attributes are decoded, normalised and cut, and never refuse an object."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import dictionary_keyword, dictionary_VR

from ingestion.dicom.attributes import (
    INDEXED,
    REQUEST_ATTRIBUTES,
    IndexedAttributes,
    Level,
    indexed_attributes,
    joined_values,
    normalized_date,
    normalized_time,
    split_values,
)
from ingestion.dicom.character_sets import encodings_of

UIDS = {0x0020000D: b"1.2", 0x0020000E: b"1.3\0", 0x00080018: b"1.4", 0x00080016: b"1.5"}
# PS3.4 Tables C.6-1, C.6-2, C.6-3 and C.6-4 (R and U), PS3.18 Table 10.6.1-5.
REQUIRED = {
    "PatientName PatientID StudyDate StudyTime AccessionNumber StudyID StudyInstanceUID",
    "ReferringPhysicianName Modality SeriesNumber SeriesInstanceUID InstanceNumber",
    "SOPInstanceUID SOPClassUID PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
}


def taken(values: dict[int, bytes], character_set: bytes = b"") -> IndexedAttributes:
    return indexed_attributes(UIDS | values, encodings_of(character_set), is_little_endian=True)


def test_the_table_names_each_column_once_and_as_the_standard_does() -> None:
    rows = (*INDEXED, *REQUEST_ATTRIBUTES)
    assert [row.column for row in rows] == [field.name for field in fields(IndexedAttributes)]
    for row in rows:
        assert dictionary_keyword(row.tag) == row.keyword
        assert dictionary_VR(row.tag) == row.vr
        assert isinstance(row.level, Level)


def test_required_keys_are_those_of_the_standard() -> None:
    required = {row.keyword for row in INDEXED if row.required_key}
    assert required == set(" ".join(REQUIRED).split())


def test_absent_values_are_empty() -> None:
    attributes = taken({})
    assert attributes.patient_name == ""
    assert attributes.series_number is None
    assert attributes.series_instance_uid == "1.3"


def test_text_is_decoded_stripped_and_cut() -> None:
    attributes = taken(
        {
            0x00100010: "Müller^Jürgen^^^ ".encode(),
            0x00100020: b"  A\0" + b"1" * 80,
            0x00081030: "é".encode() * 300,
            0x00080060: b"CT\\MR ",
        },
        b"ISO_IR 192",
    )
    assert attributes.patient_name == "Müller^Jürgen"
    assert attributes.patient_id == "A" + "1" * 63
    assert attributes.study_description == "é" * 256
    assert attributes.modality == "CT"


DATES = {
    "20200102": "20200102",
    "2020.01.02": "20200102",
    "2020-01-02": "20200102",
    "202001": "",
    "yesterday": "",
    "": "",
}
TIMES = {
    "10": "10",
    "1015": "1015",
    "10:15:30": "101530",
    "101530.123456": "101530.123456",
    "101": "",
    "noon": "",
}


@pytest.mark.parametrize("text", DATES)
def test_dates_are_normalised(text: str) -> None:
    assert normalized_date(text) == DATES[text]
    assert taken({0x00080020: text.encode()}).study_date == DATES[text]


@pytest.mark.parametrize("text", TIMES)
def test_times_are_normalised(text: str) -> None:
    assert normalized_time(text) == TIMES[text]
    assert taken({0x00080030: text.encode()}).study_time == TIMES[text]


NUMBERS = {
    b"7 ": 7,
    b"+07": 7,
    b"-1": -1,
    b"3.0 ": 3,
    b"2147483647": 2147483647,
    b"2147483648": None,
    b"-2147483649": None,
    b"99999999999999999999999": None,
    b"abc": None,
    b"1\\2": 1,
    b"": None,
}


@pytest.mark.parametrize("value", NUMBERS)
def test_integer_strings_are_numbers_of_32_bits_or_nothing(value: bytes) -> None:
    assert taken({0x00200013: value}).instance_number == NUMBERS[value]


def test_every_item_of_a_request_has_its_value_between_backslashes() -> None:
    latin = encodings_of(b"ISO_IR 100")
    attributes = indexed_attributes(
        UIDS | {0x00400009: b"of no request"},
        encodings_of(b""),
        is_little_endian=True,
        requests=[
            ({0x00400009: b" SPS-1 ", 0x00401001: b"RP 1\\second"}, latin),
            ({0x00401001: "RP-\xe9".encode("latin-1")}, latin),
        ],
    )
    assert attributes.scheduled_procedure_step_ids == "\\SPS-1\\\\"
    assert attributes.requested_procedure_ids == "\\RP 1\\RP-é\\"
    assert taken({}).requested_procedure_ids == ""


def test_so_many_items_as_the_column_holds_are_indexed_whole() -> None:
    joined = joined_values(["x" * 70] * 20)
    assert len(joined) == REQUEST_ATTRIBUTES[0].characters_max
    assert split_values(joined) == ["x" * 64] * 16


@given(st.lists(st.text(st.characters(exclude_characters="\\"), max_size=64), max_size=16))
def test_joined_values_can_be_split(values: list[str]) -> None:
    assert split_values(joined_values(values)) == values


@given(st.dictionaries(st.sampled_from([row.tag for row in INDEXED]), st.binary(max_size=400)))
def test_no_value_but_an_identifier_refuses_an_object(values: dict[int, bytes]) -> None:
    attributes = taken({tag: value for tag, value in values.items() if tag not in UIDS})
    for row in INDEXED:
        value = getattr(attributes, row.column)
        if row.characters_max:
            assert len(value) <= row.characters_max
            assert "\0" not in value
        else:
            assert value is None or -(1 << 31) <= value < 1 << 31
