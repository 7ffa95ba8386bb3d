"""Says what a query key means, and whether a value matches it.

The parsed forms are what searches are made of; `matches` is the model they are tested against.
Source: PS3.4 C.2.2.2, PS3.18 8.3.4.
"""

import re
from dataclasses import dataclass
from datetime import date

from ingestion.dicom.attributes import IndexedAttribute, normalized_date, normalized_time
from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.person_names import normalized
from ingestion.errors import InvalidQuery

# PS3.4 C.2.2.2.4: VRs in whose values * and ? are wild cards.
WILDCARD_VRS = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
KEY_CHARACTERS_MAX = 8192  # a list of a hundred UIDs
VALUES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Universal:
    """Matches everything, also what has no value (PS3.4 C.2.2.2.3)."""


@dataclass(frozen=True, slots=True)
class SingleValue:
    """Matches this value; `is_normalized` names ignore case and accents (PS3.4 C.2.2.2.1)."""

    value: str
    is_normalized: bool = False


@dataclass(frozen=True, slots=True)
class ValueList:
    """Matches any of the values (PS3.4 C.2.2.2.2 for UIDs, C.2.2.2.8 for others)."""

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
class DateRange:
    """Matches dates YYYYMMDD from `first` to `last`, both included; '' is open."""

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Matches times from `first` to `last`, both HHMMSS.FFFFFF and included; '' is open.

    A key `10` is the range of all times that begin so (PS3.4 C.2.2.2.5).
    """

    first: str
    last: str


Match = Universal | SingleValue | ValueList | UIDList | Wildcard | DateRange | TimeRange


def parse_key(attribute: IndexedAttribute, text: str) -> Match:
    """Return what the key `text` asks of `attribute`. Raises InvalidQuery."""
    text = text.strip(" \0")
    if len(text) > KEY_CHARACTERS_MAX:
        raise InvalidQuery(f"{attribute.keyword} is longer than {KEY_CHARACTERS_MAX} characters")
    if "\0" in text:
        raise InvalidQuery(f"{attribute.keyword} has a character that no value can have")
    # Departs from PS3.4 C.2.2.2.4: * alone is universal for every VR, as clients send it so.
    if not text.strip("*"):
        return Universal()
    if text == '""':  # empty value matching
        return SingleValue("")
    return _PARSERS.get(attribute.vr, _parse_text)(attribute, text)


def matches(match: Match, value: str) -> bool:
    """Tell whether `value`, as the index holds it and '' when absent, matches."""
    if isinstance(match, Universal):
        return True
    if isinstance(match, DateRange):
        return bool(value) and match.first <= value and (not match.last or value <= match.last)
    if isinstance(match, TimeRange):
        time = _filled_time(value, "0")
        return bool(value) and match.first <= time and (not match.last or time <= match.last)
    if isinstance(match, UIDList):
        return value in match.values
    compared = normalized(value) if match.is_normalized else value
    if isinstance(match, Wildcard):
        return wildcard_expression(match.pattern).fullmatch(compared) is not None
    return compared in (match.values if isinstance(match, ValueList) else (match.value,))


def wildcard_expression(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a wild card pattern."""
    parts = re.split(r"([*?])", pattern)
    translated = (
        ".*" if part == "*" else "." if part == "?" else re.escape(part) for part in parts
    )
    return re.compile("".join(translated), re.DOTALL)


def _parse_uid(attribute: IndexedAttribute, text: str) -> Match:
    uids = tuple(part.strip(" \0") for part in re.split(r"[,\\]", text) if part.strip(" \0"))
    if not uids or len(uids) > VALUES_MAX or not all(is_valid_uid(uid) for uid in uids):
        raise InvalidQuery(f"{attribute.keyword} must be a UID or a list of at most {VALUES_MAX}")
    return SingleValue(uids[0]) if len(uids) == 1 else UIDList(uids)


