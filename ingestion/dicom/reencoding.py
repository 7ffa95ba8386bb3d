"""Writes a data set again in another encoding, element by element: what the values are stays so.

VRs that the bytes do not tell are taken from the data set's DICOM JSON, so that a file says what
its metadata says. Sequences get undefined lengths; group lengths, which would be wrong, are left
out. Source: PS3.5 7 (structure), 7.3 (byte order), 6.2.2 (VR UN), A.4 (fragments).
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ingestion.dicom import elements
from ingestion.dicom.elements import ElementKind, Encoding, Treatment
from ingestion.dicom.inflating import DataSetReader
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.json_values import BINARY_WORD_BYTES
from ingestion.dicom.pixels.byte_order import little_endian
from ingestion.dicom.window import Window
from ingestion.errors import MalformedDataSet, UnreadablePixelData

_CHUNK_BYTES = 1 << 20  # a multiple of every word
_UNBOUNDED = 1 << 62  # the data set was read before: its limits have been kept
_BITS_ALLOCATED = "00280100"

# PS3.5 7.3: what is turned around when the byte order changes.
_WORD_BYTES = BINARY_WORD_BYTES | {
    "AT": 2, "SS": 2, "US": 2, "FL": 4, "SL": 4, "UL": 4, "FD": 8, "SV": 8, "UV": 8,
}  # fmt: skip


class ByteSink(Protocol):
    """Where bytes are written to."""

    def write(self, content: bytes, /) -> object:
        """Take all of `content`."""
        ...


class ElementWriter:
    """Writes headers of elements and items in one encoding."""

    def __init__(self, target: ByteSink, encoding: Encoding) -> None:
        """Nothing is written yet."""
        self.encoding = encoding
        self.write = target.write
        order = "<" if encoding.is_little_endian else ">"
        self._tag = struct.Struct(order + "HH").pack
        self._short = struct.Struct(order + "H").pack
        self._long = struct.Struct(order + "I").pack

    def header(self, tag: int, vr: str, length: int) -> None:
        """The header of an element. A value too long for its VR's length becomes UN (6.2.2)."""
        head = self._tag(tag >> 16, tag & 0xFFFF)
        if not self.encoding.is_explicit:
            head += self._long(length)
        elif vr in elements.SHORT_VRS and length <= 0xFFFF:
            head += vr.encode() + self._short(length)
        else:
            known = "UN" if vr in elements.SHORT_VRS else vr
            head += known.encode() + b"\0\0" + self._long(length)
        self.write(head)

    def element(self, tag: int, vr: str, value: bytes) -> None:
        """A whole element, its value in the order of the encoding."""
        self.header(tag, vr, len(value))
        self.write(value)

    def item(self, tag: int, length: int) -> None:
        """The header of an item, or a delimiter."""
        self.write(self._tag(tag >> 16, tag & 0xFFFF) + self._long(length))


@dataclass(frozen=True, slots=True)
class _Element:
    kind: ElementKind
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class _Place:
    """A data set or an item while it is copied. `end` is the offset at which it ends at last."""

    encoding: Encoding
    document: JsonDataSet
    depth: int
    end: int
    is_delimited: bool = False


# The elements to write instead, by tag; None to leave one out.
Changes = Mapping[int, tuple[str, bytes] | None]


