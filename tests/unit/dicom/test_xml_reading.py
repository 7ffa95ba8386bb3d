"""The Native DICOM Model read back: what `to_xml` wrote, what dcm4che writes, and hostile text."""

import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.dicom.header import read_header
from ingestion.dicom.json_model import element, person_name
from ingestion.dicom.xml_model import to_xml
from ingestion.dicom.xml_reading import from_xml
from ingestion.errors import IngestionError, InvalidDocument, ObjectTooComplex
from tests.bundled_files import BUNDLED_FILES
from tests.unit.dicom.readers import split

DOCUMENT = """<?xml version="1.0" encoding="UTF-8"?>
<NativeDicomModel xml:space="preserve">{}</NativeDicomModel>"""


def read(attributes: str) -> dict[str, Any]:
    return from_xml(DOCUMENT.format(attributes).encode())


def test_values_take_the_types_of_the_json_model() -> None:
    assert read(
        '<DicomAttribute tag="00280010" vr="US"><Value number="1">512</Value></DicomAttribute>'
        '<DicomAttribute tag="00180050" vr="DS"><Value number="1">2.50</Value>'
        '<Value number="2">2.5</Value><Value number="3">3</Value></DicomAttribute>'
        '<DicomAttribute tag="00720074" vr="FD"><Value number="1">1.0E3</Value></DicomAttribute>'
        '<DicomAttribute tag="00200013" vr="IS"><Value number="1">007</Value></DicomAttribute>'
        '<DicomAttribute tag="00080005" vr="CS"/>'
    ) == {
        "00280010": element("US", 512),
        "00180050": element("DS", "2.50", 2.5, 3),
        "00720074": element("FD", 1000.0),
        "00200013": element("IS", "007"),
        "00080005": {"vr": "CS"},
    }


def test_number_left_out_is_an_empty_value() -> None:
    assert read(
        '<DicomAttribute tag="00080008" vr="CS"><Value number="3">AXIAL</Value>'
        '<Value number="1">ORIGINAL</Value></DicomAttribute>'
    ) == {"00080008": {"vr": "CS", "Value": ["ORIGINAL", None, "AXIAL"]}}