def _parse_text(attribute: IndexedAttribute, text: str) -> Match:
    is_name = attribute.vr == "PN"
    # Codes cannot hold a comma (PS3.5 6.2), so that a comma too can only be a list of them.
    parts = re.split(r"[,\\]" if attribute.vr == "CS" else r"\\", text)
    values = tuple(part.strip() for part in parts if part.strip())
    if len(values) > VALUES_MAX:
        raise InvalidQuery(f"{attribute.keyword} has more than {VALUES_MAX} values")
    if any("*" in value or "?" in value for value in values):
        if len(values) > 1:
            raise InvalidQuery(f"{attribute.keyword} must not have wild cards in a list")
        pattern = normalized(values[0]) if is_name else values[0]
        return Wildcard(re.sub(r"\*+", "*", pattern), is_name)
    if is_name:
        values = tuple(normalized(value) for value in values)
    if not values:
        return Universal()
    return SingleValue(values[0], is_name) if len(values) == 1 else ValueList(values, is_name)


def _parse_number(attribute: IndexedAttribute, text: str) -> Match:
    values = []
    for part in re.split(r"[,\\]", text):
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", part.strip(), re.ASCII):
            raise InvalidQuery(f"{attribute.keyword} must be an integer")
        values.append(str(int(part)))
    if len(values) > VALUES_MAX:
        raise InvalidQuery(f"{attribute.keyword} has more than {VALUES_MAX} values")
    return SingleValue(values[0]) if len(values) == 1 else ValueList(tuple(values))


def _parse_date(attribute: IndexedAttribute, text: str) -> Match:
    """PS3.4 C.2.2.2.5.1. A single date is a single value."""
    first, hyphen, last = text.partition("-")
    if not hyphen:
        return SingleValue(_date(attribute, text))
    if not first.strip() and not last.strip():
        raise InvalidQuery(f"{attribute.keyword} must be a date or a range of dates")
    span = DateRange(_date(attribute, first), _date(attribute, last))
    if span.first and span.last and span.first > span.last:
        raise InvalidQuery(f"{attribute.keyword} is a range that ends before it begins")
    return span


def _parse_time(attribute: IndexedAttribute, text: str) -> Match:
    """PS3.4 C.2.2.2.5.2. Parts not given stand for all their values."""
    first, hyphen, last = text.partition("-")
    if not first.strip() and not last.strip():
        raise InvalidQuery(f"{attribute.keyword} must be a time or a range of times")
    if not hyphen:
        last = first
    span = TimeRange(
        _filled_time(_time(attribute, first), "0"), _filled_time(_time(attribute, last), "9")
    )
    if span.first and span.last and span.first > span.last:
        raise InvalidQuery(f"{attribute.keyword} is a range that ends before it begins")
    return span


def _date(attribute: IndexedAttribute, text: str) -> str:
    if not text.strip():
        return ""
    digits = normalized_date(text.replace("-", "x"))
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError as error:
        raise InvalidQuery(f"{attribute.keyword} must be a date YYYYMMDD") from error
    return digits


def _time(attribute: IndexedAttribute, text: str) -> str:
    if not text.strip():
        return ""
    time = normalized_time(text)
    # PS3.5 6.2: 60 is a leap second.
    if not time or time[:2] > "23" or time[2:4] > "59" or time[4:6] > "60":
        raise InvalidQuery(f"{attribute.keyword} must be a time HHMMSS.FFFFFF or its beginning")
    return time


def _filled_time(time: str, filler: str) -> str:
    """Return HHMMSS.FFFFFF with the parts not given at their least ('0') or greatest ('9')."""
    template = "000000.000000" if filler == "0" else "235960.999999"
    return time + template[len(time) :] if time else ""


_PARSERS = {
    "DA": _parse_date,
    "IS": _parse_number,
    "TM": _parse_time,
    "UI": _parse_uid,
    "US": _parse_number,
}
