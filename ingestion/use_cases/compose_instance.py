"""Makes one object of a data set in JSON and of bulk data that came beside it.

What comes out is on its way in like any other object. Uncompressed bulk data makes Explicit VR
Little Endian, and so do images that no transfer syntax holds; other compressed Pixel Data is
encapsulated in the transfer syntax of its media type.
Attributes that describe the pixels, and were left out, are taken from the image itself; those
that are there are never changed.
Source: PS3.18 10.5.1.4, 10.5.2; PS3.5 A.4 (encapsulation); PS3.3 C.24.2 (Encapsulated Document).
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ingestion.dicom.data_set_encoding import (
    ITEM_HEADER,
    SEQUENCE_END,
    UNDEFINED_LENGTH,
    BulkValue,
    encode_data_set,
)
from ingestion.dicom.elements import PIXEL_DATA_TAGS
from ingestion.dicom.json_encoding import LENGTH_MAX, element_header
from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.dicom.pixels.bulk_media_types import (
    CompressedMediaType,
    compressed_media_type,
)
from ingestion.dicom.pixels.image_description import LOSSY_TRANSFER_SYNTAXES
from ingestion.dicom.pixels.jpeg_2000_images import codestream
from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from ingestion.errors import MalformedDataSet, MissingBulkData, UnsupportedTransferSyntax
from ingestion.models import StorageSpace
from ingestion.use_cases.receive_bulk_data import BulkData, BulkPart
from ingestion.use_cases.store_instance import IncomingInstance, Sender, receive_data_set
from ingestion.use_cases.transform_images import transformed_images

COPY_BYTES = 1 << 20

_PIXEL_DATA = "7FE00010"
_NUMBER_OF_FRAMES = "00280008"
_LOSSY_IMAGE_COMPRESSION = "00282110"
_ENCAPSULATED_DOCUMENT = "00420011"
_MIME_TYPE = "00420012"
_DOCUMENT_LENGTH = "00420015"
_SYNTAX_HINTS = ("00020010", "00083002")
# A data set that has these needs nothing of its image to be read.
_DESCRIBING = ("00280002", "00280004", "00280010", "00280011", "00280100", "00280101", "00280103")


@dataclass(frozen=True, slots=True)
class _Frames:
    """Compressed Pixel Data: where each frame begins and ends inside its part."""

    parts: Sequence[BulkPart]
    ranges: Sequence[tuple[int, int]]
    media_type: CompressedMediaType


def compose_instance(
    space: StorageSpace, sender: Sender, *, data_set: JsonDataSet, bulk_data: BulkData
) -> IncomingInstance:
    """The complete object, still to be stored by the caller, who then owns it.

    Raises `InvalidInstance` and its kinds, `LimitExceeded`, `NotPermitted`, `Unavailable`.
    """
    complete = dict(data_set)
    parts = _pixel_parts(complete, bulk_data)
    images = transformed_images(parts)
    frames = _frames(complete, parts) if images is None else None
    syntax = _transfer_syntax(complete, frames) if frames else EXPLICIT_VR_LITTLE_ENDIAN
    if frames:
        _describe(complete, frames, syntax)
    if images:
        images.describe(complete)
    _describe_document(complete, bulk_data)
    pieces = encode_data_set(complete)
    with ExitStack() as stack:
        incoming = stack.enter_context(
            receive_data_set(
                space,
                sender,
                sop_class_uid=text_of(complete, "00080016"),
                sop_instance_uid=text_of(complete, "00080018"),
                transfer_syntax_uid=syntax,
            )
        )
        for piece in pieces:
            if isinstance(piece, bytes):
                incoming.write(piece)
            elif frames and _is_top_pixel_data(piece):
                _write_fragments(incoming, frames)
            elif images and _is_top_pixel_data(piece):
                for chunk in images.element(piece.vr):
                    incoming.write(chunk)
            else:
                _write_value(incoming, piece, parts=_found(bulk_data, piece.uri, piece.tag))
        stack.pop_all()
    return incoming


def _is_top_pixel_data(value: BulkValue) -> bool:
    return value.tag == int(_PIXEL_DATA, 16) and not value.is_nested


def text_of(data_set: JsonDataSet, tag: str) -> str:
    """The first value of an attribute, '' when it is none or no text."""
    attribute = data_set.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    first = values[0] if isinstance(values, list) and values else ""
    return first if isinstance(first, str) else ""


def _found(bulk_data: BulkData, uri: str, tag: int) -> Sequence[BulkPart]:
    parts = bulk_data.find(uri)
    if not parts:
        raise MissingBulkData(f"no part of the request is the bulk data of {tag:08X}")
    return parts


def _pixel_parts(data_set: JsonDataSet, bulk_data: BulkData) -> Sequence[BulkPart]:
    """The parts that Pixel Data is to be made of; none when it has no bulk data."""
    attribute: dict[str, Any] = data_set.get(_PIXEL_DATA, {})
    if "BulkDataURI" not in attribute:
        return ()
    return _found(bulk_data, attribute["BulkDataURI"], int(_PIXEL_DATA, 16))


def _frames(data_set: JsonDataSet, parts: Sequence[BulkPart]) -> _Frames | None:
    """What Pixel Data is to be made of; None when there is none, or it is not compressed."""
    if not parts:
        return None
    types = {(part.media_type, part.transfer_syntax_uid) for part in parts}
    if len(types) > 1:
        raise UnsupportedTransferSyntax("the frames of Pixel Data are of several media types")
    ((name, syntax_uid),) = types
    media_type = compressed_media_type(name, transfer_syntax_uid=syntax_uid)
    if media_type is None:
        return None
    frames = _Frames(parts, [_range(part, media_type) for part in parts], media_type)
    _check_frames(data_set, frames)
    return frames


def _range(part: BulkPart, media_type: CompressedMediaType) -> tuple[int, int]:
    start, size_bytes = codestream(part) if media_type.has_codestream else (0, part.size_bytes)
    if not 0 < size_bytes < LENGTH_MAX:
        raise MalformedDataSet("a frame is empty, or longer than a fragment can be")
    return start, size_bytes


def _check_frames(data_set: JsonDataSet, frames: _Frames) -> None:
    """One part is one frame, but for videos (PS3.18 10.5.1.4)."""
    values = data_set.get(_NUMBER_OF_FRAMES, {}).get("Value") or []
    told = str(values[0]) if values else "1"
    if not frames.media_type.is_video and values and told != str(len(frames.parts)):
        raise MalformedDataSet(f"Number of Frames says {told}, {len(frames.parts)} came")


def _transfer_syntax(data_set: JsonDataSet, frames: _Frames) -> str:
    """As the part says; else as the metadata says, if its media type can be that; else its own."""
    part, possible = frames.parts[0], frames.media_type.transfer_syntaxes
    for named in (part.transfer_syntax_uid, *(text_of(data_set, tag) for tag in _SYNTAX_HINTS)):
        if named in possible:
            return named
    describe = frames.media_type.describe
    return describe(part).transfer_syntax_uid if describe else possible[0]


def _describe(data_set: JsonDataSet, frames: _Frames, transfer_syntax_uid: str) -> None:
    """Add what the image tells and the data set does not."""
    found: JsonDataSet = {}
    describe = frames.media_type.describe
    if describe and any(tag not in data_set for tag in _DESCRIBING):
        found = describe(frames.parts[0]).attributes()
    if len(frames.parts) > 1:
        found[_NUMBER_OF_FRAMES] = element("IS", len(frames.parts))
    if transfer_syntax_uid in LOSSY_TRANSFER_SYNTAXES:
        found[_LOSSY_IMAGE_COMPRESSION] = element("CS", "01")
    for tag, attribute in found.items():
        data_set.setdefault(tag, attribute)


def _describe_document(data_set: JsonDataSet, bulk_data: BulkData) -> None:
    """The part tells the type and length of an encapsulated document (PS3.3 C.24.2)."""
    uri = data_set.get(_ENCAPSULATED_DOCUMENT, {}).get("BulkDataURI")
    if uri is None:
        return
    (document, *_) = _found(bulk_data, uri, int(_ENCAPSULATED_DOCUMENT, 16))
    data_set.setdefault(_MIME_TYPE, element("LO", document.media_type))
    data_set.setdefault(_DOCUMENT_LENGTH, element("UL", document.size_bytes))


def _write_value(
    incoming: IncomingInstance, value: BulkValue, *, parts: Sequence[BulkPart]
) -> None:
    """Uncompressed pixels and all other bulk data as they are; frames of them follow another."""
    is_compressed = any(
        compressed_media_type(part.media_type, transfer_syntax_uid=part.transfer_syntax_uid)
        for part in parts
        if value.tag in PIXEL_DATA_TAGS
    )
    if is_compressed:
        raise UnsupportedTransferSyntax(
            "compressed pixels are stored in Pixel Data at the top only"
        )
    size_bytes = sum(part.size_bytes for part in parts)
    padding = size_bytes % 2
    incoming.write(element_header(value.tag, value.vr, size_bytes + padding))
    for part in parts:
        _copy(incoming, part, start=0, size_bytes=part.size_bytes)
    incoming.write(b"\0" * padding)


def _write_fragments(incoming: IncomingInstance, frames: _Frames) -> None:
    """One fragment for each frame, behind an offset table where there are several."""
    incoming.write(element_header(int(_PIXEL_DATA, 16), "OB", UNDEFINED_LENGTH))
    offsets = _basic_offset_table(frames.ranges)
    incoming.write(ITEM_HEADER.pack(0xFFFE, 0xE000, len(offsets)) + offsets)
    for part, (start, size_bytes) in zip(frames.parts, frames.ranges, strict=True):
        padding = size_bytes % 2
        incoming.write(ITEM_HEADER.pack(0xFFFE, 0xE000, size_bytes + padding))
        _copy(incoming, part, start=start, size_bytes=size_bytes)
        incoming.write(b"\0" * padding)
    incoming.write(SEQUENCE_END)


def _basic_offset_table(ranges: Sequence[tuple[int, int]]) -> bytes:
    """Where each fragment's item begins; empty for one, and where 32 bits cannot tell."""
    offsets, offset = [], 0
    for _, size_bytes in ranges:
        offsets.append(offset)
        offset += ITEM_HEADER.size + size_bytes + size_bytes % 2
    if len(offsets) == 1 or offsets[-1] > 0xFFFFFFFF:
        return b""
    return struct.pack(f"<{len(offsets)}I", *offsets)


def _copy(incoming: IncomingInstance, part: BulkPart, *, start: int, size_bytes: int) -> None:
    for chunk in _chunks(part, start, end=start + size_bytes):
        incoming.write(chunk)


def _chunks(part: BulkPart, start: int, *, end: int) -> Iterator[bytes]:
    for offset in range(start, end, COPY_BYTES):
        yield part.read_at(offset, min(COPY_BYTES, end - offset))
