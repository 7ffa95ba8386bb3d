"""Reads the main header of JPEG 2000 and HTJ2K images; their pixels are not decoded.

DICOM keeps the codestream alone: what stands around it in a JP2 file is not taken.
Source: ITU-T T.800 A.4 to A.6 (markers), I.4 (boxes); T.814 (CAP of HTJ2K); PS3.5 A.4.4.
"""

import struct

from ingestion.dicom.inflating import DataSetReader
from ingestion.dicom.pixels.image_description import ImageDescription
from ingestion.errors import MalformedDataSet

SEGMENTS_MAX = 2000
BOXES_MAX = 100

_CODESTREAM = b"\xff\x4f\xff\x51"
_SIGNATURE_BOX = b"\0\0\0\x0cjP  "
_CAPABILITIES, _CODING_STYLE, _START_OF_TILE = 0x50, 0x52, 0x90
_IS_HIGH_THROUGHPUT = 1 << 17  # Pcap 15
_SIZE = struct.Struct(">HIIIIIIIIH")
_IS_EXTENDED = 1 << 15  # Rsiz
# (part of ISO/IEC 15444, is reversible)
_SYNTAX = {
    (1, True): "1.2.840.10008.1.2.4.90",
    (1, False): "1.2.840.10008.1.2.4.91",
    (2, True): "1.2.840.10008.1.2.4.92",
    (2, False): "1.2.840.10008.1.2.4.93",
    (15, True): "1.2.840.10008.1.2.4.201",
    (15, False): "1.2.840.10008.1.2.4.203",
}


def codestream(reader: DataSetReader) -> tuple[int, int]:
    """Return where the codestream begins and how long it is. Raises MalformedDataSet."""
    if reader.read_at(0, 4) == _CODESTREAM:
        return 0, reader.size_bytes
    offset = 0
    is_jp2 = reader.read_at(0, 8) == _SIGNATURE_BOX
    for _ in range(BOXES_MAX if is_jp2 else 0):
        head = reader.read_at(offset, 16)
        if len(head) < 16:
            break
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        header_bytes = 16 if length == 1 else 8
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        end = offset + length if length else reader.size_bytes  # the last box may have no length
        if kind == b"jp2c":
            start = offset + header_bytes
            return start, max(min(end, reader.size_bytes) - start, 0)
        if end < offset + header_bytes:
            break
        offset = end
    raise MalformedDataSet("the image is no JPEG 2000 codestream and no JP2 file")


def describe_jpeg_2000(reader: DataSetReader) -> ImageDescription:
    """Return what the image says of itself. Raises MalformedDataSet."""
    start, _ = codestream(reader)
    head = reader.read_at(start, 43)
    if len(head) < 43 or head[:4] != _CODESTREAM:
        raise MalformedDataSet("the image breaks off inside its size")
    capability, width, height, left, top, *_, samples = _SIZE.unpack_from(head, 6)
    segments = _segments(reader, start)
    coding_style, capabilities = segments.get(_CODING_STYLE), segments.get(_CAPABILITIES, b"")
    if coding_style is None or len(coding_style) < 10 or width <= left or height <= top:
        raise MalformedDataSet("the image has no coding style, or no size")
    if samples not in (1, 3):
        raise MalformedDataSet(f"the image has {samples} samples per pixel; DICOM has 1 or 3")
    is_transformed, is_reversible = bool(coding_style[4]), coding_style[9] == 1
    is_high_throughput = int.from_bytes(capabilities[:4], "big") & _IS_HIGH_THROUGHPUT
    kind = 15 if is_high_throughput else 2 if capability & _IS_EXTENDED else 1
    return ImageDescription(
        transfer_syntax_uid=_SYNTAX[kind, is_reversible],
        rows=height - top,
        columns=width - left,
        samples_per_pixel=samples,
        bits_stored=(head[42] & 0x7F) + 1,
        photometric_interpretation=_photometric_interpretation(
            samples, is_transformed=is_transformed, is_reversible=is_reversible
        ),
        pixel_representation=head[42] >> 7,
    )


def _segments(reader: DataSetReader, start: int) -> dict[int, bytes]:
    """The segments of the main header by the second byte of their markers."""
    found: dict[int, bytes] = {}
    offset = start + 2
    for _ in range(SEGMENTS_MAX):
        head = reader.read_at(offset, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] == _START_OF_TILE:
            break
        length = int.from_bytes(head[2:4], "big")
        if head[1] in (_CODING_STYLE, _CAPABILITIES):
            found[head[1]] = reader.read_at(offset + 4, max(length - 2, 0))
        offset += 2 + length
    return found


def _photometric_interpretation(samples: int, *, is_transformed: bool, is_reversible: bool) -> str:
    """PS3.5 8.2.4: the multiple component transformation that was used."""
    if samples == 1:
        return "MONOCHROME2"
    if not is_transformed:
        return "RGB"
    return "YBR_RCT" if is_reversible else "YBR_ICT"
