"""Reads the frame header of JPEG and JPEG-LS images; their pixels are not decoded.

Source: ITU-T T.81 B (markers, SOF, SOS), T.872 6.5.3 (Adobe's marker), T.87 C (JPEG-LS);
PS3.5 A.4.1 to A.4.3, PS3.3 C.7.6.3.1.2 (photometric interpretations).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ingestion.dicom.inflating import DataSetReader
from ingestion.dicom.pixels.image_description import ImageDescription
from ingestion.errors import MalformedDataSet

SEGMENTS_MAX = 2000

_START_OF_IMAGE = b"\xff\xd8"
_START_OF_SCAN = 0xDA
_ADOBE = 0xEE
_JPEG_LS_FRAME = 0xF7
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD8)))
# T.81 Table B.1 and PS3.5 A.4.1: the process of each start of frame.
_SYNTAX_OF_FRAME = {
    0xC0: "1.2.840.10008.1.2.4.50",
    0xC1: "1.2.840.10008.1.2.4.51",
    0xC2: "1.2.840.10008.1.2.4.55",
    0xC3: "1.2.840.10008.1.2.4.57",
    _JPEG_LS_FRAME: "1.2.840.10008.1.2.4.80",
}
_LOSSLESS_FIRST_ORDER = "1.2.840.10008.1.2.4.70"
_NEAR_LOSSLESS = "1.2.840.10008.1.2.4.81"
_LOSSLESS = frozenset((0xC3, _JPEG_LS_FRAME))


@dataclass(slots=True)
class _Headers:
    frame_marker: int = 0
    frame: bytes = b""
    scan: bytes = b""
    adobe_transform: int = -1


def describe_jpeg(reader: DataSetReader) -> ImageDescription:
    """Return what the image says of itself. Raises MalformedDataSet."""
    headers = _headers(reader)
    frame, marker = headers.frame, headers.frame_marker
    if marker not in _SYNTAX_OF_FRAME or len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise MalformedDataSet("the image has no JPEG frame header of a process that DICOM has")
    samples = frame[5]
    if samples not in (1, 3):
        raise MalformedDataSet(f"the image has {samples} samples per pixel; DICOM has 1 or 3")
    return ImageDescription(
        transfer_syntax_uid=_transfer_syntax(headers),
        rows=int.from_bytes(frame[1:3], "big"),
        columns=int.from_bytes(frame[3:5], "big"),
        samples_per_pixel=samples,
        bits_stored=frame[0],
        photometric_interpretation=_photometric_interpretation(headers),
    )


def _headers(reader: DataSetReader) -> _Headers:
    found = _Headers()
    for marker, content in _segments(reader):
        if marker in _SYNTAX_OF_FRAME:
            found.frame_marker, found.frame = marker, content
        elif marker == _ADOBE and content[:5] == b"Adobe" and len(content) >= 12:
            found.adobe_transform = content[11]
        elif marker == _START_OF_SCAN:
            found.scan = content
    return found


def _segments(reader: DataSetReader) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment, to the first scan."""
    if reader.read_at(0, 2) != _START_OF_IMAGE:
        raise MalformedDataSet("the image is no JPEG")
    offset = 2
    for _ in range(SEGMENTS_MAX):
        head = reader.read_at(offset, 4)
        if len(head) < 4 or head[0] != 0xFF:
            break
        if head[1] in _WITHOUT_LENGTH or head[1] == 0xFF:
            offset += 1 if head[1] == 0xFF else 2
            continue
        length = int.from_bytes(head[2:4], "big")
        yield head[1], reader.read_at(offset + 4, max(length - 2, 0))
        offset += 2 + length
        if head[1] == _START_OF_SCAN:
            return
    raise MalformedDataSet("the image breaks off before its first scan")


def _transfer_syntax(headers: _Headers) -> str:
    """Behind the components, a scan tells the predictor, or how near it is to lossless."""
    parameters = headers.scan[1 + 2 * headers.scan[0] :] if headers.scan else b""
    first = parameters[0] if parameters else 0
    if headers.frame_marker == 0xC3 and first == 1:
        return _LOSSLESS_FIRST_ORDER
    if headers.frame_marker == _JPEG_LS_FRAME and first:
        return _NEAR_LOSSLESS
    return _SYNTAX_OF_FRAME[headers.frame_marker]


def _photometric_interpretation(headers: _Headers) -> str:
    frame = headers.frame
    if frame[5] == 1:
        return "MONOCHROME2"
    identifiers = bytes(frame[6 + 3 * index] for index in range(frame[5]))
    is_rgb = headers.adobe_transform == 0 or identifiers == b"RGB"
    if headers.frame_marker in _LOSSLESS:
        return "YBR_FULL" if headers.adobe_transform == 1 else "RGB"
    return "RGB" if is_rgb else "YBR_FULL_422"
