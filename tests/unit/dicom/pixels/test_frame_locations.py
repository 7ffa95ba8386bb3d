"""Frames are found where pydicom finds them, by tables and without, and broken ones are told."""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, ExplicitVRLittleEndian

from ingestion.dicom.header import read_header
from ingestion.dicom.inflating import InflatingReader
from ingestion.dicom.pixels.frame_locations import EncapsulatedFrames, FrameLocations, locate_frames
from ingestion.dicom.transfer_syntaxes import transfer_syntax
from ingestion.errors import IngestionError, UnreadablePixelData
from tests.bundled_files import BUNDLED_FILES, bundled_name
from tests.unit.dicom.readers import BytesReader, split

JPEG = "1.2.840.10008.1.2.4.50"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
RLE = "1.2.840.10008.1.2.5"
MPEG4 = "1.2.840.10008.1.2.4.102"
ITEM, DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
HEADER_BYTES = 100


def read(reader: BytesReader | InflatingReader, locations: FrameLocations, number: int) -> bytes:
    place = locations.place(reader, number)
    assert place is not None
    stored = b"".join(reader.read_at(*span) for span in place.spans)
    frame = stored if place.is_verbatim else place.extract(stored)
    assert len(frame) == place.size_bytes
    return frame


def with_pixels() -> list[Path]:
    """The bundled files that hold Pixel Data and that the product takes."""
    found = []
    for path in BUNDLED_FILES:
        try:
            reader, syntax = split(path.read_bytes())
            header = read_header(reader, syntax)
        except IngestionError:
            continue
        if header.pixel_data_offset is not None:
            found.append(path)
    return found


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("path", with_pixels(), ids=bundled_name)
def test_frames_of_bundled_files_are_those_of_pydicom(path: Path) -> None:
    stored, syntax_uid = split(path.read_bytes())
    syntax = transfer_syntax(syntax_uid)
    reader = InflatingReader(stored, 1 << 30) if syntax.is_deflated else stored
    header = read_header(stored, syntax_uid)
    assert header.pixel_data_offset is not None
    document = json.loads(header.document)
    try:
        locations = locate_frames(
            reader, header.pixel_data_offset, transfer_syntax_uid=syntax_uid, header=document
        )
        found = [read(reader, locations, number + 1) for number in range(locations.count)]
    except UnreadablePixelData:
        with pytest.raises((ValueError, AttributeError)):
            list(iter_pixels(path))
        return
    expected = frames_by_pydicom(dcmread(path, force=True), UID(syntax_uid))
    assert found == expected


def frames_by_pydicom(dataset: Dataset, syntax: UID) -> list[bytes]:
    if syntax.is_encapsulated:
        count = int(dataset.get("NumberOfFrames", 1))
        return list(generate_frames(dataset.PixelData, number_of_frames=count))
    arrays = iter_pixels(dataset, raw=True)
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        return [dataset.PixelData[: dataset.Rows * dataset.Columns * 2]]
    if dataset.BitsAllocated == 1:
        return [np.packbits(array.ravel(), bitorder="little").tobytes() for array in arrays]
    return [planar(array, dataset).tobytes() for array in arrays]