def test_person_names_are_joined_from_their_components() -> None:
    assert read(
        '<DicomAttribute tag="00100010" vr="PN"><PersonName number="1"><Alphabetic>'
        "<FamilyName>Wang</FamilyName><NamePrefix>Dr</NamePrefix></Alphabetic>"
        "<Ideographic><FamilyName>王</FamilyName></Ideographic></PersonName></DicomAttribute>"
    ) == {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Wang^^^Dr", "Ideographic": "王"}]}}


def test_private_elements_without_a_block_are_given_one_of_their_creator() -> None:
    assert read(
        '<DicomAttribute tag="00090001" vr="LO" privateCreator="A"><Value>one</Value>'
        '</DicomAttribute><DicomAttribute tag="00090002" vr="LO" privateCreator="B"/>'
        '<DicomAttribute tag="00091101" vr="LO" privateCreator="C"/>'
        '<DicomAttribute tag="00090003" vr="LO" privateCreator="A"/>'
    ) == {
        "00090010": element("LO", "A"),
        "00090011": element("LO", "C"),
        "00090012": element("LO", "B"),
        "00091001": element("LO", "one"),
        "00091003": {"vr": "LO"},
        "00091101": {"vr": "LO"},
        "00091202": {"vr": "LO"},
    }


def test_bulk_data_is_named_by_uri_or_uuid() -> None:
    assert read(
        '<DicomAttribute tag="7FE00010" vr="OW"><BulkData uri="bulk/1"/></DicomAttribute>'
        '<DicomAttribute tag="00420011" vr="OB"><BulkData uuid="4-4"/></DicomAttribute>'
        '<DicomAttribute tag="00282000" vr="OB"><InlineBinary> AAEC\n</InlineBinary>'
        "</DicomAttribute>"
    ) == {
        "7FE00010": {"vr": "OW", "BulkDataURI": "bulk/1"},
        "00420011": {"vr": "OB", "BulkDataURI": "4-4"},
        "00282000": {"vr": "OB", "InlineBinary": "AAEC"},
    }


def test_every_file_reads_back_as_it_was_written() -> None:
    for path in BUNDLED_FILES:
        try:
            reader, transfer_syntax_uid = split(path.read_bytes())
            header = read_header(reader, transfer_syntax_uid)
        except IngestionError:
            continue
        written = to_xml(orjson.loads(header.document))
        assert to_xml(from_xml(written)) == EMPTY_NAME.sub(b" /", written), path


# A name of delimiters alone has no component to write.
EMPTY_NAME = re.compile(
    rb'(?<=Name"|="PN")><PersonName number="1"><Alphabetic /></PersonName></DicomAttribute(?=>)'
)


CHARACTERS = st.characters(
    codec="utf-8", exclude_categories=("Cc", "Cs"), include_characters="\t\r\n"
)
TEXT = st.text(CHARACTERS, max_size=8)
NAMES = TEXT.map(lambda text: text.replace("^", "").replace("=", "")).filter(bool)
INTEGERS = st.integers(-(2**31), 2**31 - 1)
LEAVES = st.one_of(
    st.builds(lambda values: element("LO", *values), st.lists(NAMES, min_size=1, max_size=3)),
    st.builds(lambda values: element("SL", *values), st.lists(INTEGERS, min_size=1)),
    st.builds(lambda value: element("FD", value), st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(person_name, NAMES),
    st.just({"vr": "CS"}),
    st.just({"vr": "OB", "BulkDataURI": "a?b&c=<d>"}),
)
TAGS = st.integers(0x00080000, 0x7FE0FFFF).map(lambda tag: f"{tag & ~0x10000:08X}")
DATA_SETS = st.recursive(
    st.dictionaries(TAGS, LEAVES, max_size=4),
    lambda items: st.dictionaries(
        TAGS,
        st.builds(lambda values: element("SQ", *values), st.lists(items, min_size=1, max_size=2)),
        max_size=3,
    ),
    max_leaves=8,
)


@given(DATA_SETS)
def test_what_is_written_is_read_back(data_set: dict[str, Any]) -> None:
    assert from_xml(to_xml(data_set)) == data_set


NO_DATA_SETS = {
    "nothing": "",
    "not closed": "<NativeDicomModel>",
    "another root": "<Other/>",
    "unknown encoding": '<?xml version="1.0" encoding="nonsense-8"?><NativeDicomModel/>',
    "entity": '<!DOCTYPE a [<!ENTITY b "b">]><NativeDicomModel>&b;</NativeDicomModel>',
    "external document type": '<!DOCTYPE a SYSTEM "file:///etc/passwd"><NativeDicomModel/>',
    "external entity": (
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><NativeDicomModel>&x;'
        "</NativeDicomModel>"
    ),
}
NO_ATTRIBUTES = {
    "item at the top": "<Item/>",
    "short tag": '<DicomAttribute tag="0008"/>',
    "unknown VR": '<DicomAttribute tag="00080018" vr="ZZ"/>',
    "far number": '<DicomAttribute tag="00080018" vr="UI"><Value number="9999999"/>',
    "number zero": '<DicomAttribute tag="00080018" vr="UI"><Value number="0"/></DicomAttribute>',
    "attribute twice": '<DicomAttribute tag="00080018" vr="UI"/>' * 2,
    "creator of a standard one": '<DicomAttribute tag="00080018" vr="UI" privateCreator="A"/>',
    "unknown group": (
        '<DicomAttribute tag="00100010" vr="PN"><PersonName><Other/></PersonName></DicomAttribute>'
    ),
    "unknown component": (
        '<DicomAttribute tag="00100010" vr="PN"><PersonName><Alphabetic><Other/></Alphabetic>'
        "</PersonName></DicomAttribute>"
    ),
    "two kinds of value": (
        '<DicomAttribute tag="00080018" vr="UI"><Value>1</Value><BulkData uri="a"/>'
        "</DicomAttribute>"
    ),
    "text in a sequence": (
        '<DicomAttribute tag="00081140" vr="SQ"><Value>1</Value></DicomAttribute>'
    ),
}


@pytest.mark.parametrize("document", NO_DATA_SETS.values(), ids=NO_DATA_SETS)
def test_document_that_is_no_data_set_is_refused(document: str) -> None:
    with pytest.raises(InvalidDocument):
        from_xml(document.encode())


@pytest.mark.parametrize("attributes", NO_ATTRIBUTES.values(), ids=NO_ATTRIBUTES)
def test_what_are_no_attributes_is_refused(attributes: str) -> None:
    with pytest.raises(InvalidDocument):
        read(attributes)


def test_a_million_laughs_are_not_heard() -> None:
    entities = '<!ENTITY a0 "ha">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)
    )
    with pytest.raises(InvalidDocument):
        from_xml(f"<!DOCTYPE a [{entities}]><NativeDicomModel>&a11;</NativeDicomModel>".encode())


def nested(depth: int) -> bytes:
    begin = '<DicomAttribute tag="00081140" vr="SQ"><Item>' * depth
    return DOCUMENT.format(begin + "</Item></DicomAttribute>" * depth).encode()


def test_depth_is_bounded() -> None:
    assert from_xml(nested(64))
    with pytest.raises(ObjectTooComplex):
        from_xml(nested(65))
    with pytest.raises(ObjectTooComplex):
        from_xml(nested(20_000))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_data_set_or_a_refusal(document: bytes) -> None:
    try:
        from_xml(document)
    except (InvalidDocument, ObjectTooComplex):
        return


@given(st.text("<>/=\"'& NativeDicomModelVu#;0123456789", max_size=80))
def test_any_xml_gives_a_data_set_or_a_refusal(inside: str) -> None:
    try:
        from_xml(f"<NativeDicomModel>{inside}</NativeDicomModel>".encode())
    except (InvalidDocument, ObjectTooComplex):
        return
