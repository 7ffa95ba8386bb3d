"""Reads what the code stream of one frame says of itself, before a codec is trusted with it.

A code stream that declares another size than its data set would make a codec allocate whatever
it says. Source: ISO/IEC 10918-1 B.2.2 (JPEG), 14495-1 C.2 (JPEG-LS), 15444-1 A.5.1 (JPEG 2000);
PS3.5 8.2.1 (colour of JPEG).
"""

import struct
from dataclasses import dataclass

_START_OF_IMAGE = b"\xff\xd8"
_START_OF_CODE_STREAM = b"\xff\x4f\xff\x51"
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "

# Start of frame, lossy, lossless and hierarchical (10918-1 Table B.1), and JPEG-LS (14495-1 C.1).
_STARTS_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_APP0, _APP14, _START_OF_SCAN, _END_OF_IMAGE = 0xE0, 0xEE, 0xDA, 0xD9
_RGB_COMPONENTS = (b"RGB", b"rgb")
_SEGMENTS_MAX = 1000


@dataclass(frozen=True, slots=True)
class CodeStream:
    """`is_ybr` is what the stream itself says of its colours; None when it does not.

    `is_adobe` tells that Adobe's marker said so.
    """

    rows: int
    columns: int
    samples_per_pixel: int
    precision: int
    is_ybr: bool | None = None
    is_adobe: bool = False


def read_code_stream(frame: bytes) -> CodeStream | None:
    """What a JPEG, JPEG-LS or JPEG 2000 stream declares; None when it is none of them."""
    if frame.startswith(_START_OF_IMAGE):
        return _jpeg(frame)
    if frame.startswith(_JP2_SIGNATURE):
        start = frame.find(_START_OF_CODE_STREAM)
        return _jpeg_2000(frame, start) if start > 0 else None
    return _jpeg_2000(frame, 0) if frame.startswith(_START_OF_CODE_STREAM) else None


def _jpeg(frame: bytes) -> CodeStream | None:
    """Walk the marker segments up to the first scan."""
    offset, is_ybr, is_adobe, found = 2, None, False, None
    for _ in range(_SEGMENTS_MAX):
        head = frame[offset : offset + 4]
        if len(head) < 4 or head[0] != 0xFF or head[1] in (_START_OF_SCAN, _END_OF_IMAGE):
            break
        marker, length = head[1], int.from_bytes(head[2:], "big")
        if marker == 0xFF:  # fill bytes (10918-1 B.1.1.2)
            offset += 1
            continue
        if marker in _WITHOUT_LENGTH:
            offset += 2
            continue
        segment = frame[offset + 4 : offset + 2 + length]
        if marker == _APP0 and segment.startswith(b"JFIF"):
            is_ybr = True
        elif marker == _APP14 and segment.startswith(b"Adobe") and len(segment) > 11:
            is_ybr, is_adobe = segment[11] == 1, True
        elif marker in _STARTS_OF_FRAME:
            found = found or segment
        offset += 2 + length
    return _frame_header(found, is_ybr=is_ybr, is_adobe=is_adobe) if found else None


def _frame_header(segment: bytes, *, is_ybr: bool | None, is_adobe: bool) -> CodeStream | None:
    if len(segment) < 6:
        return None
    precision, rows, columns, samples = struct.unpack_from(">BHHB", segment)
    if segment[6 : 6 + 3 * samples : 3] in _RGB_COMPONENTS:
        is_ybr = False
    if samples != 3:
        return CodeStream(rows, columns, samples, precision)
    return CodeStream(rows, columns, samples, precision, is_ybr, is_adobe)


def _jpeg_2000(frame: bytes, start: int) -> CodeStream | None:
    """The SIZ segment, which comes first; the codec says itself what it made of the colours."""
    if len(frame) < start + 43:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", frame, start + 8)
    samples, depth = struct.unpack_from(">HB", frame, start + 40)
    if right <= left or bottom <= top:
        return None
    return CodeStream(bottom - top, right - left, samples, (depth & 0x7F) + 1)
