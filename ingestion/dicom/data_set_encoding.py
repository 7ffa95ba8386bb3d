"""Encodes a data set of the DICOM JSON Model in Explicit VR Little Endian, but for its bulk data.

Bulk data may be larger than memory: its places are marked, and who has it fills them.
Source: PS3.5 7.1.2, 7.5 (sequences, of undefined length here); PS3.18 F.2.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ingestion.dicom.json_encoding import element_header, encode_value
from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.errors import MalformedDataSet

SPECIFIC_CHARACTER_SET = "00080005"
UNDEFINED_LENGTH = 0xFFFFFFFF

ITEM_HEADER = struct.Struct("<HHI")
_ITEM = ITEM_HEADER.pack(0xFFFE, 0xE000, UNDEFINED_LENGTH)
_ITEM_END = ITEM_HEADER.pack(0xFFFE, 0xE00D, 0)
SEQUENCE_END = ITEM_HEADER.pack(0xFFFE, 0xE0DD, 0)


@dataclass(frozen=True, slots=True)
class BulkValue:
    """The place of an element, header included, whose value is elsewhere."""

    tag: int
    vr: str
    uri: str
    is_nested: bool


def encode_data_set(data_set: JsonDataSet) -> list[bytes | BulkValue]:
    """Return the elements in ascending order, the bulk data among them marked.

    Text is UTF-8 and Specific Character Set says so. Group lengths and file meta information
    are no part of a data set and are left out. Raises MalformedDataSet.
    """
    complete = data_set | {SPECIFIC_CHARACTER_SET: element("CS", "ISO_IR 192")}
    pieces: list[bytes | BulkValue] = []
    run: list[bytes] = []
    for piece in _elements(complete, is_nested=False):
        if isinstance(piece, bytes):
            run.append(piece)
        else:
            pieces += (b"".join(run), piece)
            run = []
    return [*pieces, b"".join(run)]


def _elements(data_set: JsonDataSet, *, is_nested: bool) -> Iterator[bytes | BulkValue]:
    for name in sorted(data_set):
        tag, attribute = int(name, 16), data_set[name]
        if tag >> 16 in (0x0000, 0xFFFE):
            raise MalformedDataSet(f"{name} is no element of a data set")
        is_ours = is_nested and name == SPECIFIC_CHARACTER_SET
        if tag & 0xFFFF == 0 or tag >> 16 == 0x0002 or is_ours:
            continue
        if attribute["vr"] == "SQ":
            yield from _sequence(tag, attribute.get("Value", []))
        elif "BulkDataURI" in attribute:
            yield BulkValue(tag, attribute["vr"], attribute["BulkDataURI"], is_nested)
        else:
            value = encode_value(name, attribute)
            yield element_header(tag, attribute["vr"], len(value)) + value


def _sequence(tag: int, items: list[JsonDataSet]) -> Iterator[bytes | BulkValue]:
    yield element_header(tag, "SQ", UNDEFINED_LENGTH if items else 0)
    for item in items:
        yield _ITEM
        yield from _elements(item, is_nested=True)
        yield _ITEM_END
    if items:
        yield SEQUENCE_END
