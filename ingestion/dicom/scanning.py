"""Reads the elements of a data set from its bytes straight into DICOM JSON.

Only what the JSON needs is read: bulk data is stepped over, fragments by their item headers.
Nothing is trusted: lengths are checked before they are used, depth and number are limited.
Source: PS3.5 7 (structure), 7.5 (sequences), A.4 (fragments); PS3.18 F.2.2.
"""

from dataclasses import dataclass

from ingestion.dicom import elements
from ingestion.dicom.attributes import REQUEST_ATTRIBUTES_SEQUENCE
from ingestion.dicom.character_sets import encodings_of
from ingestion.dicom.data_set import BulkDataLocation, DataSet
from ingestion.dicom.elements import ElementKind, Encoding, Treatment
from ingestion.dicom.inflating import DataSetReader
from ingestion.dicom.json_values import BINARY_WORD_BYTES, bulk_data, sequence
from ingestion.dicom.recollection import KnownElement, Recollection
from ingestion.dicom.window import Window
from ingestion.errors import MalformedDataSet, ObjectTooComplex, TruncatedDataSet

FRAGMENTS_MAX = 1_000_000
INLINE_TEXT_BYTES_MAX = 1 << 20

# (0028,0103) with its length in implicit VR little endian, where VRs depend on it (PS3.5 A.1).
_PIXEL_REPRESENTATION_AHEAD = b"\x28\x00\x03\x01\x02\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class HeaderLimits:
    """How much of an object is read before it is refused with ObjectTooComplex.

    `inline_value_bytes_max` refuses nothing: longer binary values are told as bulk data.
    """

    header_bytes_max: int = 32 << 20
    depth_max: int = 64
    elements_max: int = 200_000
    inflated_bytes_max: int = 4 << 30
    inline_value_bytes_max: int = 2048

    def __post_init__(self) -> None:
        """Keep the depth below what Python's stack can hold."""
        assert 0 < self.depth_max <= 200, "depth_max is 1 to 200"


@dataclass(frozen=True, slots=True)
class _Element:
    kind: ElementKind
    start: int
    length: int

    @property
    def is_undefined_length(self) -> bool:
        return self.length == elements.UNDEFINED_LENGTH


