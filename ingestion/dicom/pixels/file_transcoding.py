"""Makes of a DICOM file the same instance in another transfer syntax.

Frames are decoded and encoded one by one, so that memory holds one of them and never all. Nothing
but the encoding changes: the SOP Instance UID stays, and so does every value.
Source: PS3.5 Annex A, PS3.10 7.1; PS3.3 C.7.6.3 (what the Image Pixel Module says of encoding).
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import orjson

from ingestion.dicom import elements
from ingestion.dicom.data_set import DataSet
from ingestion.dicom.inflating import DataSetReader, InflatingReader
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.part10 import FILE_META_BYTES_MAX, FileMeta, encode_file_meta, read_file_meta
from ingestion.dicom.pixels.byte_order import little_endian
from ingestion.dicom.pixels.decoding import Decoded, ImagePixel, image_pixel, require_readable
from ingestion.dicom.pixels.frame_encoding import CODECS, photometric_once_encoded
from ingestion.dicom.pixels.frame_locations import FrameLocations, locate_frames
from ingestion.dicom.pixels.transcoding import can_transcode, decode, encode
from ingestion.dicom.reencoding import ByteSink, Changes, DataSetCopier, ElementWriter
from ingestion.dicom.scanning import DataSetScanner, HeaderLimits
from ingestion.dicom.transfer_syntaxes import transfer_syntax
from ingestion.errors import NotDicom, UnreadablePixelData

# PS3.5 8.2.1: what was made by these has lost something, whether its header says so or not.
_ALWAYS_LOSSY = frozenset(("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"))

_PIXEL_DATA = 0x7FE00010
_EXTENDED_OFFSET_TABLE, _EXTENDED_OFFSET_TABLE_LENGTHS = 0x7FE00001, 0x7FE00002
_PHOTOMETRIC_INTERPRETATION, _PLANAR_CONFIGURATION = 0x00280004, 0x00280006
_LOSSY_IMAGE_COMPRESSION = 0x00282110
_VALUE_BYTES_MAX = 0xFFFFFFFE
_CHUNK_BYTES = 1 << 20
_DEFAULT_LIMITS = HeaderLimits()


def transcode_file(
    source: Path | BinaryIO,
    transfer_syntax_uid: str,
    target: ByteSink,
    limits: HeaderLimits = _DEFAULT_LIMITS,
) -> None:
    """Write the DICOM file `source` to `target` in another transfer syntax, data set for data set.

    Raises `UnreadablePixelData` when that cannot be done, `InvalidInstance` and `ObjectTooComplex`
    as reading a header does; `target` is then left with a part of a file.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            return transcode_file(file, transfer_syntax_uid, target, limits)
    meta = read_file_meta(source.read(FILE_META_BYTES_MAX))
    if meta is None:
        raise NotDicom("the file ends inside its file meta information")
    if meta.transfer_syntax_uid == transfer_syntax_uid:
        source.seek(0)
        while chunk := source.read(_CHUNK_BYTES):
            target.write(chunk)
        return None
    if not can_transcode(meta.transfer_syntax_uid, transfer_syntax_uid):
        raise UnreadablePixelData(
            f"{transfer_syntax_uid} cannot be made of {meta.transfer_syntax_uid}"
        )
    opened = _open(source, meta, limits)
    target.write(
        encode_file_meta(
            sop_class_uid=_text(opened.document, "00080016") or meta.sop_class_uid,
            sop_instance_uid=_text(opened.document, "00080018") or meta.sop_instance_uid,
            transfer_syntax_uid=transfer_syntax_uid,
            source_ae_title=meta.source_ae_title,
        )
    )
    if transfer_syntax(transfer_syntax_uid).is_deflated:
        deflated = _Deflating(target)
        _write_data_set(opened, transfer_syntax_uid, deflated)
        return deflated.finish()
    return _write_data_set(opened, transfer_syntax_uid, target)


class _FileReader:
    """The data set inside a file."""

    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file = file
        self._offset = offset
        self.size_bytes = file.seek(0, 2) - offset

    def read_at(self, offset: int, length: int) -> bytes:
        self._file.seek(self._offset + offset)
        return self._file.read(length)


