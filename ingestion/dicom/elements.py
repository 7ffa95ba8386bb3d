"""Knows, by the first bytes of an element, its tag, its VR, its layout and how to write it.

An `ElementKind` is worked out once for each tag and VR seen and then found by those very bytes.
Source: PS3.5 7.1 (explicit and implicit structure), PS3.6 6 and 7 (VRs, through pydicom's
dictionary), PS3.5 6.2.2 (VR UN).
"""

import struct
from collections.abc import Callable
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

from pydicom.datadict import dictionary_VR, private_dictionary_VR

from ingestion.dicom.json_values import BINARY_WORD_BYTES, ValueWriter, value_writer

PIXEL_DATA_TAGS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
SPECIFIC_CHARACTER_SET = 0x00080005
PIXEL_REPRESENTATION = 0x00280103
LUT_DESCRIPTOR = 0x00283002
ITEM = 0xFFFEE000
ITEM_DELIMITATION_ITEM = 0xFFFEE00D
SEQUENCE_DELIMITATION_ITEM = 0xFFFEE0DD
UNDEFINED_LENGTH = 0xFFFFFFFF

_CACHED_KINDS_MAX = 20_000
_UN_AS_KNOWN_VR_BYTES_MAX = 0xFFFF

# PS3.5 Table 7.1-2: these have a 16-bit length. All others have two reserved bytes and 32 bits.
SHORT_VRS = frozenset(
    "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()  # noqa: SIM905
)
_LONG_VRS = frozenset("OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # noqa: SIM905
KNOWN_VRS = SHORT_VRS | _LONG_VRS

_AMBIGUOUS_VRS = frozenset(("US or SS", "OB or OW", "US or OW", "US or SS or OW"))

# PS3.18 F.2.2: long values of these VRs may be bulk data.
BULK_TEXT_VRS = frozenset("DS FD FL IS LT SL SS ST SV UC UL US UT UV".split())  # noqa: SIM905


class Treatment(Enum):
    """What the reader has to do with an element."""

    PLAIN = auto()
    STRUCTURED = auto()  # a sequence, a binary value, or one that later elements depend on
    UNRESOLVED = auto()  # the VR depends on other elements of the data set
    DROPPED = auto()  # not part of a data set, or not part of its JSON
    DELIMITER = auto()


class ElementKind(NamedTuple):
    """All that is known before the value is read. `write` is None unless the element is plain."""

    tag: int
    write: ValueWriter | None
    unpack_length: Callable[[bytes, int], tuple[int]]
    length_offset: int
    header_bytes: int
    key: str
    vr: str
    treatment: Treatment


class Encoding:
    """One way to encode elements. Instances live for ever and gather the kinds they have seen."""

    def __init__(self, *, is_explicit: bool, is_little_endian: bool) -> None:
        """Make an encoding; `encoding()` gives the shared one."""
        order = "<" if is_little_endian else ">"
        self.is_explicit = is_explicit
        self.is_little_endian = is_little_endian
        self.kind_bytes = 6 if is_explicit else 4
        self.kinds: dict[bytes, ElementKind] = {}
        self.writers = {
            vr: value_writer(vr, is_little_endian=is_little_endian) for vr in KNOWN_VRS - {"SQ"}
        }
        self.unpack_item = struct.Struct(order + "HHI").unpack_from
        self.unpack_word = struct.Struct(order + "H").unpack_from
        self._unpack_tag = struct.Struct(order + "HH").unpack_from
        self._unpack_long = struct.Struct(order + "I").unpack_from

    def kind_of(self, head: bytes) -> ElementKind:
        """Return the kind of the element that begins with these 8 bytes."""
        known = self.kinds.get(head[: self.kind_bytes])
        if known is not None:
            return known
        group, number = self._unpack_tag(head, 0)
        tag = group << 16 | number
        # Some writers switch to implicit VR inside explicit data sets; delimiters have no VR.
        is_explicit = self.is_explicit and group != 0xFFFE and looks_like_vr(head[4:6])
        vr = head[4:6].decode("latin-1") if is_explicit else known_vr(tag)
        kind = self._kind(tag, vr, layout=self._layout(vr, head, is_explicit=is_explicit))
        is_regular = is_explicit == self.is_explicit and (not is_explicit or vr in KNOWN_VRS)
        if is_regular and len(self.kinds) < _CACHED_KINDS_MAX:
            self.kinds[head[: self.kind_bytes]] = kind
        return kind

    def _layout(
        self, vr: str, head: bytes, *, is_explicit: bool
    ) -> tuple[Callable[..., tuple[int]], int, int]:
        """Return how to read the length, where it stands, and the bytes before the value."""
        if not is_explicit:
            return self._unpack_long, 4, 8
        # VRs still to be defined have 32 bits after two zero bytes; invented ones seldom do.
        is_unknown_short = vr not in KNOWN_VRS and head[6:8] != b"\0\0"
        if vr in SHORT_VRS or is_unknown_short:
            return self.unpack_word, 6, 8
        return self._unpack_long, 8, 12

    def _kind(
        self, tag: int, vr: str, *, layout: tuple[Callable[..., tuple[int]], int, int]
    ) -> ElementKind:
        treatment = _treatment(tag, vr)
        write = self.writers[vr] if treatment is Treatment.PLAIN else None
        return ElementKind(tag, write, *layout, f'"{tag:08X}":', vr, treatment)


_ENCODINGS = {
    (is_explicit, is_little_endian): Encoding(
        is_explicit=is_explicit, is_little_endian=is_little_endian
    )
    for is_explicit in (True, False)
    for is_little_endian in (True, False)
}


def encoding(*, is_explicit: bool, is_little_endian: bool) -> Encoding:
    """Return the shared encoding of these properties."""
    return _ENCODINGS[is_explicit, is_little_endian]


def item_encoding(encoding: Encoding, head: bytes) -> Encoding:
    """Return the encoding of an item that begins with these 8 bytes, fewer at the end.

    Sequences of VR UN, and some of others, hold implicit VR items (PS3.5 6.2.2, note 4).
    """
    group = encoding.unpack_word(head, 0)[0] if len(head) == 8 else 0xFFFE
    if not encoding.is_explicit or group == 0xFFFE or looks_like_vr(head[4:6]):
        return encoding
    return _ENCODINGS[False, encoding.is_little_endian]


def looks_like_vr(two_bytes: bytes) -> bool:
    """Tell whether these can be a VR, known or not: two capital letters."""
    return len(two_bytes) == 2 and two_bytes.isalpha() and two_bytes.isupper()


def known_vr(tag: int) -> str:
    """Return the VR of PS3.6, "A or B" where it depends, 'UN' where there is none."""
    if tag & 0xFFFF == 0:
        return "UL"
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "LO" if _is_private_creator(tag) else "UN"


def resolved_vr(kind: ElementKind, length: int, *, private_creator: str) -> str:
    """Return the VR for an element of VR UN, of no VR or of an unknown one (PS3.5 6.2.2)."""
    if kind.tag & 0x10000:
        if _is_private_creator(kind.tag):
            return "LO"
        return _private_vr(kind.tag, private_creator)
    if kind.vr in _AMBIGUOUS_VRS:
        return kind.vr
    # A UN this long may have been made of a short VR whose 16-bit length it would overflow.
    is_short = length < _UN_AS_KNOWN_VR_BYTES_MAX or length == UNDEFINED_LENGTH
    return known_vr(kind.tag) if is_short else "UN"


@lru_cache(maxsize=8192)
def _private_vr(tag: int, private_creator: str) -> str:
    if not private_creator:
        return "UN"
    try:
        vr = private_dictionary_VR(tag, private_creator)
    except KeyError:
        return "UN"
    return vr if vr in KNOWN_VRS else "UN"


def _treatment(tag: int, vr: str) -> Treatment:
    group, number = tag >> 16, tag & 0xFFFF
    if group == 0xFFFE:
        return Treatment.DELIMITER
    if number == 0 or group in (0x0000, 0x0002):
        return Treatment.DROPPED
    if vr == "UN" or vr not in KNOWN_VRS:
        return Treatment.UNRESOLVED
    if vr == "SQ" or vr in BINARY_WORD_BYTES or tag == SPECIFIC_CHARACTER_SET:
        return Treatment.STRUCTURED
    return Treatment.PLAIN


def _is_private_creator(tag: int) -> bool:
    return bool(tag & 0x10000) and 0x10 <= tag & 0xFFFF <= 0xFF