class DataSetScanner:
    """Reads one data set; make a new scanner for each."""

    def __init__(
        self,
        reader: DataSetReader,
        limits: HeaderLimits,
        recollection: Recollection | None = None,
    ) -> None:
        """Prepare to read; nothing is read yet. What is recollected makes it faster."""
        self.pixel_data_offset: int | None = None
        self.bulk_data: dict[str, BulkDataLocation] = {}  # by the tag path of its URI
        self._limits = limits
        self._window = Window(reader, limits.header_bytes_max)
        self._recollection = recollection or Recollection(element_bytes_max=0)
        self._run: list[KnownElement] = []  # the latest, of which the recollection knows
        self._elements = 0
        self._effects = 0  # what was told of an element beside its own text, or by other bytes

    def scan(self, *, is_explicit: bool, is_little_endian: bool) -> DataSet:
        """Return the whole data set.

        Whether VRs are there is decided by the first element, as some files say the wrong thing.
        Raises TruncatedDataSet, MalformedDataSet, ObjectTooComplex.
        """
        head = self._window.peek(8)
        if len(head) == 8:
            is_explicit = elements.looks_like_vr(head[4:6])
        encoding = elements.encoding(is_explicit=is_explicit, is_little_endian=is_little_endian)
        data_set = DataSet(encoding)
        self._recollection.begin(self._limits)
        self._read_elements(data_set, self._window.size)
        return data_set

    def _read_elements(self, data_set: DataSet, end: int) -> bool:
        """Read to the offset `end`, or to the Item Delimitation Item and tell that it came."""
        while True:
            self._read_plain_elements(data_set, end)
            if self._elements > self._limits.elements_max:
                raise ObjectTooComplex(
                    f"data set has more than {self._limits.elements_max} elements"
                )
            if self._window.offset >= end:
                return False
            if self._read_element(data_set, end):
                return True

    def _read_plain_elements(self, data_set: DataSet, end: int) -> None:
        """Read elements that are wholly in the window and need no thought: nearly all of them."""
        window, encoding = self._window, data_set.encoding
        data, position = window.data, window.position
        kinds, kind_bytes = encoding.kinds, encoding.kind_bytes
        values, attributes, encodings = data_set.values, data_set.attributes, data_set.encodings
        values_end = min(len(data), end - window.base)
        heads_end = values_end - 12
        expected = iter(self._recollection.expected(encoding, encodings))
        candidate = next(expected, None)
        read: list[KnownElement] = []
        read_bytes_max = self._recollection.element_bytes_max
        count = 0
        while position <= heads_end:
            if candidate and data.startswith(candidate[0], position, values_end):
                encoded, tag, values[tag], attributes[tag], amount = candidate
                position += len(encoded)
                count += amount
                read.append(candidate)
                candidate = next(expected, None)
                continue
            kind = kinds.get(data[position : position + kind_bytes])
            if kind is None:
                kind = encoding.kind_of(data[position : position + 8])
            tag, write, unpack_length, length_offset, header_bytes, key, _, _ = kind
            if write is None:
                break
            start = position + header_bytes
            position_after = start + unpack_length(data, position + length_offset)[0]
            if position_after > values_end:
                break
            values[tag] = value = data[start:position_after]
            attributes[tag] = attribute = key + write(value, encodings)
            if position_after - position <= read_bytes_max:
                read.append((data[position:position_after], tag, value, attribute, 1))
            position = position_after
            count += 1
            while candidate and candidate[1] <= tag:
                candidate = next(expected, None)
        window.position = position
        self._elements += count
        self._run = self._recollection.keep(encoding, encodings, read)

    def _read_element(self, data_set: DataSet, end: int) -> bool:
        """Read any one element; tell whether it was the Item Delimitation Item of this item."""
        window = self._window
        offset = window.offset
        head = window.peek(12)[: end - offset]
        if len(head) < 8:
            self._pass_padding(head, end)
            return False
        kind = data_set.encoding.kind_of(head[:8])
        length = kind.unpack_length(head.ljust(12, b"\0"), kind.length_offset)[0]
        element = _Element(kind, offset + kind.header_bytes, length)
        self._elements += 1
        if element.start > end:
            raise TruncatedDataSet(f"element {kind.tag:08X} ends inside its header")
        if not element.is_undefined_length and element.start + length > end:
            raise self._overrun(element)
        window.skip_to(element.start)
        if kind.treatment is Treatment.DELIMITER:
            return self._read_delimiter(data_set, element)
        if kind.treatment is Treatment.DROPPED and not element.is_undefined_length:
            window.skip_to(element.start + length)
        else:
            self._read_value(data_set, element, end=end)
        return False

    def _pass_padding(self, head: bytes, end: int) -> None:
        """Some files are padded with a few zero bytes, too few for an element."""
        if any(head) or self._window.offset + len(head) < end:
            raise TruncatedDataSet("the data set ends inside the header of an element")
        self._window.skip_to(end)

    def _overrun(self, element: _Element) -> TruncatedDataSet | MalformedDataSet:
        message = f"element {element.kind.tag:08X} declares {element.length} bytes"
        if element.start + element.length > self._window.size:
            return TruncatedDataSet(f"{message}, more than the object has left")
        return MalformedDataSet(f"{message}, more than its item has left")

    def _read_delimiter(self, data_set: DataSet, element: _Element) -> bool:
        """Close a delimited item; pass over stray delimiters, which do no harm."""
        tag = element.kind.tag
        if tag == elements.ITEM_DELIMITATION_ITEM and data_set.is_delimited:
            return True
        is_stray = tag in (elements.ITEM_DELIMITATION_ITEM, elements.SEQUENCE_DELIMITATION_ITEM)
        if not is_stray or element.length:
            raise MalformedDataSet(f"{tag:08X} stands where an element was expected")
        return False

    def _read_value(self, data_set: DataSet, element: _Element, *, end: int) -> None:
        vr = element.kind.vr
        if element.kind.treatment is Treatment.UNRESOLVED:
            self._effects += 1
            vr = self._resolve_vr(data_set, element)
        if element.is_undefined_length and vr in ("UN", "SQ"):
            vr = "SQ"
        if vr == "SQ":
            text = self._read_sequence_to_recollect(data_set, element, end=end)
        elif vr in BINARY_WORD_BYTES:
            text = self._read_binary(data_set, element, vr=vr, end=end)
        else:
            text = self._read_text(data_set, element, vr=vr)
        data_set.attributes[element.kind.tag] = element.kind.key + text

    def _resolve_vr(self, data_set: DataSet, element: _Element) -> str:
        """Return one VR of PS3.5 6.2 for an element whose VR is not told, or told as UN."""
        tag = element.kind.tag
        creator = data_set.private_creator_of(tag) if tag & 0x10000 else ""
        vr = elements.resolved_vr(element.kind, element.length, private_creator=creator)
        if vr == "US or SS":  # PS3.5 A.1, note on Pixel Representation
            return "SS" if self._has_signed_pixels(data_set) else "US"
        if vr == "OB or OW":  # PS3.5 A.1 and A.4
            return "OB" if element.is_undefined_length else "OW"
        if vr == "US or OW":  # PS3.3 C.11.1.1.1: one entry is a number, more are a table
            descriptor = data_set.values.get(elements.LUT_DESCRIPTOR, b"")
            is_single = (
                len(descriptor) >= 2 and data_set.encoding.unpack_word(descriptor, 0)[0] == 1
            )
            return "US" if is_single else "OW"
        if vr == "US or SS or OW":
            return "OW"
        return vr if vr in elements.KNOWN_VRS else "UN"

    def _has_signed_pixels(self, data_set: DataSet) -> bool:
        """Tell what Pixel Representation says; look ahead where it is still to come."""
        known = data_set.pixel_representation()
        if known is None:
            ahead = self._window.data.find(_PIXEL_REPRESENTATION_AHEAD, self._window.position)
            known = 0 if ahead < 0 else self._window.data[ahead + 8 : ahead + 9] != b"\0"
        return bool(known)

    def _read_text(self, data_set: DataSet, element: _Element, *, vr: str) -> str:
        tag, length = element.kind.tag, element.length
        if element.is_undefined_length:
            raise MalformedDataSet(f"element {tag:08X} of VR {vr} has no length")
        if length > INLINE_TEXT_BYTES_MAX and vr in elements.BULK_TEXT_VRS:
            self._window.skip_to(element.start + length)
            return self._bulk_data(data_set, element, vr=vr)
        value = self._window.take(length)
        data_set.values[tag] = value
        if tag == elements.SPECIFIC_CHARACTER_SET:
            data_set.encodings = encodings_of(value)
        return data_set.encoding.writers[vr](value, data_set.encodings)

    def _read_binary(self, data_set: DataSet, element: _Element, *, vr: str, end: int) -> str:
        tag, length = element.kind.tag, element.length
        is_pixel_data = tag in elements.PIXEL_DATA_TAGS
        if is_pixel_data and data_set.depth == 0:
            self.pixel_data_offset = element.start - element.kind.header_bytes
        if element.is_undefined_length:
            self._pass_fragments(data_set.encoding, end)
            return self._bulk_data(data_set, element, vr=vr)
        if length and (is_pixel_data or length > self._limits.inline_value_bytes_max):
            self._window.skip_to(element.start + length)
            return self._bulk_data(data_set, element, vr=vr)
        return data_set.encoding.writers[vr](self._window.take(length), data_set.encodings)

    def _bulk_data(self, data_set: DataSet, element: _Element, *, vr: str) -> str:
        path = f"{data_set.path}{element.kind.tag:08X}"
        self._effects += 1
        self.bulk_data[path] = BulkDataLocation(
            element.start, element.length, vr, data_set.encoding.is_little_endian
        )
        return bulk_data(vr, f"bulkdata/{path}")

    def _pass_fragments(self, encoding: Encoding, end: int) -> None:
        """Step from item to item to behind the Sequence Delimitation Item (PS3.5 A.4)."""
        window = self._window
        for _ in range(FRAGMENTS_MAX):
            tag, length = self._read_item_header(encoding, end)
            if tag == elements.SEQUENCE_DELIMITATION_ITEM:
                return
            if tag != elements.ITEM or length == elements.UNDEFINED_LENGTH:
                raise MalformedDataSet("encapsulated Pixel Data has something that is no fragment")
            if window.offset + length > end:
                raise TruncatedDataSet("a fragment declares more bytes than the object has left")
            window.skip_to(window.offset + length)
        raise ObjectTooComplex(f"Pixel Data has more than {FRAGMENTS_MAX} fragments")

    def _read_item_header(self, encoding: Encoding, end: int) -> tuple[int, int]:
        header = self._window.peek(8)
        if len(header) < 8 or self._window.offset + 8 > end:
            raise TruncatedDataSet("the object ends inside a sequence")
        group, number, length = encoding.unpack_item(header, 0)
        self._window.position += 8
        return group << 16 | number, length

    def _read_sequence_to_recollect(self, data_set: DataSet, element: _Element, *, end: int) -> str:
        """Read a sequence; it is expected as a whole if all that it tells is made of its bytes."""
        window, run, kind = self._window, self._run, element.kind
        data, position = window.data, window.position - kind.header_bytes
        effects, outside = self._effects, self._elements - 1
        text = self._read_sequence(data_set, element, end=end)
        if not data_set.depth and window.data is data and self._effects == effects:
            encoded = data[position : window.position] if position >= 0 else b""
            known = (encoded, kind.tag, b"", kind.key + text, self._elements - outside)
            self._recollection.keep_sequence(run, known)
        return text

    def _read_sequence(self, data_set: DataSet, element: _Element, *, end: int) -> str:
        if data_set.depth >= self._limits.depth_max:
            raise ObjectTooComplex(f"sequences are nested deeper than {self._limits.depth_max}")
        stop = end if element.is_undefined_length else element.start + element.length
        items: list[str] = []
        while self._window.offset < stop:
            tag, length = self._read_item_header(data_set.encoding, stop)
            if tag == elements.SEQUENCE_DELIMITATION_ITEM:
                return sequence(items)
            if tag == elements.ITEM:
                path = f"{data_set.path}{element.kind.tag:08X}/{len(items)}/"
                item = self._read_item(data_set, path, length=length, stop=stop)
                items.append(item.json())
                if element.kind.tag == REQUEST_ATTRIBUTES_SEQUENCE:
                    self._effects += 1
                    data_set.requests.append(item)
            elif tag != elements.ITEM_DELIMITATION_ITEM or length:
                raise MalformedDataSet(
                    f"sequence {element.kind.tag:08X} has something that is no item"
                )
        if element.is_undefined_length:
            raise TruncatedDataSet(f"sequence {element.kind.tag:08X} is not closed")
        return sequence(items)

    def _read_item(self, parent: DataSet, path: str, *, length: int, stop: int) -> DataSet:
        window = self._window
        self._elements += 1
        is_delimited = length == elements.UNDEFINED_LENGTH
        end = stop if is_delimited else window.offset + length
        if end > stop:
            is_cut = end > window.size
            raise (TruncatedDataSet if is_cut else MalformedDataSet)("an item exceeds its sequence")
        item = DataSet(
            elements.item_encoding(parent.encoding, window.peek(8)),
            encodings=parent.encodings,
            path=path,
            depth=parent.depth + 1,
            is_delimited=is_delimited,
            parent=parent,
        )
        is_closed = self._read_elements(item, end)
        if is_delimited and not is_closed:
            raise TruncatedDataSet("an item is not closed")
        return item
