"""JSON to elements: what is encoded reads back as it was given, and what breaks its VR is refused.

The table of VRs is that of PS3.5 6.2; the JSON types are those of PS3.18 Table F.2.3-1.
"""

import base64
from io import BytesIO
from typing import Any

import orjson
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.data_set_encoding import BulkValue, encode_data_set
from ingestion.dicom.json_encoding import element_header
from ingestion.dicom.json_model import dumps, element
from ingestion.dicom.json_reading import parse_data_set
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from ingestion.errors import IngestionError, InvalidDocument, MalformedDataSet
from tests.bundled_files import BUNDLED_FILES
from tests.unit.dicom.readers import scanned_json, split

UTF_8 = {"00080005": element("CS", "ISO_IR 192")}


def encoded(data_set: dict[str, Any]) -> bytes:
    pieces = encode_data_set(data_set)
    assert all(isinstance(piece, bytes) for piece in pieces)
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))


def read_back(data_set: dict[str, Any]) -> dict[str, Any]:
    return scanned_json(encoded(data_set), EXPLICIT_VR_LITTLE_ENDIAN)


def inline(vr: str, content: bytes) -> dict[str, Any]:
    return {"vr": vr, "InlineBinary": base64.b64encode(content).decode()}


def floats(width: int) -> st.SearchStrategy[float]:
    return st.floats(allow_nan=False, allow_infinity=False, width=width)  # type: ignore[arg-type]


def integers(bits: int, *, is_signed: bool) -> st.SearchStrategy[int]:
    return (
        st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)
        if is_signed
        else (st.integers(0, (1 << bits) - 1))
    )


def many(vr: str, values: st.SearchStrategy[Any], *, most: int = 3) -> st.SearchStrategy[Any]:
    listed = st.lists(values, min_size=1, max_size=most)
    return st.one_of(st.just({"vr": vr}), listed.map(lambda found: element(vr, *found)))


CODES = st.text("ABCDEFG0123456789_", min_size=1, max_size=16)
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\\^="),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip() == text and not text.endswith("\0"))
LINES = st.lists(WORDS, min_size=1, max_size=3).map("\\".join)  # one value, in which \ is a letter
NAMES = st.dictionaries(
    st.sampled_from(("Alphabetic", "Ideographic", "Phonetic")), WORDS, min_size=1, max_size=3
)
UIDS = st.integers(1, 10**30).map(lambda number: f"2.25.{number}")
TAGS = st.from_regex(r"[0-7][0-9A-F]{7}", fullmatch=True)
BINARY = st.binary(min_size=1, max_size=32).map(lambda content: content * 8)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "AE": many("AE", CODES),
    "AS": many("AS", st.from_regex(r"[0-9]{3}[DWMY]", fullmatch=True)),
    "AT": many("AT", TAGS),
    "CS": many("CS", CODES),
    "DA": many("DA", st.from_regex(r"20[0-9]{6}", fullmatch=True)),
    "DS": many("DS", st.one_of(st.integers(-9999, 9999), floats(32))),
    "DT": many("DT", st.from_regex(r"20[0-9]{12}\.[0-9]{6}", fullmatch=True)),
    "FD": many("FD", floats(64)),
    "FL": many("FL", floats(32)),
    "IS": many("IS", integers(32, is_signed=True)),
    "LO": many("LO", WORDS),
    "LT": many("LT", LINES, most=1),
    "OB": st.binary(min_size=1, max_size=32).map(lambda content: inline("OB", content * 2)),
    "OD": BINARY.map(lambda content: inline("OD", content)),
    "OF": BINARY.map(lambda content: inline("OF", content)),
    "OL": BINARY.map(lambda content: inline("OL", content)),
    "OV": BINARY.map(lambda content: inline("OV", content)),
    "OW": BINARY.map(lambda content: inline("OW", content)),
    "PN": many("PN", NAMES),
    "SH": many("SH", WORDS),
    "SL": many("SL", integers(32, is_signed=True)),
    "SS": many("SS", integers(16, is_signed=True)),
    "ST": many("ST", LINES, most=1),
    "SV": many("SV", integers(64, is_signed=True)),
    "TM": many("TM", st.from_regex(r"[01][0-9][0-5][0-9]{3}", fullmatch=True)),
    "UC": many("UC", WORDS),
    "UI": many("UI", UIDS),
    "UL": many("UL", integers(32, is_signed=False)),
    "UN": BINARY.map(lambda content: inline("UN", content)),
    "UR": many("UR", UIDS.map(lambda uid: f"https://a.example/{uid}"), most=1),
    "US": many("US", integers(16, is_signed=False)),
    "UT": many("UT", LINES, most=1),
    "UV": many("UV", integers(64, is_signed=False)),
}
# Private tags have the VR that is written; standard ones would be read by the dictionary.
PRIVATE_TAGS = st.integers(0x1001, 0x10FF).map(lambda number: f"0011{number:04X}")
ELEMENTS = st.one_of(*VALUES.values())


