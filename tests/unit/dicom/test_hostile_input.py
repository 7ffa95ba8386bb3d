"""Whatever the bytes are, only errors of our tree leave the readers, soon and in little memory."""

import struct
import zlib
from contextlib import suppress
from io import SEEK_CUR, BytesIO
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.filereader import read_dataset

from ingestion.dicom.header import HeaderLimits, read_header
from ingestion.dicom.part10 import read_file_meta
from ingestion.dicom.pixels.file_transcoding import transcode_file
from ingestion.dicom.transfer_syntaxes import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from ingestion.errors import (
    IngestionError,
    LimitExceeded,
    MalformedDataSet,
    MissingIdentifier,
    TruncatedDataSet,
    UnreadablePixelData,
)
from tests.builders import build_ct, data_set_bytes, part10_bytes
from tests.unit.dicom.readers import FILES, BytesReader, scanned_json

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"
SYNTAXES = (
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    JPEG_BASELINE,
)
GIGABYTE = 1 << 30
SMALL_FILES = [path for path in FILES if path.stat().st_size < 16_000]


def read(content: bytes, transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN) -> None:
    read_header(BytesReader(content), transfer_syntax_uid)


def element(tag: int, vr: bytes, length: int, value: bytes = b"") -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, length) + value


def long_element(tag: int, vr: bytes, length: int, value: bytes = b"") -> bytes:
    return struct.pack("<HH2sxxI", tag >> 16, tag & 0xFFFF, vr, length) + value


@settings(max_examples=150)
@given(content=st.binary(max_size=300), syntax=st.sampled_from(SYNTAXES))
def test_random_bytes_raise_only_our_errors(content: bytes, syntax: str) -> None:
    with pytest.raises(IngestionError):
        read(content, syntax)
    with suppress(IngestionError):
        read_file_meta(content)


@settings(max_examples=250)
@given(data=st.data(), path=st.sampled_from(SMALL_FILES), syntax=st.sampled_from(SYNTAXES))
def test_mutated_files_raise_only_our_errors(data: st.DataObject, path: Path, syntax: str) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, min(len(content) - 1, 3000)))
        content[place] = data.draw(st.sampled_from([0, 1, 0x41, 0x5C, 0x7F, 0x80, 0xFE, 0xFF]))
    is_stated = data.draw(st.booleans())
    with suppress(IngestionError):
        meta = read_file_meta(bytes(content))
        if meta is not None:
            uid = meta.transfer_syntax_uid if is_stated else syntax
            read(bytes(content[meta.data_set_offset :]), uid)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_truncation_of_the_data_set_is_noticed_but_at_an_element_boundary(
    syntax: str,
) -> None:
    content = data_set_bytes(build_ct(transfer_syntax_uid=syntax, rows=4, columns=4))
    read(content, syntax)
    boundaries = _element_ends(content, syntax)
    for length in range(len(content)):
        try:
            read(content[:length], syntax)
        except (TruncatedDataSet, MissingIdentifier):
            continue
        # Cut between two elements behind the last UID, an object is shorter but whole. A few
        # zero bytes more are taken for padding.
        whole = max(end for end in boundaries if end <= length)
        assert not any(content[whole:length])
        assert length - whole < 8


def _element_ends(content: bytes, syntax: str) -> set[int]:
    """Where elements end, by pydicom; for fragments and deflated bytes nowhere."""
    if syntax == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return {-8}
    dataset = read_dataset(
        BytesIO(content), syntax == IMPLICIT_VR_LITTLE_ENDIAN, syntax != EXPLICIT_VR_BIG_ENDIAN
    )
    raw = cast("list[RawDataElement]", [dataset.get_item(tag) for tag in tuple(dataset.keys())])
    ends = {item.value_tell + item.length for item in raw if item.length != 0xFFFFFFFF}
    return ends - {len(content)}


@pytest.mark.parametrize("is_undefined", [True, False], ids=["undefined", "defined"])
def test_every_truncation_of_a_file_raises_only_our_errors(is_undefined: bool) -> None:
    dataset = build_ct(rows=2, columns=2)
    dataset.ReferencedStudySequence = [build_ct(rows=1, columns=1)]
    dataset["ReferencedStudySequence"].is_undefined_length = is_undefined
    del dataset.ReferencedStudySequence[0].file_meta
    content = part10_bytes(dataset)
    for length in range(len(content)):
        meta = read_file_meta(content[:length])
        if meta is not None:
            with suppress(TruncatedDataSet, MissingIdentifier):
                read(content[meta.data_set_offset : length])


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
def test_an_empty_data_set_lacks_its_identifiers(syntax: str) -> None:
    with pytest.raises(MissingIdentifier):
        read(b"", syntax)