class DataSetCopier:
    """Copies one data set that a scanner has read without an error; make a new one for each."""

    def __init__(
        self,
        reader: DataSetReader,
        writer: ElementWriter,
        *,
        changes: Changes,
        write_pixel_data: Callable[[], None] | None = None,
    ) -> None:
        """Prepare to copy. `write_pixel_data` writes the Pixel Data element, if it changes."""
        self._window = Window(reader, _UNBOUNDED)
        self._writer = writer
        self._changes = changes
        self._waiting = sorted(changes, reverse=True)
        self._write_pixel_data = write_pixel_data

    def copy(self, encoding: Encoding, document: JsonDataSet) -> None:
        """Write the data set that is encoded so, and whose DICOM JSON is `document`."""
        self._copy_elements(_Place(encoding, document, depth=0, end=self._window.size))
        self._write_changes(before=1 << 32)

    def _copy_elements(self, place: _Place) -> None:
        window = self._window
        while window.offset < place.end:
            head = window.peek(12)[: place.end - window.offset]
            if len(head) < 8:  # padding
                window.skip_to(place.end)
                return
            kind = place.encoding.kind_of(head[:8])
            length = kind.unpack_length(head.ljust(12, b"\0"), kind.length_offset)[0]
            element = _Element(kind, window.offset + kind.header_bytes, length)
            window.skip_to(element.start)
            if kind.treatment is not Treatment.DELIMITER:
                self._copy_element(place, element)
            elif kind.tag == elements.ITEM_DELIMITATION_ITEM and place.is_delimited:
                return

    def _copy_element(self, place: _Place, element: _Element) -> None:
        tag, is_top = element.kind.tag, place.depth == 0
        attribute = place.document.get(f"{tag:08X}")
        if is_top:
            self._write_changes(before=tag + 1)
        if attribute is None or (is_top and tag in self._changes):
            self._pass_value(place, element)
            return
        if is_top and tag in elements.PIXEL_DATA_TAGS and self._write_pixel_data:
            self._write_pixel_data()
            self._pass_value(place, element)
            return
        vr = attribute["vr"] if element.kind.treatment is Treatment.UNRESOLVED else element.kind.vr
        if vr == "SQ" or (vr == "UN" and element.length == elements.UNDEFINED_LENGTH):
            self._copy_sequence(place, element, items=attribute.get("Value", []))
        elif element.length == elements.UNDEFINED_LENGTH:
            raise UnreadablePixelData(f"compressed {tag:08X} is not where pixel data is expected")
        else:
            self._copy_value(place, element, vr=vr)

    def _write_changes(self, *, before: int) -> None:
        while self._waiting and self._waiting[-1] < before:
            tag = self._waiting.pop()
            if (change := self._changes[tag]) is not None:
                self._writer.element(tag, *change)

    def _pass_value(self, place: _Place, element: _Element) -> None:
        if element.length != elements.UNDEFINED_LENGTH:
            self._window.skip_to(element.start + element.length)
        else:
            self._pass_fragments(place.encoding)

    def _copy_value(self, place: _Place, element: _Element, *, vr: str) -> None:
        turned_bytes = 1
        if place.encoding.is_little_endian != self._writer.encoding.is_little_endian:
            turned_bytes = _word_bytes(element.kind.tag, vr, place.document)
        self._writer.header(element.kind.tag, vr, element.length)
        remaining = element.length
        while remaining:
            chunk = self._window.take(min(remaining, _CHUNK_BYTES))
            self._writer.write(little_endian(chunk, turned_bytes))
            remaining -= len(chunk)

    def _copy_sequence(self, place: _Place, element: _Element, *, items: list[JsonDataSet]) -> None:
        window, writer = self._window, self._writer
        is_undefined = element.length == elements.UNDEFINED_LENGTH
        stop = place.end if is_undefined else element.start + element.length
        writer.header(element.kind.tag, "SQ", elements.UNDEFINED_LENGTH if items else 0)
        remaining = iter(items)
        while window.offset < stop:
            tag, length = self._item_header(place.encoding)
            if tag == elements.SEQUENCE_DELIMITATION_ITEM:
                break
            if tag == elements.ITEM:
                document = next(remaining, None)
                if document is None:
                    raise MalformedDataSet(f"sequence {element.kind.tag:08X} stands there twice")
                self._copy_item(place, document, length=length, stop=stop)
        if items:
            writer.item(elements.SEQUENCE_DELIMITATION_ITEM, 0)

    def _copy_item(self, parent: _Place, document: JsonDataSet, *, length: int, stop: int) -> None:
        is_delimited = length == elements.UNDEFINED_LENGTH
        place = _Place(
            elements.item_encoding(parent.encoding, self._window.peek(8)),
            document,
            depth=parent.depth + 1,
            end=stop if is_delimited else self._window.offset + length,
            is_delimited=is_delimited,
        )
        self._writer.item(elements.ITEM, elements.UNDEFINED_LENGTH)
        self._copy_elements(place)
        self._writer.item(elements.ITEM_DELIMITATION_ITEM, 0)

    def _pass_fragments(self, encoding: Encoding) -> None:
        """Step over fragments to behind their delimiter (A.4)."""
        while True:
            tag, length = self._item_header(encoding)
            if tag == elements.SEQUENCE_DELIMITATION_ITEM:
                return
            if tag != elements.ITEM:
                raise MalformedDataSet("Pixel Data has something that is no fragment")
            self._window.skip_to(self._window.offset + length)

    def _item_header(self, encoding: Encoding) -> tuple[int, int]:
        group, number, length = encoding.unpack_item(self._window.take(8), 0)
        return group << 16 | number, length


def _word_bytes(tag: int, vr: str, document: JsonDataSet) -> int:
    """What has its bytes turned around together: of pixels in OW, whole pixels (PS3.5 8.1.1)."""
    word_bytes = _WORD_BYTES.get(vr, 1)
    if tag not in elements.PIXEL_DATA_TAGS or vr != "OW":
        return word_bytes
    bits_allocated: Any = (document.get(_BITS_ALLOCATED, {}).get("Value") or [0])[0]
    return bits_allocated // 8 if bits_allocated in (32, 64) else word_bytes
