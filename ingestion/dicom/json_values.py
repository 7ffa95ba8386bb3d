"""Writes the value field of one element as the JSON text of the DICOM JSON Model, by its VR.

Every writer takes the raw value and the codecs of Specific Character Set and returns the whole
attribute object. Writers never fail: what breaks its VR is kept as a string or as VR UN.
Source: PS3.18 F.2; PS3.5 6.2 (padding and delimiters).
"""

import math
import re
import struct
from binascii import b2a_base64
from collections.abc import Callable
from json.encoder import encode_basestring as quote

from ingestion.dicom.character_sets import Encodings, decode
from ingestion.dicom.pixels.byte_order import little_endian

ValueWriter = Callable[[bytes, Encodings], str]

# PS3.5 6.2: VRs whose value is binary and stands in InlineBinary (PS3.18 F.2.7); word sizes.
BINARY_WORD_BYTES = {"OB": 1, "OD": 8, "OF": 4, "OL": 4, "OV": 8, "OW": 2, "UN": 1}

# Numbers that JSON reads as they stand and that no reader turns into an infinity.
_INTEGERS = re.compile(rb"-?(?:0|[1-9][0-9]{0,17})(?:\\-?(?:0|[1-9][0-9]{0,17}))*")
_DECIMAL = rb"-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?"
_DECIMALS = re.compile(_DECIMAL + rb"(?:\\" + _DECIMAL + rb")*")
_DECIMAL_TEXT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_COMPONENT_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def value_writer(vr: str, *, is_little_endian: bool) -> ValueWriter:
    """Return the writer for a VR of PS3.5 6.2 that is not SQ; unknown VRs are written as UN."""
    if vr in _NUMBER_FORMATS:
        return _number_writer(vr, ("<" if is_little_endian else ">") + _NUMBER_FORMATS[vr])
    if vr in BINARY_WORD_BYTES:
        return _binary_writer(vr, 1 if is_little_endian else BINARY_WORD_BYTES[vr])
    if vr == "AT":
        return _attribute_tag_writer("<" if is_little_endian else ">")
    return _TEXT_WRITERS.get(vr) or _binary_writer("UN", 1)


def bulk_data(vr: str, uri: str) -> str:
    """Return an attribute object whose value is elsewhere (PS3.18 F.2.6)."""
    return f'{{"vr":"{vr}","BulkDataURI":"{uri}"}}'


def sequence(items: list[str]) -> str:
    """Return a sequence of items that are JSON objects already."""
    return f'{{"vr":"SQ","Value":[{",".join(items)}]}}' if items else '{"vr":"SQ"}'


def unknown(value: bytes) -> str:
    """Return a value that breaks its VR as VR UN, so that no byte is lost."""
    return _UNKNOWN_WRITER(value, ())


def _values(texts: list[str]) -> str:
    """Return values in JSON; an empty one among several is null (PS3.18 F.2.5)."""
    return ",".join([quote(text) if text else "null" for text in texts])


def _default_repertoire_writer(vr: str) -> ValueWriter:
    empty = f'{{"vr":"{vr}"}}'
    start = f'{{"vr":"{vr}","Value":['

    def write(value: bytes, _: Encodings) -> str:
        text = value.decode("latin-1").rstrip(" \0")
        if "\\" in text:
            return f"{start}{_values(text.split(chr(92)))}]}}"
        return f"{start}{quote(text)}]}}" if text else empty

    return write


def _trimmed_writer(vr: str, *, is_single: bool) -> ValueWriter:
    """AE has no significant leading or trailing spaces, UR no trailing ones and no delimiter."""
    empty = f'{{"vr":"{vr}"}}'
    start = f'{{"vr":"{vr}","Value":['

    def write(value: bytes, _: Encodings) -> str:
        text = value.decode("latin-1").rstrip(" \0\t\r\n\f\v")
        if not text:
            return empty
        texts = [text] if is_single else [part.strip(" \0\t\r\n\f\v") for part in text.split("\\")]
        return f"{start}{_values(texts)}]}}" if any(texts) or len(texts) > 1 else empty

    return write


def _text_writer(vr: str) -> ValueWriter:
    """SH, LO, UC: many values in the character set, trailing padding not significant."""
    empty = f'{{"vr":"{vr}"}}'
    start = f'{{"vr":"{vr}","Value":['

    def write(value: bytes, encodings: Encodings) -> str:
        text = decode(value, encodings)
        if "\\" in text:
            return (
                f"{start}{_values([part.rstrip(' ' + chr(0)) for part in text.split(chr(92))])}]}}"
            )
        text = text.rstrip(" \0")
        return f"{start}{quote(text)}]}}" if text else empty

    return write


def _paragraph_writer(vr: str) -> ValueWriter:
    """ST, LT, UT: one value, in which a backslash is a character."""
    empty = f'{{"vr":"{vr}"}}'
    start = f'{{"vr":"{vr}","Value":['

    def write(value: bytes, encodings: Encodings) -> str:
        text = decode(value, encodings).rstrip(" \0")
        return f"{start}{quote(text)}]}}" if text else empty

    return write