def planar(array: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Little endian, in the planes of the data set."""
    little = array.astype(array.dtype.newbyteorder("<"))
    is_planar = array.ndim == 3 and dataset.get("PlanarConfiguration", 0)
    return little.transpose(2, 0, 1) if is_planar else little


def item(content: bytes) -> bytes:
    return ITEM + struct.pack("<I", len(content)) + content


def encapsulated(
    fragments: Sequence[bytes], *, table: Sequence[int] = (), end: bytes = DELIMITER
) -> BytesReader:
    """A data set whose Pixel Data begins at HEADER_BYTES."""
    value = item(struct.pack(f"<{len(table)}I", *table)) + b"".join(map(item, fragments)) + end
    return BytesReader(
        bytes(HEADER_BYTES) + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + value + b"trailing"
    )


def located(
    reader: BytesReader,
    count: int | None,
    *,
    syntax: str = JPEG,
    extended: Sequence[int] = (),
    use_offset_tables: bool = True,
) -> FrameLocations:
    header = {} if count is None else {"00280008": {"vr": "IS", "Value": [count]}}
    return locate_frames(
        reader,
        HEADER_BYTES,
        transfer_syntax_uid=syntax,
        header=header,
        extended_offsets=extended,
        use_offset_tables=use_offset_tables,
    )


def all_frames(reader: BytesReader, locations: FrameLocations) -> list[bytes]:
    return [read(reader, locations, number + 1) for number in range(locations.count)]


def offsets_of(frames: Sequence[Sequence[bytes]]) -> list[int]:
    """Where frames of fragments begin, from the first item on."""
    offsets, offset = [], 0
    for fragments in frames:
        offsets.append(offset)
        offset += sum(8 + len(fragment) for fragment in fragments)
    return offsets


FRAMES = [[b"aaaa", b"bb"], [b"cccccc"], [b"dd", b"eeee", b"ff"]]
JOINED = [b"".join(fragments) for fragments in FRAMES]
FLAT = [fragment for fragments in FRAMES for fragment in fragments]


@pytest.mark.parametrize("kind", ["basic", "extended"])
def test_offset_tables_tell_fragments_of_frames(kind: str) -> None:
    offsets = offsets_of(FRAMES)
    reader = encapsulated(FLAT, table=offsets if kind == "basic" else ())
    locations = located(reader, 3, extended=offsets if kind == "extended" else ())
    assert isinstance(locations, EncapsulatedFrames)
    assert locations.is_by_table
    assert all_frames(reader, locations) == JOINED


def test_without_a_table_each_fragment_is_a_frame_when_there_are_so_many() -> None:
    reader = encapsulated(FLAT)
    assert all_frames(reader, located(reader, 6)) == FLAT


@pytest.mark.parametrize("count", [None, 0, 1])
def test_without_a_number_all_fragments_are_one_frame(count: int | None) -> None:
    reader = encapsulated(FLAT)
    assert all_frames(reader, located(reader, count)) == [b"".join(FLAT)]


def test_a_film_is_one_stream_whatever_its_number_of_frames() -> None:
    reader = encapsulated(FLAT)
    assert all_frames(reader, located(reader, 300, syntax=MPEG4)) == [b"".join(FLAT)]


def test_empty_fragments_are_no_frames() -> None:
    reader = encapsulated([b"aa", b"bb", b""])
    assert all_frames(reader, located(reader, 2)) == [b"aa", b"bb"]


@pytest.mark.parametrize(
    ("syntax", "start"),
    [
        (JPEG, b"\xff\xd8\xff\xe0"),
        (JPEG_2000, b"\xff\x4f\xff\x51"),
        (RLE, struct.pack("<II", 3, 64)),
    ],
)
def test_without_a_table_streams_tell_where_frames_begin(syntax: str, start: bytes) -> None:
    fragments = [start + b"1" * 9, b"2" * 70_000, start + b"3", b"4", start]
    reader = encapsulated(fragments)
    locations = located(reader, 3, syntax=syntax)
    assert all_frames(reader, locations) == [
        b"".join(fragments[:2]),
        b"".join(fragments[2:4]),
        start,
    ]


def test_fragments_that_nothing_tells_apart_are_refused() -> None:
    with pytest.raises(UnreadablePixelData):
        located(encapsulated(FLAT), 4)


@pytest.mark.parametrize(
    "table", [[0], [0, 8, 4], [0, 0, 22], [4, 22, 36], [0, 22, 4_000_000_000], [0, 22]]
)
def test_a_table_that_cannot_be_true_is_not_used(table: list[int]) -> None:
    reader = encapsulated([b"aaaa", b"bbbb", b"cccc"], table=table)
    assert all_frames(reader, located(reader, 3)) == [b"aaaa", b"bbbb", b"cccc"]


@pytest.mark.parametrize("table", [[0, 5, 24], [0, 12, 13], [0, 12, 35], [0, 12, 36]])
def test_a_table_that_leads_astray_is_told_and_the_fragments_decide(table: list[int]) -> None:
    reader = encapsulated([b"aaaa", b"bbbb", b"cccc"], table=table)
    locations = located(reader, 3)
    assert None in [locations.place(reader, number) for number in (1, 2, 3)]
    again = located(reader, 3, use_offset_tables=False)
    assert all_frames(reader, again) == [b"aaaa", b"bbbb", b"cccc"]


@pytest.mark.parametrize("cut_bytes", range(2, 60, 3))
def test_fragments_that_are_cut_off_are_told(cut_bytes: int) -> None:
    whole = encapsulated([b"a" * 20, b"b" * 20])
    reader = BytesReader(whole.content[:-cut_bytes])
    try:
        frames = all_frames(reader, located(reader, 2))
    except UnreadablePixelData:
        assert cut_bytes > len(b"trailing")
    else:
        assert frames == [b"a" * 20, b"b" * 20]


def test_a_frame_by_a_table_costs_only_its_own_headers() -> None:
    frames = [[bytes([number]) * 50_000] for number in range(200)]
    reader = encapsulated([fragments[0] for fragments in frames], table=offsets_of(frames))
    locations = located(reader, 200)
    reader.given_bytes = 0
    place = locations.place(reader, 150)
    assert place is not None
    assert place.spans[0].length == 50_000
    assert reader.given_bytes < 10_000


def native(value: bytes, header: dict[str, int]) -> tuple[BytesReader, FrameLocations]:
    element = b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<I", len(value))
    reader = BytesReader(bytes(HEADER_BYTES) + element + value)
    document: dict[str, Any] = {
        tag: {"vr": "US", "Value": [number]} for tag, number in header.items()
    }
    document["7FE00010"] = {"vr": "OW"}
    document["00280004"] = {"vr": "CS", "Value": ["MONOCHROME2"]}
    return reader, locate_frames(
        reader, HEADER_BYTES, transfer_syntax_uid=ExplicitVRLittleEndian, header=document
    )


@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    bits=st.sampled_from([1, 8, 16, 32]),
    frames=st.integers(1, 5),
    content=st.randoms(use_true_random=False),
)
def test_native_frames_of_any_size_are_realigned(
    rows: int, columns: int, bits: int, frames: int, content: Random
) -> None:
    size = rows * columns * bits
    packed = [content.getrandbits(size) for _ in range(frames)]
    number = sum(frame << index * size for index, frame in enumerate(packed))
    value = number.to_bytes(-(-size * frames // 16) * 2, "little")
    reader, locations = native(
        value, {"00280010": rows, "00280011": columns, "00280100": bits, "00280008": frames}
    )
    assert all_frames(reader, locations) == [
        frame.to_bytes(-(-size // 8), "little") for frame in packed
    ]


def test_a_native_frame_that_is_not_all_there_is_refused() -> None:
    reader, locations = native(
        bytes(7), {"00280010": 2, "00280011": 2, "00280100": 8, "00280008": 2}
    )
    assert read(reader, locations, 1) == bytes(4)
    with pytest.raises(UnreadablePixelData):
        locations.place(reader, 2)


@given(st.binary(max_size=200), st.integers(0, 5), st.booleans())
def test_any_bytes_give_frames_or_a_typed_error(
    content: bytes, count: int, is_encapsulated: bool
) -> None:
    head = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" if is_encapsulated else b""
    reader = BytesReader(bytes(HEADER_BYTES) + head + content)
    try:
        locations = located(reader, count)
        places = [locations.place(reader, number + 1) for number in range(locations.count)]
    except UnreadablePixelData:
        return
    for place in places:
        for span in place.spans if place else ():
            assert 0 <= span.offset <= span.offset + span.length <= reader.size_bytes
