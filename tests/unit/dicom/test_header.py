"""What read_header returns of whole objects."""

import json

import pytest

from ingestion.dicom.header import HeaderLimits, read_header
from ingestion.dicom.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from ingestion.errors import InvalidIdentifier, MissingIdentifier
from tests.builders import Element, build_ct, data_set_bytes
from tests.unit.dicom.readers import BytesReader

ENCAPSULATED = "1.2.840.10008.1.2.4.90"
SYNTAXES = [
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ENCAPSULATED,
]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_attributes_are_the_same_in_every_transfer_syntax(syntax: str) -> None:
    dataset = build_ct(study_instance_uid="1.2.3", sop_instance_uid="1.2.3.4", rows=4, columns=6)
    attributes = read_header(BytesReader(data_set_bytes(dataset, syntax)), syntax).attributes
    assert attributes.study_instance_uid == "1.2.3"
    assert attributes.sop_instance_uid == "1.2.3.4"
    assert attributes.sop_class_uid == "1.2.840.10008.5.1.4.1.1.2"
    assert attributes.patient_name == "Doe^Jane"
    assert (attributes.study_date, attributes.study_time) == ("20260102", "101530.25")
    assert (attributes.series_number, attributes.instance_number) == (3, 7)
    assert (attributes.rows, attributes.columns, attributes.bits_allocated) == (4, 6, 16)
    assert attributes.number_of_frames is None
    assert attributes.issuer_of_patient_id == ""


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_pixel_data_is_told_as_bulk_data_and_its_place_is_known(syntax: str) -> None:
    dataset = build_ct(transfer_syntax_uid=syntax)
    content = data_set_bytes(dataset, syntax)
    header = read_header(BytesReader(content), syntax)
    document = json.loads(header.document)
    assert document["7FE00010"]["BulkDataURI"] == "bulkdata/7FE00010"
    assert header.pixel_data_offset is not None
    if syntax == EXPLICIT_VR_LITTLE_ENDIAN:
        at = header.pixel_data_offset
        assert content[at : at + 6] == b"\xe0\x7f\x10\x00OW"


def test_pixels_are_not_read() -> None:
    content = data_set_bytes(build_ct(rows=2048, columns=2048))
    reader = BytesReader(content)
    read_header(reader, EXPLICIT_VR_LITTLE_ENDIAN)
    assert reader.given_bytes <= 1 << 16 < len(content)


def test_elements_after_long_pixel_data_are_read() -> None:
    extra = [(0x7FE10010, "LO", "ACME"), (0x7FE11010, "LO", "after"), (0xFFFCFFFC, "OB", b"\0\0")]
    content = data_set_bytes(build_ct(rows=512, columns=512, extra=extra))
    reader = BytesReader(content)
    document = json.loads(read_header(reader, EXPLICIT_VR_LITTLE_ENDIAN).document)
    assert document["7FE11010"] == {"vr": "LO", "Value": ["after"]}
    assert document["FFFCFFFC"] == {"vr": "OB", "InlineBinary": "AAA="}
    assert reader.given_bytes < 100_000


def test_headers_longer_than_the_first_read_are_read_on() -> None:
    extra: list[Element] = []
    extra += [(0x00091000 + number, "LO", "value " * 10) for number in range(16, 255)]
    extra += [(0x00111000 + number, "UT", "text " * 2000) for number in range(16, 46)]
    extra += [(0x00131010, "OB", bytes(300_000))]
    for transfer_syntax_uid in (EXPLICIT_VR_LITTLE_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN):
        content = data_set_bytes(build_ct(extra=extra), transfer_syntax_uid)
        document = json.loads(read_header(BytesReader(content), transfer_syntax_uid).document)
        assert document["00111010"]["Value"] == [("text " * 2000).rstrip()]
        assert document["00131010"] == {"vr": "OB", "BulkDataURI": "bulkdata/00131010"}
        assert document["00280010"]["Value"] == [8]


def test_bulk_data_in_items_is_found_by_its_path() -> None:
    dataset = build_ct()
    inner = build_ct(extra=[(0x00091002, "OB", bytes(5000))])
    del inner.file_meta
    dataset.ReferencedImageSequence = [build_ct(), inner]
    for item in dataset.ReferencedImageSequence:
        if hasattr(item, "file_meta"):
            del item.file_meta
    content = data_set_bytes(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    document = json.loads(read_header(BytesReader(content), EXPLICIT_VR_LITTLE_ENDIAN).document)
    item = document["00081140"]["Value"][1]
    assert item["00091002"]["BulkDataURI"] == "bulkdata/00081140/1/00091002"
    assert item["7FE00010"]["BulkDataURI"] == "bulkdata/00081140/1/7FE00010"


def test_binary_values_are_inline_up_to_the_limit() -> None:
    content = data_set_bytes(build_ct(extra=[(0x00091002, "OB", b"abcd")]))
    reader = BytesReader(content)
    for limit, key in ((4, "InlineBinary"), (3, "BulkDataURI")):
        limits = HeaderLimits(inline_value_bytes_max=limit)
        document = json.loads(read_header(reader, EXPLICIT_VR_LITTLE_ENDIAN, limits).document)
        assert key in document["00091002"]


@pytest.mark.parametrize("tag", [0x0020000D, 0x0020000E, 0x00080018, 0x00080016])
def test_each_of_the_four_identifiers_is_required(tag: int) -> None:
    for value, error in (
        (None, MissingIdentifier),
        (b"  ", MissingIdentifier),
        (b"1.2/../3", InvalidIdentifier),
    ):
        dataset = build_ct()
        content = data_set_bytes(dataset)
        old = dataset[tag].value.encode()
        new = b"" if value is None else value
        old_length = len(old) + len(old) % 2
        head = tag.to_bytes(4, "big")
        start = content.index(bytes((head[1], head[0], head[3], head[2])) + b"UI") + 6
        patched = content[:start] + len(new).to_bytes(2, "little") + new
        with pytest.raises(error):
            read_header(
                BytesReader(patched + content[start + 2 + old_length :]), EXPLICIT_VR_LITTLE_ENDIAN
            )


def test_implicit_values_depend_on_pixel_representation_that_comes_later() -> None:
    dataset = build_ct(
        extra=[(0x00189810, "SS", -5), (0x00280103, "US", 1), (0x00280106, "SS", -9)]
    )
    content = data_set_bytes(dataset, IMPLICIT_VR_LITTLE_ENDIAN)
    document = json.loads(read_header(BytesReader(content), IMPLICIT_VR_LITTLE_ENDIAN).document)
    assert document["00189810"] == {"vr": "SS", "Value": [-5]}
    assert document["00280106"] == {"vr": "SS", "Value": [-9]}


def test_a_data_set_whose_vrs_contradict_its_transfer_syntax_is_read() -> None:
    content = data_set_bytes(build_ct(), EXPLICIT_VR_LITTLE_ENDIAN)
    assert read_header(BytesReader(content), IMPLICIT_VR_LITTLE_ENDIAN).attributes.rows == 8
    content = data_set_bytes(build_ct(), IMPLICIT_VR_LITTLE_ENDIAN)
    assert read_header(BytesReader(content), EXPLICIT_VR_LITTLE_ENDIAN).attributes.rows == 8
    assert read_header(BytesReader(content), "1.2.3.4").attributes.rows == 8
