"""Palettes: the colours that the values of PALETTE COLOR stand for.

Source: PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6 (tables), C.7.9.2 (segmented tables).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.rendering.header_values import ReadBulkData, numbers, words
from ingestion.errors import UnreadablePixelData

ENTRIES_MAX = 1 << 16

_DESCRIPTORS = ("00281101", "00281102", "00281103")
_TABLES = ("00281201", "00281202", "00281203")
_SEGMENTED_TABLES = ("00281221", "00281222", "00281223")
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2
_LONGEST_OFFSET_WORDS = 4


@dataclass(frozen=True, slots=True)
class Palette:
    """`colours` is `(entries, 3)` uint8; the first is for values up to `first`."""

    first: int
    colours: NDArray[np.uint8]

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        """The colour of each value, `(rows, columns, 3)`; beyond the ends those of the ends."""
        index = np.clip(pixels.astype(np.int64) - self.first, 0, len(self.colours) - 1)
        return self.colours[index]


def read_palette(
    data_set: JsonDataSet, read_bulk_data: ReadBulkData, *, pixel_representation: int
) -> Palette:
    """The palette of an image; raises `UnreadablePixelData` when there is none to be used."""
    is_segmented = _SEGMENTED_TABLES[0] in data_set
    tags = _SEGMENTED_TABLES if is_segmented else _TABLES
    told = numbers(data_set, _DESCRIPTORS[0])
    if len(told) != 3:
        raise UnreadablePixelData("the palette has no descriptor (0028,1101)")
    count, first, bits = int(told[0]) or ENTRIES_MAX, int(told[1]), int(told[2])
    if pixel_representation and first > 0x7FFF:  # written as US, meant as SS
        first -= 0x10000
    expand = _expanded if is_segmented else _plain
    channels = [
        expand(words(data_set, tag, read_bulk_data), bits=bits, count=count) for tag in tags
    ]
    length = min(len(channel) for channel in channels)
    if not length:
        raise UnreadablePixelData("the palette has no entries (0028,1201-1203)")
    colours = np.stack([channel[:length] for channel in channels], axis=1)
    # Tables described with 16 bits may have been written with 8.
    return Palette(first, (colours >> 8 if colours.max() > 0xFF else colours).astype(np.uint8))


def _plain(table: NDArray[np.uint16], *, bits: int, count: int) -> NDArray[np.uint16]:
    """The entries: two to a word where they have 8 bits and there are so few words."""
    if bits == 8 and len(table) == (count + 1) // 2 and count > 1:
        table = _bytes_of(table)
    return table[:count]


def _bytes_of(table: NDArray[np.uint16]) -> NDArray[np.uint16]:
    return table.astype("<u2").view(np.uint8).astype(np.uint16)


def _expanded(table: NDArray[np.uint16], *, bits: int, count: int) -> NDArray[np.uint16]:
    """The entries of a segmented table, never more than `count` (C.7.9.2)."""
    data = [int(word) for word in (_bytes_of(table) if bits == 8 else table)[:ENTRIES_MAX]]
    entries: list[int] = []
    offset = 0
    while len(entries) < count and offset + 2 < len(data):
        if data[offset] == _INDIRECT:
            start, offset_words = _indirection(data, offset + 2, bits=bits)
            segments = data[offset + 1]
            offset += 2 + offset_words
            while segments and len(entries) < count and start + 2 < len(data):
                start = _add_segment(entries, data, offset=start)
                segments -= 1
        else:
            offset = _add_segment(entries, data, offset=offset)
    return np.array(entries[:count], dtype=np.uint16)


def _add_segment(entries: list[int], data: list[int], *, offset: int) -> int:
    """Add what a discrete or linear segment says; return where the next one begins."""
    kind, length, offset = data[offset], data[offset + 1], offset + 2
    if kind == _DISCRETE:
        entries += data[offset : offset + length]
        return offset + length
    if kind != _LINEAR or not entries:
        raise UnreadablePixelData("the palette has a segment out of place (PS3.3 C.7.9.2)")
    steps = np.arange(1, length + 1) / max(length, 1)
    entries += np.rint(entries[-1] + (data[offset] - entries[-1]) * steps).astype(int).tolist()
    return offset + 1


def _indirection(data: list[int], offset: int, *, bits: int) -> tuple[int, int]:
    """Where the segments to copy begin, and how many words said so, least significant first."""
    count = _LONGEST_OFFSET_WORDS if bits == 8 else _LONGEST_OFFSET_WORDS // 2
    shift = 8 if bits == 8 else 16
    start = sum(word << shift * place for place, word in enumerate(data[offset : offset + count]))
    return (start if bits == 8 else start // 2), count
