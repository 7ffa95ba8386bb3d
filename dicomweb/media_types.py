"""Media types as headers carry them: parsed leniently, never raising on what a client sends.

Source: RFC 9110 8.3.1 and 12.5.1; PS3.18 8.7.1. Clients in the field send unquoted `type=`,
quoted `transfer-syntax="*"` and Java's malformed `*; q=.2`; all of them are understood.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_PARAMETER = re.compile(r';\s*([^\s=;,"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))')
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+")
_QUOTED_PAIR = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type or range: `name` is lower case, parameter names are lower case."""

    name: str
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def main_type(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class AcceptedRange:
    """One element of Accept."""

    media_type: MediaType
    quality: float


def parse_media_type(text: str) -> MediaType | None:
    """The media type in `text`, or None when there is none to be found in it."""
    name = text.partition(";")[0].strip().lower()
    if name == "*":
        name = "*/*"
    if not _TYPE.fullmatch(name):
        return None
    parameters = {}
    for key, quoted, bare in _PARAMETER.findall(text):
        parameters[key.lower()] = _QUOTED_PAIR.sub(r"\1", quoted) if quoted else bare.strip()
    return MediaType(name, parameters)


def parse_accept(text: str) -> tuple[AcceptedRange, ...]:
    """Elements of an Accept header in their order; what cannot be read is left out."""
    return tuple(_ranges(text))


def _ranges(text: str) -> Iterator[AcceptedRange]:
    for element in _ELEMENT.findall(text):
        media_type = parse_media_type(element)
        if media_type is not None:
            yield AcceptedRange(media_type, quality(media_type.parameters.pop("q", "1")))


def quality(text: str) -> float:
    """A weight from 0 to 1 (RFC 9110 12.4.2); 1 for what is none."""
    try:
        weight = float(text)
    except ValueError:
        return 1.0
    return 1.0 if math.isnan(weight) else min(max(weight, 0.0), 1.0)
