"""Says what a query key means, and whether a value matches it.

The meanings are what searches are made of; `matches` is the model they are tested against.
`ingestion.dicom.match_keys` reads keys into them. Source: PS3.4 C.2.2.2.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from ingestion.dicom.person_names import name_patterns, name_words, normalized

_LEAST_TIME = "000000.000000"


@dataclass(frozen=True, slots=True)
class Universal:
    """Matches everything, also what has no value (PS3.4 C.2.2.2.3)."""


@dataclass(frozen=True, slots=True)
class SingleValue:
    """Matches this value; `is_normalized` names ignore case and accents (PS3.4 C.2.2.2.1).

    The empty value matches what has none (PS3.4 C.2.2.2.7).
    """

    value: str
    is_normalized: bool = False


@dataclass(frozen=True, slots=True)
class ValueList:
    """Matches any of the values: our reading of a list, which the Standard leaves undefined."""

    values: tuple[str, ...]
    is_normalized: bool = False


@dataclass(frozen=True, slots=True)
class AllValues:
    """Matches what has each of the values, and maybe more (PS3.4 C.2.2.2.8)."""

    values: tuple[str, ...]
    is_normalized: bool = False


@dataclass(frozen=True, slots=True)
class UIDList:
    """Matches any of the UIDs (PS3.4 C.2.2.2.2)."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Matches a pattern of * (any characters) and ? (one character) (PS3.4 C.2.2.2.4)."""

    pattern: str
    is_normalized: bool = False


@dataclass(frozen=True, slots=True)
class FuzzyName:
    """Matches names of which each word of a key begins some component (PS3.4 C.2.2.2.1.1).

    `names` are normalised; any of them may match.
    """

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DateRange:
    """Matches dates YYYYMMDD from `first` to `last`, both included; '' is open."""

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Matches times from `first` to `last`, both HHMMSS.FFFFFF and included; '' is open.

    A key `10` is the range of all times that begin so, and no range to the Standard
    (`is_single`, PS3.4 C.2.2.2.5).
    """

    first: str
    last: str
    is_single: bool = False


@dataclass(frozen=True, slots=True)
class DateTimeRange:
    """Matches moments from `first` to `last`, both YYYYMMDDHHMMSS.FFFFFF; '' is open.

    Of a key for a date it is the date and the time of its pair taken as one moment (PS3.4
    C.2.2.2.5.4). With `is_utc` values are brought to UTC before they are compared.
    """

    first: str
    last: str
    is_utc: bool = False


Match = (
    Universal
    | SingleValue
    | ValueList
    | AllValues
    | UIDList
    | Wildcard
    | FuzzyName
    | DateRange
    | TimeRange
    | DateTimeRange
)


def matches(match: Match, value: str) -> bool:
    """Tell whether a value, as the index holds it and '' when absent, matches.

    A moment is YYYYMMDDHHMMSS.FFFFFF; `AllValues` asks one value of many at a time.
    """
    match match:
        case Universal():
            return True
        case DateRange() | DateTimeRange():
            return bool(value) and _is_within(match.first, match.last, value)
        case TimeRange():
            return bool(value) and _is_within(match.first, match.last, filled_time(value))
        case UIDList():
            return value in match.values
        case SingleValue() | ValueList() | AllValues() | Wildcard() if match.is_normalized:
            return any(_is_named(name, normalized(value)) for name in _wanted(match))
        case FuzzyName():
            return any(_begins_components(name, normalized(value)) for name in match.names)
        case Wildcard():
            return wildcard_expression(match.pattern).fullmatch(value) is not None
        case SingleValue() | ValueList() | AllValues():
            return value in _wanted(match)


def filled_time(time: str) -> str:
    """Return HHMMSS.FFFFFF with the parts not given at their least; '' stays."""
    return time + _LEAST_TIME[len(time) :] if time else ""


@lru_cache(maxsize=256)
def wildcard_expression(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a wild card pattern.

    Each piece between stars is taken where it first occurs and never again, so that no pattern
    and no value make the search go over the value more than once for each piece.
    """
    first, *pieces = ["".join(map(_any_or_itself, piece)) for piece in pattern.split("*")]
    if not pieces:
        return re.compile(first, re.DOTALL)
    *inner, last = pieces
    found = "".join(f"(?>.*?{piece})" for piece in inner if piece)
    return re.compile(f"{first}{found}.*{last}", re.DOTALL)


def _any_or_itself(character: str) -> str:
    return "." if character == "?" else re.escape(character)


def _wanted(match: SingleValue | ValueList | AllValues | Wildcard) -> tuple[str, ...]:
    match match:
        case SingleValue(value=value):
            return (value,)
        case Wildcard(pattern=pattern):
            return (pattern,)
        case ValueList(values=values) | AllValues(values=values):
            return values


def _is_named(pattern: str, name: str) -> bool:
    """Whether a normalised name, or some of its component groups, are as the pattern has them."""
    if not pattern:
        return not name
    return any(wildcard_expression(one).fullmatch(name) for one in name_patterns(pattern))


def _is_within(first: str, last: str, value: str) -> bool:
    return first <= value and (not last or value <= last)


def _begins_components(name: str, value: str) -> bool:
    components = name_words(value)
    return all(any(part.startswith(word) for part in components) for word in name_words(name))
