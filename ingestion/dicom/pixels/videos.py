"""Reads what MPEG-2 and MPEG-4 (H.264, HEVC) videos say of themselves; nothing is decoded.

Source: ISO/IEC 13818-2 6.2.2.1 (sequence header); ISO/IEC 14496-12 (boxes), 14496-15 (avcC, hvcC);
PS3.5 8.2.5 to 8.2.8 and 10.
"""

import struct
from collections.abc import Iterator

from ingestion.dicom.inflating import DataSetReader
from ingestion.dicom.pixels.image_description import ImageDescription
from ingestion.errors import MalformedDataSet

MOVIE_BYTES_MAX = 32 << 20
SEQUENCE_SEARCH_BYTES = 1 << 20
BOXES_MAX = 10_000

_SEQUENCE_HEADER = b"\0\0\x01\xb3"
_MAIN_LEVEL_COLUMNS, _MAIN_LEVEL_ROWS = 720, 576
_MPEG2_MAIN_LEVEL, _MPEG2_HIGH_LEVEL = "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101"
_H264_4_1, _H264_4_2 = "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.104"
_HEVC_MAIN, _HEVC_MAIN_10 = "1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.108"
_AVC_SAMPLE_ENTRIES = (b"avc1", b"avc3")
_HEVC_SAMPLE_ENTRIES = (b"hvc1", b"hev1")
_SIZE_IN_SAMPLE_ENTRY = 28


def describe_mpeg_2(reader: DataSetReader) -> ImageDescription:
    """Return size and level of the first sequence. Raises MalformedDataSet."""
    head = reader.read_at(0, SEQUENCE_SEARCH_BYTES)
    at = head.find(_SEQUENCE_HEADER)
    if at < 0 or len(head) < at + 7:
        raise MalformedDataSet("the video has no MPEG-2 sequence header")
    size = int.from_bytes(head[at + 4 : at + 7], "big")
    columns, rows = size >> 12, size & 0xFFF
    is_main_level = columns <= _MAIN_LEVEL_COLUMNS and rows <= _MAIN_LEVEL_ROWS
    syntax = _MPEG2_MAIN_LEVEL if is_main_level else _MPEG2_HIGH_LEVEL
    return _video(syntax, rows, columns=columns)


def describe_mpeg_4(reader: DataSetReader) -> ImageDescription:
    """Return size, frames and level of the first picture track. Raises MalformedDataSet."""
    movie = _movie(reader)
    tracks = [content for kind, content in _boxes(movie) if kind == b"trak"]
    for track in tracks:
        for kind in (*_AVC_SAMPLE_ENTRIES, *_HEVC_SAMPLE_ENTRIES):
            at = track.find(kind)
            if at >= 0 and len(track) >= at + _SIZE_IN_SAMPLE_ENTRY + 4:
                columns, rows = struct.unpack_from(">HH", track, at + _SIZE_IN_SAMPLE_ENTRY)
                syntax = _mpeg_4_syntax(track, is_hevc=kind in _HEVC_SAMPLE_ENTRIES)
                return _video(syntax, rows, columns=columns, frames=_samples(track))
    raise MalformedDataSet("the video has no track of H.264 or HEVC")


def _video(syntax: str, rows: int, *, columns: int, frames: int = 0) -> ImageDescription:
    """4:2:0 in 8 bits, but for one profile (PS3.5 8.2.5 to 8.2.8)."""
    return ImageDescription(
        transfer_syntax_uid=syntax,
        rows=rows,
        columns=columns,
        samples_per_pixel=3,
        bits_stored=10 if syntax == _HEVC_MAIN_10 else 8,
        photometric_interpretation="YBR_PARTIAL_420",
        frames=frames,
    )


def _movie(reader: DataSetReader) -> bytes:
    """The content of the box `moov`, which stands before or behind the pictures."""
    offset = 0
    for _ in range(BOXES_MAX):
        head = reader.read_at(offset, 16)
        if len(head) < 8:
            break
        length, header_bytes = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, header_bytes = int.from_bytes(head[8:16], "big"), 16
        length = length or reader.size_bytes - offset  # the last box may have no length
        if length < header_bytes:
            break
        if head[4:8] == b"moov":
            content_bytes = min(length - header_bytes, MOVIE_BYTES_MAX)
            return reader.read_at(offset + header_bytes, content_bytes)
        offset += length
    raise MalformedDataSet("the video is no MPEG-4 file with a movie box")


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = 0
    while offset + 8 <= len(content):
        length = int.from_bytes(content[offset : offset + 4], "big")
        if length < 8:
            return
        yield content[offset + 4 : offset + 8], content[offset + 8 : offset + length]
        offset += length


def _mpeg_4_syntax(track: bytes, *, is_hevc: bool) -> str:
    """By profile and level (PS3.6 Table A-1); the first of them where they are not told."""
    at = track.find(b"hvcC" if is_hevc else b"avcC")
    configuration = track[at + 4 : at + 8] if at >= 0 else b""
    if is_hevc:
        profile = configuration[1] & 0x1F if len(configuration) == 4 else 1
        return _HEVC_MAIN_10 if profile == 2 else _HEVC_MAIN
    level = configuration[3] if len(configuration) == 4 else 41
    return _H264_4_1 if level <= 41 else _H264_4_2


def _samples(track: bytes) -> int:
    at = track.find(b"stsz")
    return int.from_bytes(track[at + 12 : at + 16], "big") if at >= 0 else 0
