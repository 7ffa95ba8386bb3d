"""Identifiers: read and written in every transfer syntax, in the right character set.

Source: PS3.5 Annexes H, I, J, K (examples of character sets), PS3.4 C.4.1.1.3.2.
"""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from ingestion.dimse.protocol.identifiers import decode_identifier, encode_identifier
from ingestion.errors import InvalidQuery, MalformedDataSet
from tests.builders import data_set_bytes
from tests.unit.dicom.readers import FILES

SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
]
NAMED = {"00080052": {"vr": "CS", "Value": ["STUDY"]}}


def named(name: str) -> dict[str, object]:
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False)
    return NAMED | {"00100010": {"vr": "PN", "Value": [dict(groups)]}}


def read(encoded: bytes, syntax: str) -> Dataset:
    """As pydicom reads it."""
    uid = UID(syntax)
    return read_dataset(BytesIO(encoded), uid.is_implicit_VR, uid.is_little_endian)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_every_kind_of_value_comes_back(syntax: UID) -> None:
    data_set = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080020": {"vr": "DA", "Value": ["20260101-"]},
        "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
        "00081030": {"vr": "LO", "Value": ["Schädel"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Dö*", "Ideographic": "山?"}]},
        "00101030": {"vr": "DS", "Value": [70.5]},
        "0020000D": {"vr": "UI", "Value": ["1.2.3", "1.2.34"]},
        "00200013": {"vr": "IS", "Value": [7]},
        "00280010": {"vr": "US", "Value": [512]},
        "00280009": {"vr": "AT", "Value": ["00181063"]},
        "00720074": {"vr": "FD", "Value": [1.5]},
        "00400275": {
            "vr": "SQ",
            "Value": [{"00400009": {"vr": "SH", "Value": ["é"]}}, {"00401001": {"vr": "SH"}}],
        },
    }
    encoded = encode_identifier(data_set, syntax, character_set="ISO_IR 192")
    assert len(encoded) % 2 == 0
    assert decode_identifier(encoded, syntax) == data_set


@pytest.mark.parametrize("syntax", [SYNTAXES[0], SYNTAXES[1], SYNTAXES[3]], ids=lambda u: u.name)
def test_pydicom_reads_the_same(syntax: UID) -> None:
    data_set = named("Doe^Jane") | {
        "00280010": {"vr": "US", "Value": [512, 1]},
        "00400275": {"vr": "SQ", "Value": [{"00401001": {"vr": "SH", "Value": ["P1"]}}]},
    }
    found = read(encode_identifier(data_set, syntax), syntax)
    assert list(found.keys()) == sorted(found.keys())
    assert found.to_json_dict() == data_set


@pytest.mark.parametrize(
    ("character_set", "name", "encoded"),
    [
        ("ISO_IR 100", "Buc^Jérôme", b"Buc^J\xe9r\xf4me"),
        ("ISO_IR 144", "Люкceмбypг", b"\xbb\xee\xdace\xdc\xd1yp\xd3"),
        (
            "ISO_IR 192",
            "Wang^XiaoDong=王^小东",
            b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe4\xb8\x9c",
        ),
        ("GB18030", "Wang^XiaoDong=王^小东", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab"),
        (
            "\\ISO 2022 IR 87",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        ),
        (
            "ISO 2022 IR 13\\ISO 2022 IR 87",
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
            (
                b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"
                b"=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J"
            ),
        ),
        (
            "\\ISO 2022 IR 149",
            "Hong^Gildong=洪^吉洞=홍^길동",
            (
                b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"
                b"=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"
            ),
        ),
    ],
)
def test_names_are_written_as_the_standard_shows(
    character_set: str, name: str, encoded: bytes
) -> None:
    identifier = encode_identifier(named(name), ExplicitVRLittleEndian, character_set=character_set)
    assert encoded in identifier
    found = read(identifier, ExplicitVRLittleEndian)
    terms = found.SpecificCharacterSet
    assert terms == (character_set.split("\\") if "\\" in character_set else character_set)
    found.decode()
    assert str(found.PatientName) == name


def test_plain_text_needs_no_character_set() -> None:
    encoded = encode_identifier(
        named("Doe^Jane"), ExplicitVRLittleEndian, character_set="ISO_IR 100"
    )
    assert "SpecificCharacterSet" not in read(encoded, ExplicitVRLittleEndian)


@pytest.mark.parametrize("asked", ["", "ISO_IR 6", "ISO_IR 100", "\\ISO 2022 IR 149", "NONSENSE"])
def test_what_the_character_set_cannot_carry_comes_in_utf_8(asked: str) -> None:
    encoded = encode_identifier(named("Doe^Ж山^é"), ExplicitVRLittleEndian, character_set=asked)
    found = read(encoded, ExplicitVRLittleEndian)
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert str(found.PatientName) == "Doe^Ж山^é"


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\\=^")),
    st.sampled_from(
        [
            "ISO_IR 100",
            "ISO_IR 144",
            "GB18030",
            "ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 127",
            "\\ISO 2022 IR 87\\ISO 2022 IR 159",
            "ISO 2022 IR 13\\ISO 2022 IR 87",
        ]
    ),
)
def test_all_text_comes_back_whatever_is_asked_for(text: str, character_set: str) -> None:
    data_set = {"00081030": {"vr": "LO", "Value": [text]}} if text else {"00081030": {"vr": "LO"}}
    encoded = encode_identifier(data_set, ImplicitVRLittleEndian, character_set=character_set)
    decoded = decode_identifier(encoded, ImplicitVRLittleEndian)
    assert decoded["00081030"] == data_set["00081030"]


def test_odd_values_are_sent_empty_and_spoil_nothing() -> None:
    data_set = NAMED | {
        "00080060": {"vr": "CS", "Value": ["é"]},
        "00280010": {"vr": "US", "Value": ["many"]},
        "00282000": {"vr": "OB", "BulkDataURI": "bulkdata/00282000"},
        "00400009": {"vr": "SH", "Value": ["x" * 70_000]},
    }
    found = read(encode_identifier(data_set, ExplicitVRLittleEndian), ExplicitVRLittleEndian)
    assert found.QueryRetrieveLevel == "STUDY"
    assert all(found[tag].is_empty for tag in (0x00080060, 0x00280010, 0x00282000, 0x00400009))


@given(st.binary(max_size=300), st.sampled_from(SYNTAXES))
def test_no_bytes_make_the_reader_stumble(encoded: bytes, syntax: UID) -> None:
    try:
        decode_identifier(encoded, syntax)
    except (MalformedDataSet, InvalidQuery):
        return


@pytest.mark.parametrize("syntax", SYNTAXES[:2], ids=lambda uid: uid.name)
def test_sequences_without_end_are_refused_at_once(syntax: UID) -> None:
    header = b"\x08\x00\x10\x11" + (b"" if syntax.is_implicit_VR else b"SQ\0\0")
    nested = (header + b"\xff" * 4 + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 100_000
    with pytest.raises(InvalidQuery):
        decode_identifier(nested, syntax)


def test_an_inflating_bomb_is_refused() -> None:
    dataset = Dataset()
    dataset.add_new(0x00081030, "UT", "a" * (20 << 20))
    encoded = data_set_bytes(dataset, DeflatedExplicitVRLittleEndian)
    with pytest.raises(InvalidQuery):
        decode_identifier(encoded, DeflatedExplicitVRLittleEndian)


def test_bundled_files_with_charsets_come_back() -> None:
    for path in (path for path in FILES if path.parent.name == "charset_files"):
        dataset = dcmread(path, force=True)
        encoded = data_set_bytes(dataset, ExplicitVRLittleEndian)
        data_set = decode_identifier(encoded, ExplicitVRLittleEndian)
        terms = "\\".join(value or "" for value in data_set["00080005"].get("Value", []))
        again = encode_identifier(data_set, ExplicitVRLittleEndian, character_set=terms)
        decoded = decode_identifier(again, ExplicitVRLittleEndian)
        assert decoded.get("00100010") == data_set.get("00100010"), path
