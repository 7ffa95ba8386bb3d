"""Gives back single frames of an instance, each by its own range of the object.

Where the frames are is worked out once per process: the bytes of an instance never change.
Source: PS3.18 10.4.1.1.6, PS3.5 8 and A.4.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from struct import unpack

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.pixels.decoding import image_pixel, require_readable
from ingestion.dicom.pixels.frame_locations import (
    FrameLocations,
    FramePlace,
    NativeFrames,
    cut,
    locate_frames,
)
from ingestion.dicom.pixels.transcoding import can_transcode_instance, transcode_frame
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from ingestion.errors import NotFound
from ingestion.use_cases.location_cache import LocationCache
from ingestion.use_cases.read_data_set import HeldDataSet, header_of, iterate_spans, open_data_set
from ingestion.use_cases.retrieve_bulk_data import bulk_data_of
from ingestion.use_cases.retrieve_instances import HeldInstance

LOCATIONS_BYTES_MAX = 64 << 20
EXTENDED_OFFSET_TABLE = "7FE00001"

_known: LocationCache[FrameLocations] = LocationCache(
    LOCATIONS_BYTES_MAX, lambda locations: locations.size_bytes
)


@dataclass(slots=True)
class FrameSet:
    """The frames of one instance, numbered from 1. Not for several threads.

    `transfer_syntax_uid` is that of the bytes given: native frames are Explicit VR Little Endian,
    whatever they rest in. A frame number beyond `count` raises `NotFound`; a frame whose bytes
    cannot be told raises `UnreadablePixelData`.
    """

    instance: HeldInstance
    transfer_syntax_uid: str
    is_encapsulated: bool
    _data_set: HeldDataSet
    _locations: FrameLocations
    _latest: tuple[int, FramePlace] | None = field(default=None, init=False)
    _known_header: JsonDataSet | None = field(default=None, init=False)

    @property
    def count(self) -> int:
        """How many frames there are; a film is one."""
        return self._locations.count

    def require(self, number: int) -> None:
        """Raise unless there are so many frames, and as many bytes as native ones take.

        Reads nothing.
        """
        if self.is_encapsulated:
            self._require_number(number)
        else:
            self._place(number)

    def size(self, number: int) -> int:
        """The bytes of a frame."""
        return self._place(number).size_bytes

    def read(self, number: int) -> bytes:
        """A frame alone: native pixels from a byte boundary in little endian, or a code stream."""
        return b"".join(self.iterate(number))

    def can_be_read_as(self, transfer_syntax_uid: str) -> bool:
        """Whether, by the header, frames can be made in another transfer syntax."""
        return can_transcode_instance(self._header(), self.transfer_syntax_uid, transfer_syntax_uid)

    def read_as(self, number: int, transfer_syntax_uid: str) -> bytes:
        """A frame in another transfer syntax. Raises `UnreadablePixelData` when there is none."""
        require_readable(self.size(number))
        return transcode_frame(
            self.read(number),
            image=image_pixel(self._header()),
            from_uid=self.transfer_syntax_uid,
            to_uid=transfer_syntax_uid,
        )

    def iterate(self, number: int, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """A frame, or a range of it, in chunks. Raises at once what can be raised."""
        place = self._place(number)
        end = place.size_bytes if length is None else min(offset + length, place.size_bytes)
        if place.is_verbatim:
            return iterate_spans(self._data_set, cut(place.spans, offset, end))
        stored = b"".join(self._data_set.read_at(*span) for span in place.spans)
        return iter([place.extract(stored)[offset:end]])

    def _header(self) -> JsonDataSet:
        if self._known_header is None:
            self._known_header = header_of(self.instance)
        return self._known_header

    def _require_number(self, number: int) -> None:
        if not 1 <= number <= self.count:
            raise NotFound(f"the instance has {self.count} frames")

    def _place(self, number: int) -> FramePlace:
        self._require_number(number)
        if self._latest is None or self._latest[0] != number:
            place = self._locations.place(self._data_set, number)
            if place is None:
                self._locations = _located(self.instance, self._data_set, use_offset_tables=False)
                place = self._locations.place(self._data_set, number)
            assert place is not None, "what was told by the fragments themselves is found"
            self._latest = number, place
        return self._latest[1]


def open_frames(instance: HeldInstance) -> FrameSet:
    """The frames of an instance; its object is read as far as needed to find them.

    Raises `NotFound` when it has no Pixel Data, `UnreadablePixelData`, `ObjectMissing`.
    """
    if instance.pixel_data_offset is None:
        raise NotFound("the instance has no Pixel Data")
    data_set = open_data_set(instance)
    locations = _known.get(instance) or _located(instance, data_set, use_offset_tables=True)
    is_encapsulated = not isinstance(locations, NativeFrames)
    return FrameSet(
        instance,
        syntax_of_frames(instance.transfer_syntax_uid),
        is_encapsulated,
        data_set,
        locations,
    )


def syntax_of_frames(transfer_syntax_uid: str) -> str:
    """The syntax in which frames are given: native ones are little endian, however they rest.

    Of a private syntax nobody knows the pixels: it stays.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    return transfer_syntax_uid if syntax.is_encapsulated else EXPLICIT_VR_LITTLE_ENDIAN


def _located(
    instance: HeldInstance, data_set: HeldDataSet, *, use_offset_tables: bool
) -> FrameLocations:
    assert instance.pixel_data_offset is not None, "whoever has no Pixel Data was refused"
    header = header_of(instance)
    locations = locate_frames(
        data_set,
        instance.pixel_data_offset,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        header=header,
        extended_offsets=_extended_offsets(instance, header) if use_offset_tables else (),
        use_offset_tables=use_offset_tables,
    )
    _known.put(instance, locations)
    return locations


def _extended_offsets(instance: HeldInstance, header: JsonDataSet) -> Sequence[int]:
    """The Extended Offset Table (PS3.3 C.7.6.3.1.8), () when there is none."""
    element = header.get(EXTENDED_OFFSET_TABLE)
    if element is None:
        return ()
    if "BulkDataURI" in element:
        table = bulk_data_of(instance, EXTENDED_OFFSET_TABLE).read()
    else:
        table = _decoded(element.get("InlineBinary", ""))
    return unpack(f"<{len(table) // 8}Q", table[: len(table) // 8 * 8])


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text)
    except Base64Error:
        return b""
