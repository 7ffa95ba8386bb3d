"""Lookup tables of the Modality LUT and VOI LUT modules. Source: PS3.3 C.11.1.1, C.11.2.1.1."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.rendering.header_values import ReadBulkData, numbers, words

_DESCRIPTOR = "00283002"
_DATA = "00283006"


@dataclass(frozen=True, slots=True)
class LookupTable:
    """`entries` are uint16 of `bits`; the first one is for input values up to `first`."""

    first: int
    bits: int
    entries: NDArray[np.uint16]

    def apply(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """The entry for each value; those below and above take the first and the last."""
        index = np.clip(inputs - self.first, 0, len(self.entries) - 1)
        return self.entries[index.astype(np.intp)].astype(np.float64)


def lookup_table(
    item: JsonDataSet, read_bulk_data: ReadBulkData, *, pixel_representation: int
) -> LookupTable | None:
    """The table of an item; None when there is none that can be used."""
    descriptor = numbers(item, _DESCRIPTOR)
    if len(descriptor) != 3:
        return None
    # 0 stands for 2**16 entries (PS3.3 C.11.1.1).
    count, first, bits = int(descriptor[0]) or 1 << 16, int(descriptor[1]), int(descriptor[2])
    if pixel_representation and first > 0x7FFF:  # written as US, meant as SS
        first -= 0x10000
    entries = words(item, _DATA, read_bulk_data)
    if bits <= 8 and len(entries) == (count + 1) // 2 and count > 1:  # two to a word
        entries = entries.astype("<u2").view(np.uint8).astype(np.uint16)
    if not len(entries) or not 1 <= bits <= 16:
        return None
    return LookupTable(first, bits, entries[:count])