def data_sets(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    sequences = st.lists(items, max_size=2).map(lambda found: element("SQ", *found))
    return st.dictionaries(PRIVATE_TAGS, st.one_of(ELEMENTS, sequences), max_size=4).map(
        lambda found: {tag: ({"vr": "SQ"} if value == {"vr": "SQ", "Value": []} else value)
                       for tag, value in found.items()}
    )  # fmt: skip


DATA_SETS = st.recursive(st.dictionaries(PRIVATE_TAGS, ELEMENTS, max_size=5), data_sets)


@pytest.mark.parametrize("vr", VALUES)
def test_every_vr_is_tried_with_values_of_its_own(vr: str) -> None:
    @given(VALUES[vr])
    def check(attribute: dict[str, Any]) -> None:
        found = read_back({"00111001": attribute})
        assert found == UTF_8 | {"00111001": attribute}

    check()


@given(DATA_SETS)
def test_data_sets_read_back_as_they_were_given(data_set: dict[str, Any]) -> None:
    parsed = parse_data_set(dumps(data_set))
    assert parsed == data_set
    assert read_back(parsed) == UTF_8 | data_set


@given(DATA_SETS)
def test_pydicom_reads_what_is_encoded(data_set: dict[str, Any]) -> None:
    found = pydicom.dcmread(BytesIO(encoded(data_set)), force=True)
    assert {f"{item.tag.group:04X}{item.tag.element:04X}" for item in found} == {
        "00080005",
        *data_set,
    }


def test_documents_of_all_files_are_encoded_and_read_back() -> None:
    for path in BUNDLED_FILES:
        try:
            reader, transfer_syntax_uid = split(path.read_bytes())
            document = scanned_json(reader.content, transfer_syntax_uid)
        except IngestionError:
            continue
        without_bulk = {
            tag: value
            for tag, value in document.items()
            if b"BulkDataURI" not in orjson.dumps(value) and value["vr"] != "UN"
        }
        found = read_back(without_bulk)
        is_same = without_character_set(found) == without_character_set(without_bulk)
        assert is_same or path.name in WITH_VALUES_OF_ODD_LENGTH, path.name


WITH_VALUES_OF_ODD_LENGTH = {"nested_priv_SQ.dcm"}


def without_character_set(found: Any) -> Any:
    if isinstance(found, dict):
        return {k: without_character_set(v) for k, v in found.items() if k != "00080005"}
    return [without_character_set(item) for item in found] if isinstance(found, list) else found


@pytest.mark.parametrize(
    ("given_values", "written"),
    [
        ({"vr": "IS", "Value": ["12", 7.0, None]}, b"12\\7\\ "),
        ({"vr": "DS", "Value": ["1.50", 2]}, b"1.50\\2"),
        ({"vr": "US", "Value": ["12", 3.0]}, b"\x0c\0\x03\0"),
        ({"vr": "UV", "Value": ["18446744073709551615"]}, b"\xff" * 8),
        ({"vr": "FL", "Value": ["NaN", "-Infinity"]}, b"\0\0\xc0\x7f\0\0\x80\xff"),
        ({"vr": "AT", "Value": ["0020000d"]}, b"\x20\0\x0d\0"),
        ({"vr": "PN", "Value": ["Doe", None, {"Ideographic": "王"}]}, "Doe\\\\=王 ".encode()),
        ({"vr": "CS", "Value": ["A", None, "B"]}, b"A\\\\B"),
        ({"vr": "UI", "Value": ["1.2.3"]}, b"1.2.3\0"),
        ({"vr": "OB", "InlineBinary": "AQ=="}, b"\x01\0"),
        ({"vr": "OB", "InlineBinary": ""}, b""),
        ({"vr": "LO", "Value": [None]}, b""),
    ],
)  # fmt: skip
def test_what_clients_write_becomes_the_value(given_values: dict[str, Any], written: bytes) -> None:
    data_set = parse_data_set(orjson.dumps({"00111001": given_values}))
    assert encoded(data_set)[18:].endswith(written)
    assert len(encoded(data_set)) == 18 + (12 if given_values["vr"] in ("OB", "UV") else 8) + len(
        written
    )


@pytest.mark.parametrize(
    "attribute",
    [
        element("US", 65536),
        element("US", -1),
        element("US", 1.5),
        element("US", "x"),
        element("US", True),
        element("US", None, 3),
        element("SL", [1]),
        element("FL", 1e300),
        element("IS", True),
        element("DS", {}),
        element("AT", "0020"),
        element("AT", "nothing!"),
        element("CS", "Ä"),
        element("CS", 3),
        element("UI", "é"),
        element("PN", {"Other": "a"}),
        element("PN", {"Alphabetic": 3}),
        element("PN", 3),
        element("LT", "a", "b"),
        element("UR", "a", "b"),
        element("OB", "text"),
        element("UN", "text"),
        {"vr": "OB", "InlineBinary": "!!!!"},
        {"vr": "OB", "InlineBinary": "é"},
        {"vr": "LO", "InlineBinary": "AAAA"},
    ],
    ids=repr,
)
def test_value_that_breaks_its_vr_is_refused(attribute: dict[str, Any]) -> None:
    with pytest.raises(MalformedDataSet):
        encode_data_set({"00111001": attribute})


@pytest.mark.parametrize("tag", ["FFFEE000", "00000002"])
def test_what_is_no_element_of_a_data_set_is_refused(tag: str) -> None:
    with pytest.raises(MalformedDataSet):
        encode_data_set({tag: element("UL", 1)})


def test_file_meta_and_group_lengths_are_left_out() -> None:
    assert read_back({"00020010": element("UI", "1.2"), "00080000": element("UL", 4)}) == UTF_8


def test_value_longer_than_a_length_field_can_tell_is_refused() -> None:
    assert element_header(0x7FE00010, "OW", 0xFFFFFFFE) == b"\xe0\x7f\x10\0OW\0\0\xfe\xff\xff\xff"
    with pytest.raises(MalformedDataSet):
        element_header(0x7FE00010, "OW", 0x100000000)


def test_text_too_long_for_its_vr_keeps_every_byte() -> None:
    found = read_back({"00111001": element("LT", "x" * 70_000)})
    assert base64.b64decode(found["00111001"].get("InlineBinary", "")) == b"x" * 70_000 or (
        "BulkDataURI" in found["00111001"]
    )


def test_bulk_data_marks_its_place_at_any_depth() -> None:
    pieces = encode_data_set(
        {
            "54000100": element("SQ", {"54001010": {"vr": "OW", "BulkDataURI": "a"}}),
            "7FE00010": {"vr": "OW", "BulkDataURI": "b"},
        }
    )
    assert [piece for piece in pieces if isinstance(piece, BulkValue)] == [
        BulkValue(0x54001010, "OW", "a", is_nested=True),
        BulkValue(0x7FE00010, "OW", "b", is_nested=False),
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | floats(64) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("vr", "Value", "00111001", "Alphabetic")), inner)
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(("00111001", "00080005", "7fe00010", "FFFEE000", "x")),
        st.dictionaries(
            st.sampled_from(("vr", "Value", "InlineBinary", "BulkDataURI")),
            st.sampled_from((*VALUES, "SQ")) | JSON,
        )
        | JSON,
    )
)
def test_any_json_is_encoded_or_refused(parsed: dict[str, Any]) -> None:
    try:
        encode_data_set(parse_data_set(orjson.dumps(parsed)))
    except (InvalidDocument, MalformedDataSet):
        return
