"""Finds the bytes of each frame of Pixel Data without reading the pixels.

Native frames are found by arithmetic, encapsulated ones by the Extended or Basic Offset Table;
where there is none, or a wrong one, by the fragments themselves. Only headers of items are read.
Source: PS3.5 8.1.1 (packing), 8.2 and A.4 (fragments, Basic Offset Table), PS3.3 C.7.6.3.1.8
(Extended Offset Table).
"""

import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ingestion.dicom.elements import (
    ITEM,
    PIXEL_DATA_TAGS,
    SEQUENCE_DELIMITATION_ITEM,
    UNDEFINED_LENGTH,
)
from ingestion.dicom.inflating import DataSetReader
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.json_values import BINARY_WORD_BYTES
from ingestion.dicom.pixels.byte_order import little_endian
from ingestion.dicom.pixels.decoding import image_pixel
from ingestion.dicom.scanning import FRAGMENTS_MAX
from ingestion.dicom.transfer_syntaxes import transfer_syntax
from ingestion.errors import UnreadablePixelData

# Headers of many small fragments come in one read, that of one frame costs little.
WALK_READ_BYTES = 1 << 16
FRAME_READ_BYTES = 1 << 12

_NUMBER_OF_FRAMES = "00280008"
_ITEM_HEADER_BYTES = 8
_ITEM_HEADER = struct.Struct("<HHI")
# Of all VRs that Pixel Data can have; no even length of implicit VR looks like one of them.
_PIXEL_DATA_VRS = frozenset((b"OB", b"OW", b"OF", b"OD", b"UN"))

# How a frame begins: JPEG and JPEG-LS (SOI), JPEG 2000 (SOC, SIZ), JP2, JPEG XL (both forms).
_STREAM_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cj", b"\xff\x0a", b"\0\0\0\x0cJ")
_RLE_SEGMENTS_MAX, _RLE_HEADER_BYTES = 15, 64  # PS3.5 G.5