def _write_person_name(value: bytes, encodings: Encodings) -> str:
    text = decode(value.rstrip(b" \0"), encodings)
    if not text:
        return '{"vr":"PN"}'
    if "=" not in text and "\\" not in text:
        return f'{{"vr":"PN","Value":[{{"Alphabetic":{quote(text)}}}]}}'
    names = [_component_groups(name) for name in text.split("\\")]
    return f'{{"vr":"PN","Value":[{",".join(names)}]}}'


def _component_groups(name: str) -> str:
    groups = [
        f'"{group}":{quote(text)}'
        for group, text in zip(_COMPONENT_GROUPS, name.split("="), strict=False)
        if text
    ]
    return f"{{{','.join(groups)}}}" if groups else "null"


def _write_integer_string(value: bytes, _: Encodings) -> str:
    text = value.strip(b" \0")
    if not text:
        return '{"vr":"IS"}'
    if _INTEGERS.fullmatch(text):
        return f'{{"vr":"IS","Value":[{text.decode().replace(chr(92), ",")}]}}'
    numbers = [_integer(part.strip(" \0")) for part in text.decode("latin-1").split("\\")]
    return f'{{"vr":"IS","Value":[{",".join(numbers)}]}}'


def _write_decimal_string(value: bytes, _: Encodings) -> str:
    text = value.strip(b" \0")
    if not text:
        return '{"vr":"DS"}'
    if _DECIMALS.fullmatch(text):
        return f'{{"vr":"DS","Value":[{text.decode().replace(chr(92), ",")}]}}'
    numbers = [_decimal(part.strip(" \0")) for part in text.decode("latin-1").split("\\")]
    return f'{{"vr":"DS","Value":[{",".join(numbers)}]}}'


def _integer(text: str) -> str:
    number = _decimal(text)
    if not number.startswith('"') and number.endswith(".0"):
        return number[:-2]
    return number if number == "null" or number.lstrip("-").isdigit() else quote(text)


def _decimal(text: str) -> str:
    """Return a number where the text is one, else the text itself (PS3.18 F.2.3, note)."""
    if not text:
        return "null"
    if not _DECIMAL_TEXT.fullmatch(text):
        return quote(text)
    digits = text.removeprefix("+").removeprefix("-")
    if digits.isdigit() and len(digits) <= 18:
        return str(int(text))
    number = float(text)
    return repr(number) if math.isfinite(number) else quote(text)


def _number_writer(vr: str, layout: str) -> ValueWriter:
    one = struct.Struct(layout)
    order, code = layout[0], layout[1]
    start = f'{{"vr":"{vr}","Value":['
    has_infinities = code in "fd"

    def write(value: bytes, _: Encodings) -> str:
        if len(value) == one.size and not has_infinities:
            return f"{start}{one.unpack(value)[0]}]}}"
        if not value:
            return f'{{"vr":"{vr}"}}'
        if len(value) % one.size:
            return unknown(value)
        numbers = struct.unpack(f"{order}{len(value) // one.size}{code}", value)
        return f"{start}{','.join(map(_number, numbers))}]}}"

    return write


def _number(number: int | float) -> str:
    """JSON has no NaN and no infinity: they are told as strings."""
    return repr(number) if math.isfinite(number) else f'"{number}"'


def _attribute_tag_writer(order: str) -> ValueWriter:
    def write(value: bytes, _: Encodings) -> str:
        if not value:
            return '{"vr":"AT"}'
        if len(value) % 4:
            return unknown(value)
        words = struct.unpack(f"{order}{len(value) // 2}H", value)
        tags = [f'"{words[i]:04X}{words[i + 1]:04X}"' for i in range(0, len(words), 2)]
        return f'{{"vr":"AT","Value":[{",".join(tags)}]}}'

    return write


def _binary_writer(vr: str, swapped_word_bytes: int) -> ValueWriter:
    """Binary values leave in little endian, whatever they came in (PS3.18 F.2.7)."""

    def write(value: bytes, _: Encodings) -> str:
        if not value:
            return f'{{"vr":"{vr}"}}'
        if swapped_word_bytes > 1 and len(value) % swapped_word_bytes == 0:
            value = little_endian(value, swapped_word_bytes)
        text = b2a_base64(value, newline=False).decode("ascii")
        return f'{{"vr":"{vr}","InlineBinary":"{text}"}}'

    return write


_NUMBER_FORMATS = {
    "FD": "d",
    "FL": "f",
    "SL": "i",
    "SS": "h",
    "SV": "q",
    "UL": "I",
    "US": "H",
    "UV": "Q",
}
_UNKNOWN_WRITER = _binary_writer("UN", 1)
_TEXT_WRITERS: dict[str, ValueWriter] = {
    "AE": _trimmed_writer("AE", is_single=False),
    "DS": _write_decimal_string,
    "IS": _write_integer_string,
    "PN": _write_person_name,
    "UR": _trimmed_writer("UR", is_single=True),
    **{vr: _default_repertoire_writer(vr) for vr in ("AS", "CS", "DA", "DT", "TM", "UI")},
    **{vr: _text_writer(vr) for vr in ("LO", "SH", "UC")},
    **{vr: _paragraph_writer(vr) for vr in ("LT", "ST", "UT")},
}
