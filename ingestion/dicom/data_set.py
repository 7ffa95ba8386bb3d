"""A data set while it is read: its elements as DICOM JSON, and where its bulk data is.

Source: PS3.5 7 (structure), 7.8.1 (private elements); PS3.18 F.2.2.
"""

from dataclasses import dataclass, field

from ingestion.dicom import elements
from ingestion.dicom.character_sets import DEFAULT_ENCODINGS, Encodings, decode
from ingestion.dicom.elements import Encoding


@dataclass(slots=True)
class DataSet:
    """A data set, or the item of a sequence, as far as it has been read."""

    encoding: Encoding
    encodings: Encodings = DEFAULT_ENCODINGS
    path: str = ""
    depth: int = 0
    is_delimited: bool = False
    parent: "DataSet | None" = None
    values: dict[int, bytes] = field(default_factory=dict)
    attributes: dict[int, str] = field(default_factory=dict)
    requests: list["DataSet"] = field(default_factory=list)  # of Request Attributes Sequence

    def json(self) -> str:
        """Return the JSON object, its names in ascending order (PS3.18 F.2.2)."""
        tags = list(self.attributes)
        in_order = sorted(tags)
        if tags != in_order:
            return f"{{{','.join([self.attributes[tag] for tag in in_order])}}}"
        return f"{{{','.join(self.attributes.values())}}}"

    def private_creator_of(self, tag: int) -> str:
        """Return the creator of a private element's block, '' when there is none (PS3.5 7.8.1)."""
        if tag & 0xFF00 == 0:
            return ""
        creator = self.values.get(tag & 0xFFFF0000 | (tag >> 8) & 0xFF, b"")
        return decode(creator, self.encodings).rstrip(" \0")

    def pixel_representation(self) -> int | None:
        """Return the nearest Pixel Representation (0028,0103) read so far."""
        value = self.values.get(elements.PIXEL_REPRESENTATION, b"")
        if len(value) >= 2:
            return int(self.encoding.unpack_word(value, 0)[0])
        return self.parent.pixel_representation() if self.parent else None


@dataclass(frozen=True, slots=True)
class BulkDataLocation:
    """Where a value is that the JSON only names; its length is undefined when it is in fragments.

    `offset` is where the value begins in the (inflated) data set.
    """

    offset: int
    length: int
    vr: str
    is_little_endian: bool

    @property
    def is_encapsulated(self) -> bool:
        return self.length == elements.UNDEFINED_LENGTH
