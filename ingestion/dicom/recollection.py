"""Remembers elements of the data set before: in a series most come again, byte for byte.

What is written of a plain element, and of most sequences, depends on the bytes, their encoding and
the character sets alone. So where the same bytes come again in the same place, what was written of
them is taken as it is.
"""

from typing import NamedTuple

from ingestion.dicom.character_sets import Encodings
from ingestion.dicom.elements import Encoding

ELEMENTS_MAX = 500
ELEMENT_BYTES_MAX = 128
SEQUENCE_BYTES_MAX = 512

# The header and value that an element is made of, its tag, its value, its JSON attribute, and how
# many elements it is with those inside.
KnownElement = tuple[bytes, int, bytes, str, int]


class _Run(NamedTuple):
    """Elements with nothing between them, and what they were read with."""

    encoding: Encoding
    encodings: Encodings
    elements: list[KnownElement]


class Recollection:
    """What one reader of data sets, one after the other, remembers. For one thread at a time.

    A data set is a row of runs; the n-th run is likely to be what the n-th was before. Memory is
    bounded by the three constants above.
    """

    def __init__(self, *, element_bytes_max: int = ELEMENT_BYTES_MAX) -> None:
        """Remember nothing yet, and never longer elements; with 0 none at all."""
        self.element_bytes_max = element_bytes_max
        self._limits: object = None
        self._before: list[_Run] = []
        self._now: list[_Run] = []
        self._room = 0

    def begin(self, limits: object) -> None:
        """A data set begins: what was read up to now is the one before, if under equal limits."""
        self._before, self._now = (self._now if limits == self._limits else []), []
        self._limits = limits
        self._room = ELEMENTS_MAX if self.element_bytes_max else 0

    def expected(self, encoding: Encoding, encodings: Encodings) -> list[KnownElement]:
        """What the next run may consist of, in order; empty when nothing like it came before."""
        number = len(self._now)
        if number < len(self._before):
            run = self._before[number]
            if run.encoding is encoding and run.encodings == encodings:
                return run.elements
        return []

    def keep(
        self, encoding: Encoding, encodings: Encodings, read: list[KnownElement]
    ) -> list[KnownElement]:
        """Remember the run that was read, as far as there is room; returns what is remembered."""
        remembered = read[: max(self._room, 0)]
        if self._room > 0:
            self._now.append(_Run(encoding, encodings, remembered))
            self._room -= len(read) + 1  # runs have no end either
        return remembered

    def keep_sequence(self, run: list[KnownElement], sequence: KnownElement) -> None:
        """Remember a sequence behind the run that stands before it; its value is left out."""
        if self._room > 0 and 0 < len(sequence[0]) <= SEQUENCE_BYTES_MAX:
            run.append(sequence)
            self._room -= 1
