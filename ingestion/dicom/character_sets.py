"""Decodes text by Specific Character Set (0008,0005). Never fails: what cannot be read is replaced.

Source: PS3.3 C.12.1.1.2, PS3.5 6.1.2.4 and 6.1.2.5 (code extensions). The tables of escape
sequences and Python codecs are pydicom's.
"""

import codecs
import re
from functools import lru_cache

from pydicom.charset import CODES_TO_ENCODINGS, STAND_ALONE_ENCODINGS, python_encoding

Encodings = tuple[str, ...]

DEFAULT_ENCODING = "latin-1"
DEFAULT_ENCODINGS: Encodings = (DEFAULT_ENCODING,)

_ESCAPE = b"\x1b"
_FRAGMENT = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
_MISSPELLED = (
    (re.compile(r"ISO[^_]IR."), "ISO_IR "),
    (re.compile(r"ISO.2022.IR."), "ISO 2022 IR "),
)
# Python's codecs for these read the escape sequence themselves.
_SELF_ESCAPING = frozenset(("iso2022_jp", "iso2022_jp_2"))

# A delimiter ends a code extension (PS3.5 6.1.2.5.3).
_TEXT_DELIMITERS = re.compile(rb"[\r\n\t\f]")


@lru_cache(maxsize=256)
def encodings_of(specific_character_set: bytes) -> Encodings:
    """Return the Python codecs for the raw value of (0008,0005), the initial one first."""
    terms = specific_character_set.decode("latin-1").rstrip(" \0").split("\\")
    if terms[0] in STAND_ALONE_ENCODINGS:
        terms = terms[:1]
    extensions = [term for term in terms[1:] if term not in STAND_ALONE_ENCODINGS]
    return tuple(_codec(term.strip()) for term in (terms[0], *extensions))


def decode(value: bytes, encodings: Encodings) -> str:
    """Return `value` as text; bytes that are not in the character set become U+FFFD."""
    if _ESCAPE not in value:
        try:
            return value.decode(encodings[0])
        except UnicodeError:
            return value.decode(encodings[0], "replace")
    return "".join(_decode_fragment(part, encodings) for part in _FRAGMENT.findall(value))


def _codec(term: str) -> str:
    for pattern, right in _MISSPELLED:
        if term not in python_encoding:
            term = pattern.sub(right, term)
    name = python_encoding.get(term, term)
    try:
        canonical = codecs.lookup(name).name
    except (LookupError, ValueError):
        return DEFAULT_ENCODING
    return _FAST_NAMES.get(canonical, name) if canonical in _TEXT_CODECS else DEFAULT_ENCODING


def _decode_fragment(fragment: bytes, encodings: Encodings) -> str:
    try:
        if fragment.startswith(_ESCAPE):
            return _decode_escaped(fragment, encodings)
        return fragment.decode(encodings[0])
    except UnicodeError:
        return fragment.decode(encodings[0], "replace")


def _decode_escaped(fragment: bytes, encodings: Encodings) -> str:
    code_length = 4 if fragment.startswith((b"\x1b$(", b"\x1b$)")) else 3
    name = CODES_TO_ENCODINGS.get(fragment[:code_length], "")
    encoding = _FAST_NAMES.get(name, name)
    if encoding not in encodings and encoding != DEFAULT_ENCODING:
        return fragment.decode(encodings[0], "replace")
    if encoding in _SELF_ESCAPING:
        return fragment.decode(encoding)
    extended = fragment[code_length:]
    delimiter = _TEXT_DELIMITERS.search(extended)
    if delimiter is None:
        return extended.decode(encoding)
    cut = delimiter.start()
    return extended[:cut].decode(encoding) + extended[cut:].decode(encodings[0])


# Python decodes these names without a look-up.
_FAST_NAMES = {
    "iso8859": DEFAULT_ENCODING,
    "iso8859-1": DEFAULT_ENCODING,
    "latin_1": DEFAULT_ENCODING,
    "utf-8": "utf-8",
    "UTF8": "utf-8",
    "ascii": DEFAULT_ENCODING,
}
# Some write a Python or Windows name into (0008,0005); anything else would be a codec that is
# not for text, and is not used.
_TEXT_CODECS = frozenset(
    codecs.lookup(name).name for name in (*python_encoding.values(), "ascii", "cp1252", "utf-8")
)
