"""Encodes the values of the DICOM JSON Model as the value fields of elements, little endian.

The counterpart of `json_values`. Text is UTF-8, as the model's is (ISO_IR 192). What cannot be
a value of its VR is refused, never bent.
Source: PS3.18 F.2; PS3.5 6.2 (VRs, padding), 7.1.2 (explicit VR).
"""

import binascii
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

from ingestion.dicom.elements import KNOWN_VRS
from ingestion.dicom.json_values import BINARY_WORD_BYTES
from ingestion.errors import MalformedDataSet

SHORT_LENGTH_MAX = 0xFFFE
LENGTH_MAX = 0xFFFFFFFE

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_INTEGERS = {"SL": "<i", "SS": "<h", "SV": "<q", "UL": "<I", "US": "<H", "UV": "<Q"}
_FLOATS = {"FD": "<d", "FL": "<f"}
_DEFAULT_REPERTOIRE_VRS = frozenset(("AE", "AS", "CS", "DA", "DT", "TM", "UI"))
_TEXT_VRS = frozenset(("LO", "SH", "UC"))
_PARAGRAPH_VRS = frozenset(("LT", "ST", "UT"))
# PS3.5 Table 7.1-1: a 32-bit length after two reserved bytes.
_LONG_VRS = frozenset(
    "OB OD OF OL OV OW SQ SV UC UN UR UT UV".split()  # noqa: SIM905
)


def element_header(tag: int, vr: str, length: int) -> bytes:
    """Return tag, VR and length; a VR of 16-bit length that is too long is told as UN.

    Raises MalformedDataSet for what no element can hold (PS3.5 7.1.2, 6.2.2).
    """
    if length > LENGTH_MAX and length != 0xFFFFFFFF:
        raise MalformedDataSet(f"the value of {tag:08X} is longer than an element can be")
    group, number = tag >> 16, tag & 0xFFFF
    if vr in _LONG_VRS:
        return struct.pack("<HH2sxxI", group, number, vr.encode(), length)
    if length > SHORT_LENGTH_MAX:
        return struct.pack("<HH2sxxI", group, number, b"UN", length)
    return struct.pack("<HH2sH", group, number, vr.encode(), length)


def encode_value(tag: str, attribute: dict[str, Any]) -> bytes:
    """Return the value field of an attribute that is no sequence and no bulk data, even in length.

    Raises MalformedDataSet.
    """
    vr = attribute["vr"]
    if "InlineBinary" in attribute:
        value = _inline_binary(tag, attribute["InlineBinary"], vr=vr)
    elif attribute.get("Value"):
        try:
            value = _ENCODERS[vr](attribute["Value"])
        except (TypeError, ValueError, OverflowError, KeyError, struct.error) as error:
            raise MalformedDataSet(f"{tag} has a value that {vr} cannot have") from error
    else:
        value = b""
    return value + (b"\0" if vr in _PADDED_WITH_NULL else b" ") if len(value) % 2 else value


def _inline_binary(tag: str, text: str, *, vr: str) -> bytes:
    if vr not in BINARY_WORD_BYTES:
        raise MalformedDataSet(f"{tag} of VR {vr} cannot have InlineBinary")
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (ValueError, binascii.Error) as error:
        raise MalformedDataSet(f"InlineBinary of {tag} is no Base64") from error


def _default_repertoire(values: Sequence[object]) -> bytes:
    return "\\".join(map(_text_or_empty, values)).encode("ascii")


def _texts(values: Sequence[object]) -> bytes:
    return "\\".join(map(_text_or_empty, values)).encode()


def _only_text(values: Sequence[object]) -> bytes:
    (value,) = values
    return _text_or_empty(value).encode()


def _url(values: Sequence[object]) -> bytes:
    (value,) = values
    return _text_or_empty(value).encode("ascii")


def _text_or_empty(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError("text is expected")
    return value


def _person_names(values: Sequence[object]) -> bytes:
    return "\\".join(map(_person_name, values)).encode()


def _person_name(value: object) -> str:
    """A string stands for its alphabetic group: not of the model, but sent."""
    if not isinstance(value, dict):
        return _text_or_empty(value)
    if not value.keys() <= set(_GROUPS):
        raise ValueError("a person name has three groups")
    return "=".join(_text_or_empty(value.get(group)) for group in _GROUPS).rstrip("=")


def _decimal_strings(values: Sequence[object]) -> bytes:
    return "\\".join(map(_number_text, values)).encode("ascii")


def _number_text(value: object) -> str:
    """16 characters if they suffice; DS has no more (PS3.5 6.2), but a value is not rounded."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("a number is expected")
    return repr(value)


def _integer_strings(values: Sequence[object]) -> bytes:
    return "\\".join(map(_integer_text, values)).encode("ascii")


def _integer_text(value: object) -> str:
    return _number_text(int(value) if isinstance(value, float) and value.is_integer() else value)


def _integers(layout: str) -> Callable[[Sequence[object]], bytes]:
    pack = struct.Struct(layout).pack
    return lambda values: b"".join([pack(_integer(value)) for value in values])


def _integer(value: object) -> int:
    """Numbers may be strings, to keep all their digits (PS3.18 Table F.2.3-1)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("a number is expected")
    if isinstance(value, float) and not value.is_integer():
        raise ValueError("an integer is expected")
    return int(value)


def _floats(layout: str) -> Callable[[Sequence[object]], bytes]:
    pack = struct.Struct(layout).pack
    return lambda values: b"".join([pack(_float(value)) for value in values])


def _float(value: object) -> float:
    """What JSON cannot say as a number (NaN, Infinity) is told as a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("a number is expected")
    return float(value)


def _attribute_tags(values: Sequence[object]) -> bytes:
    numbers = [binascii.unhexlify(_text_or_empty(value)) for value in values]
    if any(len(number) != 4 for number in numbers):
        raise ValueError("a tag has 8 hexadecimal digits")
    return b"".join([struct.pack("<HH", *struct.unpack(">HH", number)) for number in numbers])


_PADDED_WITH_NULL = frozenset(("UI", *BINARY_WORD_BYTES))
_ENCODERS: dict[str, Callable[[Sequence[object]], bytes]] = {
    "AT": _attribute_tags,
    "DS": _decimal_strings,
    "IS": _integer_strings,
    "PN": _person_names,
    "UR": _url,
    **dict.fromkeys(_DEFAULT_REPERTOIRE_VRS, _default_repertoire),
    **dict.fromkeys(_TEXT_VRS, _texts),
    **dict.fromkeys(_PARAGRAPH_VRS, _only_text),
    **{vr: _integers(layout) for vr, layout in _INTEGERS.items()},
    **{vr: _floats(layout) for vr, layout in _FLOATS.items()},
}
assert _ENCODERS.keys() | BINARY_WORD_BYTES.keys() | {"SQ"} == KNOWN_VRS
