"""Data sets of DICOM JSON match keys as PS3.4 C.2.2.2 says, at any depth."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.document_matching import (
    DocumentKey,
    matches_all,
    parse_document_key,
    with_combined_times,
)
from ingestion.dicom.json_model import JsonDataSet, element, person_name
from ingestion.dicom.match_keys import LITERAL, MatchingOption
from ingestion.errors import InvalidQuery

DATA_SET: JsonDataSet = {
    "00080008": element("CS", "ORIGINAL", "PRIMARY", "AXIAL"),
    "00080022": element("DA", "20260102"),
    "00080032": element("TM", "101530.25"),
    "0008002A": element("DT", "20260102101530.250000+0100"),
    "00081060": element("PN", {"Alphabetic": "Roe^Richard"}, {"Ideographic": "山田^太郎"}),
    "00081115": element(
        "SQ",
        {
            "0020000E": element("UI", "1.2.3"),
            "0008114A": element("SQ", {"00081155": element("UI", "1.2.3.4")}, {}),
        },
    ),
    "00090010": element("LO", "ACME"),
    "00091001": element("FD", 1.5, 2.0),
    "00091002": {"vr": "UN", "InlineBinary": "QUJDIA=="},  # "ABC "
    "00101010": element("AS", "045Y"),
    "00104000": element("LT", "left\\right, then up"),
    "00181030": element("LO", "Head", None, "Neck"),
    "00180050": element("DS", 1.25),
    "00189305": element("FD", 0.1),
    "00186020": element("SL", -5),
    "00280009": element("AT", "00181063"),
    "00282000": {"vr": "OB", "InlineBinary": "AAAA"},
    "00400275": element(
        "SQ",
        {"00400009": element("SH", "S1"), "00401001": element("SH", "R1")},
        {"00400009": element("SH", "S2"), "00401001": element("SH", "R2")},
    ),
    "00081111": {"vr": "SQ"},
    "00189306": element("FD", "NaN"),
    "0018602C": element("FD", 2),
    "00089459": element("FL", 0.10000000149011612),
    "00081040": {"vr": "LO"},
}

EMPTY, MULTIPLE = MatchingOption.EMPTY_VALUES, MatchingOption.MULTIPLE_VALUES
FUZZY = MatchingOption.FUZZY_NAMES


def matched(*pairs: str, options: MatchingOption = LITERAL, data_set: Any = None) -> bool:
    keys = [
        parse_document_key(name, value, options=options)
        for name, _, value in (pair.partition("=") for pair in pairs)
    ]
    return matches_all(with_combined_times(keys), DATA_SET if data_set is None else data_set)


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("ImageType=PRIMARY", True),
        ("ImageType=primary", False),
        ("ImageType=AX*", True),
        ("ImageType=LOCALIZER,AXIAL", True),
        ("00080008=LOCALIZER\\AXIAL", True),
        ("AcquisitionDate=20260101-", True),
        ("AcquisitionDate=-20260101", False),
        ("AcquisitionTime=1015", True),
        ("AcquisitionTime=11", False),
        ("00101010=045Y", True),
        ("00101010=044Y,046Y", False),
        ("PatientComments=left\\right, then up", True),
        ("PatientComments=left", False),
        ("PatientComments=left\\*", True),
        ("ProtocolName=Neck", True),
        ("ProtocolName=Head\\Foot", True),
        ("SliceThickness=1.25", True),
        ("SliceThickness=+1.250", True),
        ("SliceThickness=125e-2", True),
        ("SliceThickness=1.2", False),
        ("RevolutionTime=0.1", True),
        ("SingleCollimationWidth=1", False),
        ("ReferencePixelX0=-5", True),
        ("ReferencePixelX0=-05,7", True),
        ("ReferencePixelX0=5", False),
        ("PhysicalDeltaX=2", True),
        ("00089459=0.1", True),
        ("FrameIncrementPointer=00181063", True),
        ("FrameIncrementPointer=00181064", False),
        ("00090010=ACME", True),
        ("00091001=1.5", True),
        ("00091001=2", True),
        ("00091001=3", False),
        ("00091002=ABC", True),
        ("00091002=A?C", True),
        ("00091003=x", False),
        ("PerformingPhysicianName=x", False),
        ("PhysiciansReadingStudyIdentificationSequence=", True),
        ("NameOfPhysiciansReadingStudy=roe^richard", True),
        ("NameOfPhysiciansReadingStudy=Roe^Rich", False),
        ("NameOfPhysiciansReadingStudy=*山田*", True),
        ("ReferencedSeriesSequence.SeriesInstanceUID=1.2.3", True),
        ("ReferencedSeriesSequence.SeriesInstanceUID=1.2", False),
        ("00081115.0008114a.ReferencedSOPInstanceUID=1.2.3.4,1.2", True),
        ("00081115.0008114a.ReferencedSOPInstanceUID=1.2.3", False),
        ("ReferencedPerformedProcedureStepSequence.ReferencedSOPInstanceUID=1.2", False),
        ("PaletteColorLookupTableUID=", True),
        ("SpecificCharacterSet=ISO_IR 192", True),
    ],
)  # fmt: skip
def test_an_attribute_matches(pair: str, expected: bool) -> None:
    assert matched(pair) is expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("2026", True),
        ("202601", True),
        ("20260102101530.25", True),
        ("20260102101530.251", False),
        ("20260102101531", False),
        ("20260102091530.25+0000", True),
        ("20260102041530.25-0500", True),
        ("20260102101530.25+0000", False),
        ("20260101-20260102", True),
        ("20260101-2026010210", True),
        ("20260101-2026010209", False),
        ("20260101-2026010209+0000", True),
        ("20260102-", True),
        ("-20260101", False),
        ("-2026", True),
        ("20260102-1000-20260103", False),
        ("20260101-0500-20260103", True),
    ],
)
def test_moments_match_in_ranges_and_by_what_is_given(key: str, expected: bool) -> None:
    assert matched(f"AcquisitionDateTime={key}") is expected


def test_a_moment_without_offset_is_in_the_zone_of_its_data_set() -> None:
    data_set = {"0008002A": element("DT", "20260102010000")}
    key = "AcquisitionDateTime=2026010200+0000"
    assert not matched(key, data_set=data_set)
    assert matched(key, data_set=data_set | {"00080201": element("SH", "+0100")})


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["RequestAttributesSequence.ScheduledProcedureStepID=S1"], True),
        (["00400275.00400009=S1", "00400275.00401001=R1"], True),
        (["00400275.00400009=S1", "00400275.00401001=R2"], False),
        (["00400275.00400009=S*", "00400275.00401001=R2"], True),
        (["00400275.00400009=S1", "00400275.00401001="], True),
        (["00400275.00400009=S1", "00080008=AXIAL"], True),
    ],
)
def test_keys_of_a_sequence_match_in_one_item(pairs: list[str], expected: bool) -> None:
    assert matched(*pairs) is expected


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ('InstitutionalDepartmentName=""', True),
        ('StudyComments=""', True),
        ('ImageType=""', False),
        ('IconImageSequence=""', True),
        ('ReferencedPerformedProcedureStepSequence=""', True),
        ('ReferencedPerformedProcedureStepSequence.ReferencedSOPInstanceUID=""', True),
        ('RequestAttributesSequence=""', False),
        ('RequestAttributesSequence.ScheduledProcedureStepDescription=""', True),
        ('RequestAttributesSequence.ScheduledProcedureStepID=""', False),
        ('ICCProfile=""', False),
        ('PixelData=""', True),
        ('SliceThickness=""', False),
        ('00091002=""', False),
    ],
)
def test_empty_values_match_what_is_not_there(pair: str, expected: bool) -> None:
    assert matched(pair, options=EMPTY) is expected


def test_multiple_values_must_all_match() -> None:
    assert matched("ImageType=PRIMARY\\AXIAL", options=MULTIPLE)
    assert not matched("ImageType=PRIMARY\\LOCALIZER", options=MULTIPLE)
    assert matched("ImageType=PRIMARY\\LOCALIZER")
    with pytest.raises(InvalidQuery, match="ImageType"):
        matched("ImageType=PRIM*\\AXIAL", options=MULTIPLE)


def test_fuzzy_names_match_any_component_of_any_value() -> None:
    assert matched("NameOfPhysiciansReadingStudy=rich ro", options=FUZZY)
    assert matched("NameOfPhysiciansReadingStudy=太", options=FUZZY)
    assert not matched("NameOfPhysiciansReadingStudy=ichard", options=FUZZY)
    assert matched("PatientName=zoë", options=FUZZY, data_set={"00100010": person_name("Zoe")})


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("20260101-20260103", "2200-0600", True),  # from the 1st at 22 to the 3rd at 6
        ("20260102-20260103", "1100-0600", False),
        ("20260102-", "1016-", False),
        ("20260101-", "2300-", True),
        ("-20260102", "-1015", True),
        ("-20260103", "-0000", True),
        ("20260101-", "-1100", True),  # of two forms: each for itself
        ("20260102", "1000-1100", True),
        ("20260101-20260103", "11", False),
    ],
)
def test_ranges_of_dates_and_of_their_times_are_one(date: str, time: str, expected: bool) -> None:
    assert matched(f"AcquisitionDate={date}", f"AcquisitionTime={time}") is expected
    assert matched(f"AcquisitionTime={time}", f"AcquisitionDate={date}") is expected


def test_a_date_without_a_time_is_the_beginning_of_its_day() -> None:
    keys = "AcquisitionDate=20260101-20260102", "AcquisitionTime=10-0000"
    assert matched(*keys, data_set={"00080022": element("DA", "20260102")})


@pytest.mark.parametrize(
    "pairs", [["ContentTime=12-11"], ["ContentDate=20260101-20260101", "ContentTime=12-11"]]
)
def test_times_alone_must_be_in_order(pairs: list[str]) -> None:
    with pytest.raises(InvalidQuery, match="Time"):
        matched(*pairs)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "NoSuchKeyword",
        "(0010,0020)",
        "001000",
        "00100020.00100010",
        "PatientID.PatientName",
        "RequestAttributesSequence.",
        ".PatientID",
        "FFFEE000",
        ".".join(["00400275"] * 40),
    ],
)
def test_what_names_no_attribute_is_an_invalid_query(name: str) -> None:
    with pytest.raises(InvalidQuery):
        parse_document_key(name, "x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PixelData", "x"),
        ("RequestAttributesSequence", "x"),
        ("FrameIncrementPointer", "PatientID"),
        ("PatientAge", "45"),
        ("PatientAge", "04?Y"),
        ("SliceThickness", "thin"),
        ("SliceThickness", "1-2"),
        ("SliceThickness", "nan"),
        ("00089459", "1e39"),
        ("AcquisitionDateTime", "202613"),
        ("AcquisitionDateTime", "20260230"),
        ("AcquisitionDateTime", "2026010225"),
        ("AcquisitionDateTime", "2026010209153025"),
        ("AcquisitionDateTime", "-"),
        ("AcquisitionDateTime", "20260102-20260101"),
        ("AcquisitionDateTime", "2026*"),
    ],
)
def test_what_cannot_be_matched_is_an_invalid_query(name: str, value: str) -> None:
    with pytest.raises(InvalidQuery):
        parse_document_key(name, value)


def test_attributes_of_repeating_groups_have_their_vr() -> None:
    assert parse_document_key("60020010", "8").vr == "US"
    assert matched("60020010=8", data_set={"60020010": element("US", 8)})


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (("00090010=ACME", "00091001=1.5"), True),
        (("00090011=ACME", "00091101=1.5"), True),
        (("000900ff=ACME", "0009FF02=ABC"), True),
        (("00090011=ACME", "00091001=1.5"), False),
        (("00090010=OTHER", "00091001=1.5"), False),
        (("00091001=1.5",), True),
        (("00110010=ACME", "00111001=1.5"), False),
    ],
)
def test_private_elements_are_those_of_their_creator(
    pairs: tuple[str, ...], expected: bool
) -> None:
    # PS3.5 7.8.1: a block is another one in each data set.
    assert matched(*pairs) is expected
    assert matched(*pairs, "PatientAge=045Y") is expected


def test_private_elements_of_items_are_those_of_their_creator_there() -> None:
    item = {
        "00090010": element("LO", "OTHER"),
        "00090011": element("LO", "ACME"),
        "00091101": element("LO", "Kit"),
    }
    data_set = {"00081115": element("SQ", item), "00090010": element("LO", "ACME")}
    pair = ("00081115.00090010=ACME", "00081115.00091001=Kit")
    assert matched(*pair, data_set=data_set)
    assert not matched("00081115.00090010=OTHER", pair[1], data_set=data_set)


def test_no_pattern_makes_a_long_value_slow() -> None:
    data_set = {"00104000": element("LT", "a" * 20_000 + "b")}
    for pattern in ("*a" * 4000 + "c", "a*" * 4000 + "?c", "*?a" * 2000 + "c"):
        assert not matched(f"PatientComments={pattern}", data_set=data_set)
    assert matched("PatientComments=" + "*a" * 4000 + "*b", data_set=data_set)


def test_a_fuzzy_name_has_few_components() -> None:
    assert parse_document_key("PatientName", "a " * 50, options=FUZZY)
    with pytest.raises(InvalidQuery, match="components"):
        parse_document_key("PatientName", "a " * 51, options=FUZZY)


NAMES = [
    "ImageType", "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "PatientAge",
    "SliceThickness", "ReferencePixelX0", "00089459", "FrameIncrementPointer", "00091001",
    "00091002", "PatientName", "PatientComments", "RequestAttributesSequence.RequestedProcedureID",
]  # fmt: skip
TEXTS = st.one_of(st.text(max_size=12), st.text('0123456789-+.:*?,\\"eEY ', max_size=24))
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(max_size=3), inner)),
    max_leaves=5,
)


@given(name=st.sampled_from(NAMES), text=TEXTS, options=st.sampled_from([LITERAL, *MatchingOption]))
def test_any_text_is_a_key_or_an_invalid_query(
    name: str, text: str, options: MatchingOption
) -> None:
    with suppress(InvalidQuery):
        key = parse_document_key(name, text, options=options)
        assert isinstance(key, DocumentKey)
        assert matches_all([key], DATA_SET) in (True, False)


@given(name=st.sampled_from(NAMES), content=JSON_VALUES)
def test_any_json_matches_or_does_not(name: str, content: Any) -> None:
    texts = {"PatientAge": "045Y", "FrameIncrementPointer": "00100010"}
    texts |= {"AcquisitionDate": "20260101-", "AcquisitionDateTime": "2026+0100"}
    key = parse_document_key(name, texts.get(name, "10"))
    for found in (content, {"Value": content}, {"Value": [content]}, {"InlineBinary": content}):
        assert matches_all([key], {f"{key.path[0]:08X}": found}) in (True, False)
        creator = parse_document_key("00090010", "ACME")
        assert matches_all([key, creator], {"00090011": found}) is False
