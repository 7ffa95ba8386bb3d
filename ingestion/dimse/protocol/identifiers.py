"""Identifiers and other small data sets of messages, between their bytes and DICOM JSON.

Source: PS3.5 7 (encoding), 7.5 (sequences), A.5 (deflated); PS3.4 C.4.1.1.3.2 (character set of
what is returned); PS3.18 F.2.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from ingestion.dicom.elements import SHORT_VRS
from ingestion.dicom.inflating import DataSetReader, InflatingReader
from ingestion.dicom.json_encoding import SHORT_LENGTH_MAX, encode_value
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.pixels.byte_order import little_endian
from ingestion.dicom.scanning import DataSetScanner, HeaderLimits
from ingestion.dicom.text_encoding import encode_text
from ingestion.dicom.transfer_syntaxes import TransferSyntax, transfer_syntax
from ingestion.errors import InvalidQuery, MalformedDataSet, ObjectTooComplex, TruncatedDataSet

SPECIFIC_CHARACTER_SET = "00080005"
INFLATED_BYTES_MAX = 16 << 20

_LIMITS = HeaderLimits(
    header_bytes_max=INFLATED_BYTES_MAX,
    depth_max=16,
    elements_max=50_000,
    inflated_bytes_max=INFLATED_BYTES_MAX,
    inline_value_bytes_max=INFLATED_BYTES_MAX,
)
_UTF_8 = "ISO_IR 192"
_TEXT_VRS = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_ITEM = (0xFFFE, 0xE000)
# Bytes of the words that change places in big endian (PS3.5 7.3).
_WORD_BYTES = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}


@dataclass(frozen=True, slots=True)
class _Bytes:
    """A data set that is in memory."""

    content: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def read_at(self, offset: int, length: int) -> bytes:
        return self.content[offset : offset + length]


def decode_identifier(encoded: bytes, transfer_syntax_uid: str) -> JsonDataSet:
    """Return the data set, its text decoded.

    Raises `MalformedDataSet` for what is none, `InvalidQuery` for one beyond all measure.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    reader: DataSetReader = _Bytes(encoded)
    try:
        if syntax.is_deflated:
            reader = InflatingReader(reader, INFLATED_BYTES_MAX)
        data_set = DataSetScanner(reader, _LIMITS).scan(
            is_explicit=syntax.is_explicit, is_little_endian=syntax.is_little_endian
        )
    except ObjectTooComplex as error:
        raise InvalidQuery(f"the identifier is too complex: {error}") from error
    except TruncatedDataSet as error:
        raise MalformedDataSet(str(error)) from error
    parsed: JsonDataSet = orjson.loads(data_set.json().encode("utf-8", "replace"))
    return parsed


def encode_identifier(
    data_set: JsonDataSet, transfer_syntax_uid: str, *, character_set: str = ""
) -> bytes:
    """Return the data set, its elements in order and of even length.

    Text is in `character_set`, values by backslash, if that can carry it, else in UTF-8; Specific
    Character Set says which, and is not there where all is ASCII. A value that its VR cannot
    have, or that is elsewhere, is sent empty.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    for choice in dict.fromkeys(("", character_set, _UTF_8)):
        terms = tuple(choice.split("\\"))
        try:
            encoded = _Writer(syntax, terms).data_set(_with_character_set(data_set, choice))
        except (UnicodeEncodeError, LookupError):  # a character, or a set, that is not there
            continue
        return _deflated(encoded) if syntax.is_deflated else encoded
    raise AssertionError("UTF-8 carries everything")


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes elements in one transfer syntax and one character set."""

    syntax: TransferSyntax
    terms: tuple[str, ...]

    def data_set(self, data_set: JsonDataSet) -> bytes:
        return b"".join(self._elements(data_set))

    def _elements(self, data_set: JsonDataSet) -> Iterator[bytes]:
        for name in sorted(data_set):
            tag, attribute = int(name, 16), data_set[name]
            vr = attribute["vr"]
            value = self._items(attribute) if vr == "SQ" else self._value(name, attribute, vr=vr)
            yield element_header(self.syntax, vr)(tag, len(value)) + value

    def _items(self, attribute: dict[str, Any]) -> bytes:
        pack = struct.Struct("<HHI" if self.syntax.is_little_endian else ">HHI").pack
        items = [self.data_set(item or {}) for item in attribute.get("Value", ())]
        return b"".join([pack(*_ITEM, len(item)) + item for item in items])

    def _value(self, name: str, attribute: dict[str, Any], *, vr: str) -> bytes:
        if "BulkDataURI" in attribute:
            return b""
        try:
            value = encode_value(name, attribute)
        except MalformedDataSet:  # an odd value never refuses the data set that it is in
            return b""
        if vr in _TEXT_VRS and not value.isascii():
            text = encode_text(value.decode().rstrip(" "), self.terms, vr=vr)
            value = text + b" " if len(text) % 2 else text
        if not self.syntax.is_little_endian and vr in _WORD_BYTES:
            value = little_endian(value, _WORD_BYTES[vr])
        return value if len(value) <= SHORT_LENGTH_MAX or vr not in SHORT_VRS else b""


@lru_cache(maxsize=256)
def element_header(syntax: TransferSyntax, vr: str) -> Callable[[int, int], bytes]:
    """Return what makes the bytes before a value, of the tag and the length (PS3.5 7.1)."""
    order = "<" if syntax.is_little_endian else ">"
    if not syntax.is_explicit:
        pack = struct.Struct(order + "HHI").pack
        return lambda tag, length: pack(tag >> 16, tag & 0xFFFF, length)
    layout = "HH2sH" if vr in SHORT_VRS else "HH2sxxI"
    pack = struct.Struct(order + layout).pack
    name = vr.encode("ascii")
    return lambda tag, length: pack(tag >> 16, tag & 0xFFFF, name, length)


def _with_character_set(data_set: JsonDataSet, character_set: str) -> JsonDataSet:
    rest = {tag: value for tag, value in data_set.items() if tag != SPECIFIC_CHARACTER_SET}
    if not character_set:
        return rest
    values = [term or None for term in character_set.split("\\")]
    return {SPECIFIC_CHARACTER_SET: {"vr": "CS", "Value": values}} | rest


def _deflated(encoded: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = compressor.compress(encoded) + compressor.flush()
    return deflated + b"\0" * (len(deflated) % 2)
