"""Encodes text by Specific Character Set (0008,0005), code extensions too.

The counterpart of `character_sets`; what a character set cannot carry is refused, never replaced.
Source: PS3.3 C.12.1.1.2, PS3.5 6.1.2.3 to 6.1.2.5; escape sequences and codecs are pydicom's.
"""

import re
from functools import lru_cache

from pydicom.charset import ENCODINGS_TO_CODES, STAND_ALONE_ENCODINGS, python_encoding

_ASCII = "ascii"
_KATAKANA = "shift_jis"  # pydicom's name for JIS X 0201
# These take the place of ASCII, until an escape sequence brings it back (PS3.5 6.1.2.5.3).
_INSTEAD_OF_ASCII = frozenset(("iso2022_jp", "iso2022_jp_2"))
_TO_ASCII = {_KATAKANA: b"\x1b(J"}
_TO_ASCII_DEFAULT = b"\x1b(B"

# PS3.5 6.1.2.5.3: behind these the first character set is the one in use again.
_DELIMITERS = {
    "PN": re.compile(r"[\\^=]"),
    **dict.fromkeys(("LT", "ST", "UT"), re.compile(r"[\r\n\t\f]")),
}
_DELIMITERS_DEFAULT = re.compile(r"\\")


def encode_text(text: str, terms: tuple[str, ...], *, vr: str) -> bytes:
    """Return `text`, values and components delimited as its VR has it, in the character sets.

    `terms` are the values of Specific Character Set; none, or an empty first one, is ASCII.
    Raises UnicodeEncodeError for what they cannot carry, LookupError for an unknown term.
    """
    if text.isascii():
        return text.encode(_ASCII)
    first, *extensions = [_codec(term) for term in terms] or [_ASCII]
    if terms and terms[0] in STAND_ALONE_ENCODINGS:
        return text.encode(first)
    if not extensions:
        return b"".join([_one_byte(character, first) for character in text])
    writer = _ExtendedText(first, extensions)
    delimiters = _DELIMITERS.get(vr, _DELIMITERS_DEFAULT)
    end = 0
    for delimiter in delimiters.finditer(text):
        writer.add(text[end : delimiter.start()])
        writer.end_part(delimiter[0])
        end = delimiter.end()
    writer.add(text[end:])
    writer.end_part("")
    return bytes(writer.encoded)


class _ExtendedText:
    """Text in several character sets, switched between by escape sequences."""

    def __init__(self, first: str, extensions: list[str]) -> None:
        self.encoded = bytearray()
        self._codecs = (first, *(codec for codec in extensions if codec != _ASCII))
        self._to_ascii = _TO_ASCII.get(first, _TO_ASCII_DEFAULT)
        # A set that takes the place of ASCII is only ever there behind its escape sequence.
        self._initial = _ASCII if first in _INSTEAD_OF_ASCII else first
        self._current = self._initial
        self._was_switched = False

    def add(self, part: str) -> None:
        for character in part:
            if character.isascii():
                self._leave_two_byte_set()
                self.encoded += character.encode(_ASCII)
            else:
                codec, code = _code_of(character, self._codecs)
                self._switch_to(codec)
                self.encoded += code

    def end_part(self, delimiter: str) -> None:
        self._leave_two_byte_set()
        self._current = self._initial
        self.encoded += delimiter.encode(_ASCII)

    def _leave_two_byte_set(self) -> None:
        if self._current in _INSTEAD_OF_ASCII:
            self.encoded += self._to_ascii
            self._current = _ASCII

    def _switch_to(self, codec: str) -> None:
        """The first set is there from the start; once left, it too is named for all readers."""
        is_first_again = codec == self._codecs[0] and self._was_switched
        if codec == self._current and not is_first_again:
            return
        self._leave_two_byte_set()
        self.encoded += ENCODINGS_TO_CODES[codec]
        self._current = codec
        self._was_switched = codec != self._codecs[0]


def _codec(term: str) -> str:
    if term in ("", "ISO_IR 6", "ISO 2022 IR 6"):
        return _ASCII
    return python_encoding[term]


@lru_cache(maxsize=4096)
def _code_of(character: str, codecs: tuple[str, ...]) -> tuple[str, bytes]:
    """The first codec that has the character, and its bytes there without escape sequence."""
    for codec in codecs:
        try:
            return codec, _bytes_in(character, codec)
        except UnicodeEncodeError:
            continue
    raise _not_in(character, codecs[0])


def _bytes_in(character: str, codec: str) -> bytes:
    encoded = character.encode(codec)
    if codec in _INSTEAD_OF_ASCII:
        escape = ENCODINGS_TO_CODES[codec]
        if not encoded.startswith(escape):
            raise _not_in(character, codec)
        return encoded.removeprefix(escape).removesuffix(_TO_ASCII_DEFAULT)
    if codec == _KATAKANA and len(encoded) != 1:
        raise _not_in(character, codec)
    if min(encoded) < 0x80:
        raise _not_in(character, codec)
    return encoded


def _one_byte(character: str, codec: str) -> bytes:
    encoded = character.encode(codec)
    if len(encoded) != 1:
        raise _not_in(character, codec)
    return encoded


def _not_in(character: str, codec: str) -> UnicodeEncodeError:
    return UnicodeEncodeError(codec, character, 0, 1, "not in this character set")