class Span(NamedTuple):
    """Bytes of a data set."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class FramePlace:
    """Where one frame is: `bits` bits from `first_bit` on of all spans joined, low bits first.

    The spans hold words of `word_bytes`, most significant byte first where that is more than 1.
    """

    spans: tuple[Span, ...]
    bits: int
    first_bit: int = 0
    word_bytes: int = 1

    @property
    def size_bytes(self) -> int:
        """Bytes of the frame alone."""
        return (self.bits + 7) // 8

    @property
    def is_verbatim(self) -> bool:
        """Whether the frame is its spans as they stand."""
        stored = sum(span.length for span in self.spans)
        return self.bits == 8 * stored and self.word_bytes == 1

    def extract(self, stored: bytes) -> bytes:
        """The frame alone, from a byte boundary on and in little endian, of the spans' bytes."""
        stored = little_endian(stored, self.word_bytes)
        first_byte, shift = divmod(self.first_bit, 8)
        covering = stored[first_byte : (self.first_bit + self.bits + 7) // 8]
        if not shift and not self.bits % 8:
            return covering
        number = int.from_bytes(covering, "little") >> shift
        return (number & ((1 << self.bits) - 1)).to_bytes(self.size_bytes, "little")


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """Frames that follow each other bit by bit in `value`."""

    value: Span
    frame_bits: int
    count: int
    word_bytes: int = 1

    @property
    def size_bytes(self) -> int:
        """About what this takes in memory."""
        return 200

    def place(self, _reader: DataSetReader, number: int) -> FramePlace:
        """Where frame `number` (from 1 to `count`) is. Raises `UnreadablePixelData`."""
        first_bit = (number - 1) * self.frame_bits
        last_byte = (first_bit + self.frame_bits + 7) // 8
        if last_byte > self.value.length:
            raise UnreadablePixelData(f"Pixel Data ends before frame {number} does")
        first_byte = first_bit // 8 // self.word_bytes * self.word_bytes
        last_byte = min(-(-last_byte // self.word_bytes) * self.word_bytes, self.value.length)
        span = Span(self.value.offset + first_byte, last_byte - first_byte)
        return FramePlace((span,), self.frame_bits, first_bit - 8 * first_byte, self.word_bytes)


@dataclass(frozen=True, slots=True)
class EncapsulatedFrames:
    """Frames of whole fragments: each begins at the item of its first one, `starts[n - 1]`."""

    starts: "array[int]"
    is_by_table: bool

    @property
    def count(self) -> int:
        """How many frames there are."""
        return len(self.starts)

    @property
    def size_bytes(self) -> int:
        """About what this takes in memory."""
        return 200 + self.starts.itemsize * len(self.starts)

    def place(self, reader: DataSetReader, number: int) -> FramePlace | None:
        """Where the fragments of frame `number` (from 1 to `count`) are.

        None when an offset table led to something else: locate the frames again without it.
        Raises `UnreadablePixelData`.
        """
        headers = _ItemHeaders(reader, FRAME_READ_BYTES if self.is_by_table else WALK_READ_BYTES)
        is_last = number == len(self.starts)
        stop = reader.size_bytes if is_last else self.starts[number]
        try:
            spans = tuple(headers.fragments(self.starts[number - 1], stop))
        except UnreadablePixelData:
            if self.is_by_table:
                return None
            raise
        if self.is_by_table and not spans:
            return None
        return FramePlace(spans, 8 * sum(span.length for span in spans))


FrameLocations = NativeFrames | EncapsulatedFrames


def locate_frames(
    reader: DataSetReader,
    element_offset: int,
    *,
    transfer_syntax_uid: str,
    header: JsonDataSet,
    extended_offsets: Sequence[int] = (),
    use_offset_tables: bool = True,
) -> FrameLocations:
    """Where the frames of the Pixel Data element at `element_offset` are.

    `extended_offsets` is the Extended Offset Table, if there is one. Raises `UnreadablePixelData`.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    value, vr = _pixel_data_value(
        reader.read_at(element_offset, 12),
        element_offset,
        is_little_endian=syntax.is_little_endian,
    )
    if value.length != UNDEFINED_LENGTH:
        if syntax.is_encapsulated and syntax.name:
            raise UnreadablePixelData("compressed Pixel Data is not in fragments")
        image = image_pixel(header)
        available = min(value.length, reader.size_bytes - value.offset)
        return NativeFrames(
            Span(value.offset, available),
            image.frame_bits,
            image.number_of_frames,
            1 if syntax.is_little_endian else _word_bytes(vr, image.bits_allocated),
        )
    if not syntax.is_encapsulated:
        raise UnreadablePixelData("Pixel Data is in fragments, which its transfer syntax has not")
    headers = _ItemHeaders(reader, WALK_READ_BYTES)
    tag, table_bytes = headers.at(value.offset)
    if tag != ITEM:
        raise UnreadablePixelData("Pixel Data has no Basic Offset Table item")
    first = value.offset + _ITEM_HEADER_BYTES + table_bytes
    count = 1 if syntax.is_video else _number_of_frames(header)
    if count == 1:
        return EncapsulatedFrames(array("Q", [first]), is_by_table=False)
    if use_offset_tables:
        offsets = extended_offsets or _basic_offsets(
            reader, value.offset, table_bytes=table_bytes, count=count
        )
        if _is_plausible(offsets, count, available=reader.size_bytes - first):
            return EncapsulatedFrames(
                array("Q", [first + offset for offset in offsets]), is_by_table=True
            )
    return EncapsulatedFrames(
        _starts_of_frames(headers, range(first, reader.size_bytes), count=count), is_by_table=False
    )


def fragments_of(reader: DataSetReader, value_offset: int) -> tuple[Span, ...]:
    """The fragments of an encapsulated value, its Basic Offset Table left out.

    Raises `UnreadablePixelData`.
    """
    headers = _ItemHeaders(reader, WALK_READ_BYTES)
    return tuple(headers.fragments(value_offset, reader.size_bytes))[1:]


def cut(spans: Iterable[Span], offset: int, end: int) -> Iterator[Span]:
    """The spans of the bytes `offset` to `end` of them all joined."""
    passed = 0
    for span in spans:
        first, last = max(offset - passed, 0), min(end - passed, span.length)
        if first < last:
            yield Span(span.offset + first, last - first)
        passed += span.length


class _ItemHeaders:
    """The headers of items, read with what follows them."""

    def __init__(self, reader: DataSetReader, read_bytes: int) -> None:
        self._reader = reader
        self._read_bytes = read_bytes
        self._base = 0
        self._buffer = b""

    def at(self, offset: int) -> tuple[int, int]:
        """Tag and length of the item at `offset`. Raises `UnreadablePixelData`."""
        header = self.peek(offset, _ITEM_HEADER_BYTES)
        if len(header) < _ITEM_HEADER_BYTES:
            raise UnreadablePixelData("Pixel Data ends inside an item")
        group, number, length = _ITEM_HEADER.unpack(header)
        return group << 16 | number, length

    def peek(self, offset: int, length: int) -> bytes:
        """The bytes at `offset`; fewer only at the end."""
        start = offset - self._base
        if start < 0 or start + length > len(self._buffer):
            self._buffer = self._reader.read_at(offset, self._read_bytes)
            self._base, start = offset, 0
        return self._buffer[start : start + length]

    def fragments(self, offset: int, stop: int) -> Iterator[Span]:
        """The fragments from the item at `offset` to `stop` or to the delimiter (PS3.5 A.4)."""
        for _ in range(FRAGMENTS_MAX):
            if offset == stop:
                return
            tag, length = self.at(offset)
            if tag == SEQUENCE_DELIMITATION_ITEM:
                return
            value = Span(offset + _ITEM_HEADER_BYTES, length)
            offset = value.offset + length
            if tag != ITEM or length == UNDEFINED_LENGTH or offset > stop:
                raise UnreadablePixelData("Pixel Data has something that is no fragment")
            yield value
        raise UnreadablePixelData(f"Pixel Data has more than {FRAGMENTS_MAX} fragments")


def _pixel_data_value(head: bytes, offset: int, *, is_little_endian: bool) -> tuple[Span, str]:
    """Where the value is, and its VR; its length may be undefined."""
    order = "<" if is_little_endian else ">"
    if len(head) == 12:
        group, number = struct.unpack_from(order + "HH", head)
        if group << 16 | number in PIXEL_DATA_TAGS:
            if head[4:6] in _PIXEL_DATA_VRS:
                (length,) = struct.unpack_from(order + "I", head, 8)
                return Span(offset + 12, length), head[4:6].decode()
            (length,) = struct.unpack_from(order + "I", head, 4)
            return Span(offset + 8, length), "OW"
    raise UnreadablePixelData("Pixel Data is not where it was when the object was received")


def _word_bytes(vr: str, bits_allocated: int) -> int:
    """What big endian puts in another order: whole pixels, and two bytes at least in OW."""
    return max(BINARY_WORD_BYTES[vr], bits_allocated // 8) if vr == "OW" else BINARY_WORD_BYTES[vr]


def _number_of_frames(header: JsonDataSet) -> int:
    values = header.get(_NUMBER_OF_FRAMES, {}).get("Value") or [1]
    number = values[0]
    return number if isinstance(number, int) and number > 0 else 1


def _basic_offsets(
    reader: DataSetReader, offset: int, *, table_bytes: int, count: int
) -> Sequence[int]:
    """The Basic Offset Table, () when it is not one of so many frames."""
    if table_bytes != 4 * count:
        return ()
    table = reader.read_at(offset + _ITEM_HEADER_BYTES, table_bytes)
    return struct.unpack(f"<{count}I", table) if len(table) == table_bytes else ()


def _is_plausible(offsets: Sequence[int], count: int, *, available: int) -> bool:
    """Whether the first frame comes first, each other one behind it, and none behind the end."""
    return (
        len(offsets) == count
        and offsets[0] == 0
        and offsets[-1] < available
        and all(one < other for one, other in pairwise(offsets))
    )


def _starts_of_frames(headers: _ItemHeaders, items_at: range, *, count: int) -> "array[int]":
    """Where frames begin, told by the fragments. Raises `UnreadablePixelData`."""
    items, stream_items = array("Q"), array("Q")
    for fragment in headers.fragments(items_at.start, items_at.stop):
        if fragment.length:
            item = fragment.offset - _ITEM_HEADER_BYTES
            items.append(item)
            if _begins_a_stream(headers.peek(fragment.offset, min(fragment.length, 8))):
                stream_items.append(item)
    for found in (items, stream_items):
        if len(found) == count:
            return found
    raise UnreadablePixelData(
        f"{len(items)} fragments without a true offset table cannot be told apart as {count} frames"
    )


def _begins_a_stream(head: bytes) -> bool:
    if head.startswith(_STREAM_STARTS):
        return True
    if len(head) < 8:
        return False
    segments, first_segment = struct.unpack("<II", head)
    return bool(1 <= segments <= _RLE_SEGMENTS_MAX and first_segment == _RLE_HEADER_BYTES)