@pytest.mark.parametrize(
    "nested",
    [
        long_element(0x00081140, b"SQ", 0xFFFFFFFF)
        + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF),
        long_element(0x00091140, b"UN", 0xFFFFFFFF)
        + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF),
    ],
    ids=["SQ", "UN"],
)
def test_sequences_nested_100_000_deep_exceed_a_limit(nested: bytes) -> None:
    with pytest.raises(LimitExceeded, match="deeper than 64"):
        read(nested * 100_000)


def test_implicit_sequences_nested_100_000_deep_exceed_a_limit() -> None:
    nested = struct.pack("<HHI", 0x0008, 0x1140, 0xFFFFFFFF)
    nested += struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    with pytest.raises(LimitExceeded, match="deeper than 64"):
        read(nested * 100_000, IMPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize("vr", [b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC"])
def test_a_gigabyte_declared_in_a_kilobyte_is_truncated_and_not_allocated(vr: bytes) -> None:
    content = long_element(0x00081111, vr, GIGABYTE, bytes(1024))
    reader = BytesReader(content)
    with pytest.raises(TruncatedDataSet):
        read_header(reader, EXPLICIT_VR_LITTLE_ENDIAN)
    assert reader.given_bytes <= len(content)


def test_a_gigabyte_of_pixel_data_declared_in_a_kilobyte_is_truncated() -> None:
    content = data_set_bytes(build_ct(extra=[(0x7FE00010, "OW", None)]))
    with pytest.raises(TruncatedDataSet):
        read(content + long_element(0x7FE00010, b"OW", GIGABYTE, bytes(1024)))


def test_an_item_longer_than_its_sequence_is_malformed() -> None:
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 64)
    with pytest.raises(MalformedDataSet):
        read(long_element(0x00081140, b"SQ", 8, item + bytes(200)))


def test_an_element_longer_than_its_item_is_malformed() -> None:
    inner = element(0x00081150, b"UI", 40)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner)) + inner
    with pytest.raises(MalformedDataSet):
        read(long_element(0x00081140, b"SQ", len(item), item + bytes(200)))


def test_a_fragment_beyond_the_end_is_truncated() -> None:
    whole = data_set_bytes(build_ct(transfer_syntax_uid=JPEG_BASELINE))
    with pytest.raises(TruncatedDataSet):
        read(whole[:-8], JPEG_BASELINE)
    with pytest.raises(TruncatedDataSet):
        read(whole[:-60], JPEG_BASELINE)


def test_a_fragment_larger_than_any_decoded_frame_is_not_read(tmp_path: Path) -> None:
    whole = part10_bytes(build_ct(transfer_syntax_uid=RLE_LOSSLESS))
    start = whole.rindex(struct.pack("<HHI", 0xFFFE, 0xE000, 128))
    large = tmp_path / "large.dcm"
    with large.open("wb") as file:
        file.write(whole[:start] + struct.pack("<HHI", 0xFFFE, 0xE000, GIGABYTE))
        file.seek(GIGABYTE, SEEK_CUR)  # a hole, which takes no room on the disk
        file.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
    with pytest.raises(UnreadablePixelData, match="encoded"):
        transcode_file(large, EXPLICIT_VR_LITTLE_ENDIAN, BytesIO())


def test_something_else_among_the_fragments_is_malformed() -> None:
    whole = data_set_bytes(build_ct(transfer_syntax_uid=JPEG_BASELINE))
    with pytest.raises(MalformedDataSet):
        read(whole[:-8] + element(0x00100010, b"PN", 0), JPEG_BASELINE)


def test_a_deflated_bomb_exceeds_a_limit() -> None:
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(64)) + compressor.flush()
    assert len(bomb) < 100_000
    with pytest.raises(LimitExceeded, match="inflates"):
        read_header(
            BytesReader(bomb),
            DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
            HeaderLimits(inflated_bytes_max=16 << 20),
        )


def test_bytes_that_are_not_deflated_are_malformed() -> None:
    with pytest.raises(MalformedDataSet):
        read(b"\xff" * 64, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)


