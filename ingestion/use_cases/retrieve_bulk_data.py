"""Gives back the values that metadata only names, each by its own range of the object.

Source: PS3.18 10.4.1.1.5 (bulk data), F.2.6.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ingestion.dicom.data_set import BulkDataLocation
from ingestion.dicom.element_locations import bulk_data_locations
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.json_values import BINARY_WORD_BYTES
from ingestion.dicom.pixels.byte_order import little_endian
from ingestion.dicom.pixels.decoding import image_pixel
from ingestion.dicom.pixels.frame_locations import Span, cut, fragments_of
from ingestion.errors import NotFound
from ingestion.object_stores.protocol import CHUNK_BYTES
from ingestion.use_cases.describe_data_set import within_limits
from ingestion.use_cases.location_cache import LocationCache
from ingestion.use_cases.read_data_set import (
    HeldDataSet,
    header_of,
    iterate_spans,
    open_data_set,
)
from ingestion.use_cases.retrieve_instances import HeldInstance

LOCATIONS_BYTES_MAX = 16 << 20
LOCATION_BYTES = 300  # about what one takes in memory
PIXEL_DATA = "7FE00010"
PIXEL_DATA_PATHS = (PIXEL_DATA, "7FE00008", "7FE00009")  # of integers, floats, doubles

_DOCUMENT = "00420011"
# PS3.3 A.45, A.85, A.104, A.105: what an Encapsulated Document can be.
_DOCUMENT_TYPES = ("application/pdf", "text/xml", "model/stl", "model/obj", "model/mtl")

# PS3.5 7.3: what big endian puts in another order.
_WORD_BYTES = BINARY_WORD_BYTES | {
    "FD": 8,
    "FL": 4,
    "SL": 4,
    "SS": 2,
    "SV": 8,
    "UL": 4,
    "US": 2,
    "UV": 8,
}

_Locations = Mapping[str, BulkDataLocation]

_known: LocationCache[_Locations] = LocationCache(
    LOCATIONS_BYTES_MAX, lambda locations: LOCATION_BYTES * (1 + len(locations))
)


@dataclass(frozen=True, slots=True)
class BulkData:
    """One value of an instance, in little endian (PS3.18 8.7.3.3.1). Not for several threads.

    A value in fragments is what they hold joined, without offset table and delimiters; an
    encapsulated document is without its padding, and `media_type` is its own, else ''.
    """

    instance: HeldInstance
    path: str
    vr: str
    is_encapsulated: bool
    media_type: str
    size_bytes: int
    _data_set: HeldDataSet
    _spans: tuple[Span, ...]
    _word_bytes: int

    def read(self) -> bytes:
        """All of it."""
        return b"".join(self.iterate())

    def iterate(self, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The value, or a range of it, in chunks. Raises at once what can be raised."""
        end = self.size_bytes if length is None else min(offset + length, self.size_bytes)
        if self._word_bytes == 1:
            return iterate_spans(self._data_set, cut(self._spans, offset, end))
        return self._turned(offset, end)

    def _turned(self, offset: int, end: int) -> Iterator[bytes]:
        """Whole words are read and turned, and those at both ends are cut."""
        (span,) = self._spans
        for start in range(offset - offset % self._word_bytes, end, CHUNK_BYTES):
            length = min(CHUNK_BYTES, span.length - start)
            chunk = little_endian(
                self._data_set.read_at(span.offset + start, length), self._word_bytes
            )
            yield chunk[max(offset - start, 0) : end - start]


def bulk_data_of(instance: HeldInstance, path: str) -> BulkData:
    """The value that `bulkdata/<path>` names. Raises `NotFound`, `ObjectMissing`."""
    data_set = open_data_set(instance)
    location = _locations(instance, data_set).get(path.upper())
    if location is None:
        raise NotFound("the instance has no such bulk data")
    return _opened(instance, data_set, path=path.upper(), location=location)


def pixel_data_of(instance: HeldInstance) -> BulkData:
    """The Pixel Data of the instance itself. Raises `NotFound`, `ObjectMissing`."""
    data_set = open_data_set(instance)
    locations = _locations(instance, data_set)
    path = next((path for path in PIXEL_DATA_PATHS if path in locations), None)
    if path is None:
        raise NotFound("the instance has no Pixel Data")
    return _opened(instance, data_set, path=path, location=locations[path])


def all_bulk_data_of(instance: HeldInstance) -> Iterator[BulkData]:
    """Every value that the instance's metadata only names, in its order."""
    data_set = open_data_set(instance)
    for path, location in _locations(instance, data_set).items():
        yield _opened(instance, data_set, path=path, location=location)


def _locations(instance: HeldInstance, data_set: HeldDataSet) -> _Locations:
    locations = _known.get(instance)
    if locations is None:
        locations = within_limits(
            lambda limits: bulk_data_locations(data_set, instance.transfer_syntax_uid, limits)
        )
        _known.put(instance, locations)
    return locations


def _opened(
    instance: HeldInstance, data_set: HeldDataSet, *, path: str, location: BulkDataLocation
) -> BulkData:
    if location.is_encapsulated:
        spans = fragments_of(data_set, location.offset)
    else:
        spans = (Span(location.offset, location.length),)
    size_bytes, media_type = sum(span.length for span in spans), ""
    if path == _DOCUMENT:
        size_bytes, media_type = _document(header_of(instance), size_bytes)
    return BulkData(
        instance=instance,
        path=path,
        vr=location.vr,
        is_encapsulated=location.is_encapsulated,
        media_type=media_type,
        size_bytes=size_bytes,
        _data_set=data_set,
        _spans=spans,
        _word_bytes=_word_bytes(instance, path, location=location),
    )


def _document(header: JsonDataSet, stored_bytes: int) -> tuple[int, str]:
    """Size and media type of an encapsulated document (PS3.3 C.24.2)."""
    told_bytes = _value(header, "00420015")
    is_padded = told_bytes == stored_bytes - 1
    media_type = str(_value(header, "00420012")).lower()
    return (
        stored_bytes - is_padded,
        media_type if media_type in _DOCUMENT_TYPES else "",
    )


def _value(header: JsonDataSet, tag: str) -> object:
    values = header.get(tag, {}).get("Value") or [None]
    return values[0]


def _word_bytes(instance: HeldInstance, path: str, *, location: BulkDataLocation) -> int:
    if location.is_little_endian or location.is_encapsulated:
        return 1
    word_bytes = _WORD_BYTES.get(location.vr, 1)
    if path == PIXEL_DATA and location.vr == "OW":
        return max(word_bytes, image_pixel(header_of(instance)).bits_allocated // 8)
    return word_bytes