class _Deflating:
    """Compresses what is written to it (PS3.5 A.5)."""

    def __init__(self, target: ByteSink) -> None:
        self._target = target
        self._compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        self._size_bytes = 0

    def write(self, content: bytes) -> None:
        self._put(self._compressor.compress(content))

    def finish(self) -> None:
        self._put(self._compressor.flush())
        self._put(b"\0" * (self._size_bytes % 2))

    def _put(self, content: bytes) -> None:
        self._size_bytes += len(content)
        self._target.write(content)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A data set that was read: its bytes (inflated), its header, and where its pixels are."""

    transfer_syntax_uid: str
    reader: DataSetReader
    data_set: DataSet
    document: JsonDataSet
    pixel_data_offset: int | None


def _open(file: BinaryIO, meta: FileMeta, limits: HeaderLimits) -> _Opened:
    syntax = transfer_syntax(meta.transfer_syntax_uid)
    reader: DataSetReader = _FileReader(file, meta.data_set_offset)
    if syntax.is_deflated:
        reader = InflatingReader(reader, limits.inflated_bytes_max)
    scanner = DataSetScanner(reader, limits)
    data_set = scanner.scan(
        is_explicit=syntax.is_explicit, is_little_endian=syntax.is_little_endian
    )
    document: JsonDataSet = orjson.loads(data_set.json().encode("utf-8", "replace"))
    return _Opened(syntax.uid, reader, data_set, document, scanner.pixel_data_offset)


def _write_data_set(opened: _Opened, to_uid: str, target: ByteSink) -> None:
    syntax = transfer_syntax(to_uid)
    writer = ElementWriter(
        target,
        elements.encoding(is_explicit=syntax.is_explicit, is_little_endian=syntax.is_little_endian),
    )
    is_changed = transfer_syntax(opened.transfer_syntax_uid).is_encapsulated or to_uid in CODECS
    if not is_changed or opened.pixel_data_offset is None:
        if to_uid in CODECS:
            raise UnreadablePixelData(f"{to_uid} is for images, and this instance is none")
        copier = DataSetCopier(opened.reader, writer, changes={})
    else:
        image = image_pixel(opened.document)
        frames = _decoded_frames(opened, opened.pixel_data_offset, image)
        first = next(frames)
        pixels = _PixelData(
            chain((first,), frames), image, to_uid, first.photometric_interpretation
        )
        copier = DataSetCopier(
            opened.reader,
            writer,
            changes=_changes(opened, image, pixels),
            write_pixel_data=lambda: pixels.write(writer),
        )
    copier.copy(opened.data_set.encoding, opened.document)


def _decoded_frames(opened: _Opened, offset: int, image: ImagePixel) -> Iterator[Decoded]:
    """All frames in order, each read and decoded when its turn comes."""
    locations = _locations(opened, offset, use_offset_tables=True)
    for number in range(1, locations.count + 1):
        place = locations.place(opened.reader, number)
        if place is None:
            locations = _locations(opened, offset, use_offset_tables=False)
            place = locations.place(opened.reader, number)
        assert place is not None, "only offset tables lead astray"
        require_readable(place.size_bytes)
        stored = b"".join(opened.reader.read_at(*span) for span in place.spans)
        yield decode(place.extract(stored), image, opened.transfer_syntax_uid)


def _locations(opened: _Opened, offset: int, *, use_offset_tables: bool) -> FrameLocations:
    return locate_frames(
        opened.reader,
        offset,
        transfer_syntax_uid=opened.transfer_syntax_uid,
        header=opened.document,
        use_offset_tables=use_offset_tables,
    )


@dataclass(frozen=True, slots=True)
class _PixelData:
    """The Pixel Data element as it will be."""

    frames: Iterator[Decoded]
    image: ImagePixel
    transfer_syntax_uid: str
    photometric_interpretation: str

    def write(self, writer: ElementWriter) -> None:
        """Write the element frame by frame."""
        if self.transfer_syntax_uid in CODECS:
            self._write_encapsulated(writer)
        else:
            self._write_native(writer)

    def _write_encapsulated(self, writer: ElementWriter) -> None:
        """One fragment for each frame, which needs no offset table (PS3.5 A.4)."""
        writer.header(_PIXEL_DATA, "OB", elements.UNDEFINED_LENGTH)
        writer.item(elements.ITEM, 0)
        for content in self._encoded_frames():
            writer.item(elements.ITEM, len(content) + len(content) % 2)
            writer.write(content + b"\0" * (len(content) % 2))
        writer.item(elements.SEQUENCE_DELIMITATION_ITEM, 0)

    def _write_native(self, writer: ElementWriter) -> None:
        length = self.image.decoded_bytes * self.image.number_of_frames
        if length > _VALUE_BYTES_MAX:
            raise UnreadablePixelData("decoded, the pixels are more than an element can hold")
        pixel_bytes = self.image.bits_allocated // 8
        turned_bytes = 1 if writer.encoding.is_little_endian else pixel_bytes
        vr = "OB" if pixel_bytes == 1 else "OW"
        writer.header(_PIXEL_DATA, vr, length + length % 2)
        for content in self._encoded_frames():
            writer.write(little_endian(content, turned_bytes))
        writer.write(b"\0" * (length % 2))

    def _encoded_frames(self) -> Iterator[bytes]:
        for decoded in self.frames:
            if decoded.photometric_interpretation != self.photometric_interpretation:
                raise UnreadablePixelData("the frames are not all of the same colours")
            yield encode(decoded, self.image, self.transfer_syntax_uid)


def _changes(opened: _Opened, image: ImagePixel, pixels: _PixelData) -> Changes:
    """What the header says otherwise, now that the pixels are encoded otherwise."""
    photometric = photometric_once_encoded(
        pixels.photometric_interpretation, pixels.transfer_syntax_uid
    ).encode()
    changes: dict[int, tuple[str, bytes] | None] = {
        _PHOTOMETRIC_INTERPRETATION: ("CS", photometric + b" " * (len(photometric) % 2)),
        _EXTENDED_OFFSET_TABLE: None,
        _EXTENDED_OFFSET_TABLE_LENGTHS: None,
    }
    if image.samples_per_pixel > 1:
        changes[_PLANAR_CONFIGURATION] = ("US", b"\0\0")
    if opened.transfer_syntax_uid in _ALWAYS_LOSSY and not _text(opened.document, "00282110"):
        changes[_LOSSY_IMAGE_COMPRESSION] = ("CS", b"01")
    return changes


def _text(document: JsonDataSet, name: str) -> str:
    values = document.get(name, {}).get("Value") or [""]
    return str(values[0])