def test_too_many_elements_exceed_a_limit() -> None:
    with pytest.raises(LimitExceeded, match="elements"):
        read_header(
            BytesReader(element(0x00091001, b"LO", 0) * 2000),
            EXPLICIT_VR_LITTLE_ENDIAN,
            HeaderLimits(elements_max=1000),
        )


@pytest.mark.parametrize("size", [1 << 19, 1 << 21], ids=["one value", "many values"])
def test_a_long_header_exceeds_a_limit(size: int) -> None:
    value = b"A" * 65534 if size > 1 << 20 else b""
    content = element(0x00091001, b"LO", 65534, value) * 40 if value else b""
    content = content or long_element(0x00091002, b"UR", size, b"A" * size)
    with pytest.raises(LimitExceeded, match="header exceeds"):
        read_header(
            BytesReader(content), EXPLICIT_VR_LITTLE_ENDIAN, HeaderLimits(header_bytes_max=1 << 18)
        )


# What is broken in one element does not cost the object: element, its JSON.
TOLERATED = {
    "odd length": (element(0x00080060, b"CS", 3, b"CT "), {"vr": "CS", "Value": ["CT"]}),
    "decimal that is none": (
        element(0x00180050, b"DS", 4, b"abc "),
        {"vr": "DS", "Value": ["abc"]},
    ),
    "integer that is none": (
        element(0x00200013, b"IS", 4, b"1.5 "),
        {"vr": "IS", "Value": ["1.5"]},
    ),
    "integer written as decimal": (
        element(0x00200013, b"IS", 4, b"1.0 "),
        {"vr": "IS", "Value": [1]},
    ),
    "infinite decimal": (
        element(0x00180050, b"DS", 6, b"1e9999"),
        {"vr": "DS", "Value": ["1e9999"]},
    ),
    "not a number": (element(0x00180050, b"DS", 4, b"NaN "), {"vr": "DS", "Value": ["NaN"]}),
    "decimal missing among others": (
        element(0x00180050, b"DS", 4, b"1\\\\2"),
        {"vr": "DS", "Value": [1, None, 2]},
    ),
    "number of wrong length": (
        element(0x00280010, b"US", 3, b"\x01\x02\x03"),
        {"vr": "UN", "InlineBinary": "AQID"},
    ),
    "tag of wrong length": (
        element(0x00280009, b"AT", 2, b"\x01\x02"),
        {"vr": "UN", "InlineBinary": "AQI="},
    ),
    "unknown VR, short": (element(0x00080060, b"XX", 2, b"CT"), {"vr": "CS", "Value": ["CT"]}),
    "unknown VR, long": (long_element(0x00080060, b"ZZ", 2, b"CT"), {"vr": "CS", "Value": ["CT"]}),
    "VR left out": (
        struct.pack("<HHI", 0x0008, 0x0060, 2) + b"CT",
        {"vr": "CS", "Value": ["CT"]},
    ),
    "VR UN of a known tag": (
        long_element(0x00080060, b"UN", 2, b"CT"),
        {"vr": "CS", "Value": ["CT"]},
    ),
    "control characters": (
        element(0x00081030, b"LO", 4, b'\x01"\xffA'),
        {"vr": "LO", "Value": ['\x01"\xffA']},
    ),
}


@pytest.mark.parametrize("case", TOLERATED)
def test_a_broken_element_is_kept_as_it_can_be(case: str) -> None:
    broken, expected = TOLERATED[case]
    before = element(0x00080005, b"CS", 10, b"ISO_IR 100")
    document = scanned_json(before + broken, EXPLICIT_VR_LITTLE_ENDIAN)
    (tag,) = set(document) - {"00080005"}
    assert document[tag] == expected


def test_stray_delimiters_and_padding_do_no_harm() -> None:
    stray = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    content = data_set_bytes(build_ct(extra=[(0x7FE00010, "OW", None)])) + stray + bytes(3)
    read(content)


def test_elements_out_of_order_and_repeated_are_sorted_and_the_last_one_counts() -> None:
    content = element(0x00200011, b"IS", 2, b"3 ") + element(0x00080060, b"CS", 2, b"CT")
    document = scanned_json(
        content + element(0x00200011, b"IS", 2, b"4 "), EXPLICIT_VR_LITTLE_ENDIAN
    )
    assert list(document) == ["00080060", "00200011"]
    assert document["00200011"]["Value"] == [4]
