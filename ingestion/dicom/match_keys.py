"""Reads the text of a query key into what it means, by the VR of its attribute.

Source: PS3.4 C.2.2.2, PS3.18 8.3.4.1, 8.3.4.5, 8.3.4.6.
"""

import re
import struct
from collections.abc import Callable
from datetime import date
from enum import Flag, auto
from typing import Protocol

from ingestion.dicom.attribute_names import is_multi_valued
from ingestion.dicom.attributes import normalized_date, normalized_time
from ingestion.dicom.date_times import Moment, parse_moment
from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.matching import (
    AllValues,
    DateRange,
    DateTimeRange,
    FuzzyName,
    Match,
    SingleValue,
    TimeRange,
    UIDList,
    Universal,
    ValueList,
    Wildcard,
)
from ingestion.dicom.person_names import normalized
from ingestion.errors import InvalidQuery

KEY_CHARACTERS_MAX = 8192
VALUES_MAX = 1000
UID_LIST_CHARACTERS_MAX = 65 * VALUES_MAX  # 64 of each and a delimiter
FUZZY_WORDS_MAX = 50
EMPTY_VALUE = '""'

# PS3.4 C.2.2.2: they say how other keys are written.
NEVER_MATCHED = frozenset((0x00080005, 0x00080201))

INTEGER_VRS = frozenset(("IS", "SL", "SS", "SV", "UL", "US", "UV"))
DECIMAL_VRS = frozenset(("DS", "FD", "FL"))
_BINARY_VRS = ("OB", "OD", "OF", "OL", "OV", "OW")
# PS3.4 C.2.2.2.8.
_MULTIPLE_VRS = frozenset(("AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"))
_TAG = re.compile(r"[0-9A-Fa-f]{8}")


class MatchingOption(Flag):
    """What a query asks for beyond literal matching."""

    FUZZY_NAMES = auto()
    EMPTY_VALUES = auto()
    MULTIPLE_VALUES = auto()


LITERAL = MatchingOption(0)


class KeyAttribute(Protocol):
    """What is known of an attribute that a key is about. `keyword` names it in errors."""

    @property
    def tag(self) -> int: ...
    @property
    def keyword(self) -> str: ...
    @property
    def vr(self) -> str: ...


def parse_key(attribute: KeyAttribute, text: str, *, options: MatchingOption = LITERAL) -> Match:
    """Return what the key `text` asks of `attribute`. Raises InvalidQuery."""
    text = text.strip(" \0")
    characters_max = UID_LIST_CHARACTERS_MAX if attribute.vr == "UI" else KEY_CHARACTERS_MAX
    if len(text) > characters_max:
        raise InvalidQuery(f"{attribute.keyword} is longer than {characters_max} characters")
    if "\0" in text:
        raise InvalidQuery(f"{attribute.keyword} has a character that no value can have")
    # Departs from PS3.4 C.2.2.2.4: * alone is universal for every VR, as clients send it so.
    if not text.strip("*") or attribute.tag in NEVER_MATCHED:
        return Universal()
    if text == EMPTY_VALUE and MatchingOption.EMPTY_VALUES in options:
        return SingleValue("")
    return _PARSERS[attribute.vr](attribute, text, options)


def decimal_text(vr: str, number: float) -> str:
    """Return the one text of a number of VR DS, FD or FL; FL has 24 bits of precision.

    Raises OverflowError for what VR FL cannot hold.
    """
    if vr == "FL":
        number = struct.unpack("<f", struct.pack("<f", number))[0]
    return repr(float(number) + 0.0)  # no negative zero


def _parse_uid(attribute: KeyAttribute, text: str, _: MatchingOption) -> Match:
    uids = tuple(part.strip(" \0") for part in re.split(r"[,\\]", text) if part.strip(" \0"))
    if not uids or len(uids) > VALUES_MAX or not all(is_valid_uid(uid) for uid in uids):
        raise InvalidQuery(f"{attribute.keyword} must be a UID or a list of at most {VALUES_MAX}")
    return SingleValue(uids[0]) if len(uids) == 1 else UIDList(uids)


def _parse_code(attribute: KeyAttribute, text: str, options: MatchingOption) -> Match:
    """Codes cannot hold a comma (PS3.5 6.2), so that a comma too can only be a list of them."""
    return _parse_values(attribute, re.split(r"[,\\]", text), options)


def _parse_text(attribute: KeyAttribute, text: str, options: MatchingOption) -> Match:
    return _parse_values(attribute, text.split("\\"), options)


def _parse_paragraph(attribute: KeyAttribute, text: str, options: MatchingOption) -> Match:
    """A backslash is a character of LT, ST, UR and UT (PS3.5 6.2)."""
    return _parse_values(attribute, [text], options)


def _parse_values(attribute: KeyAttribute, parts: list[str], options: MatchingOption) -> Match:
    values = [part.strip() for part in parts if part.strip()]
    if any("*" in value or "?" in value for value in values):
        return _wildcard(attribute, values)
    return _listed(attribute, values, options)


def _wildcard(attribute: KeyAttribute, values: list[str]) -> Match:
    if len(values) > 1:
        raise InvalidQuery(f"{attribute.keyword} must not have wild cards in a list")
    is_name = attribute.vr == "PN"
    pattern = re.sub(r"\*+", "*", normalized(values[0]) if is_name else values[0])
    return Universal() if pattern == "*" else Wildcard(pattern, is_name)


def _listed(attribute: KeyAttribute, values: list[str], options: MatchingOption) -> Match:
    """One value, or several of which any or, where that was asked for, all must match."""
    is_name = attribute.vr == "PN"
    if is_name:
        values = [name for name in map(normalized, values) if name]
    if len(values) > VALUES_MAX:
        raise InvalidQuery(f"{attribute.keyword} has more than {VALUES_MAX} values")
    if not values:
        return Universal()
    if is_name and MatchingOption.FUZZY_NAMES in options:
        if sum(len(name.split()) for name in values) > FUZZY_WORDS_MAX:
            raise InvalidQuery(f"{attribute.keyword} has more than {FUZZY_WORDS_MAX} components")
        return FuzzyName(tuple(values))
    if len(values) == 1:
        return SingleValue(values[0], is_name)
    if (
        MatchingOption.MULTIPLE_VALUES in options
        and attribute.vr in _MULTIPLE_VRS
        and is_multi_valued(attribute.tag)
    ):
        return AllValues(tuple(values), is_name)
    return ValueList(tuple(values), is_name)


def _parse_age(attribute: KeyAttribute, text: str, options: MatchingOption) -> Match:
    ages = re.split(r"[,\\]", text)
    if not all(re.fullmatch(r"[0-9]{3}[DWMY]", age.strip(), re.ASCII) for age in ages):
        raise InvalidQuery(f"{attribute.keyword} must be an age nnnD, nnnW, nnnM or nnnY")
    return _listed(attribute, [age.strip() for age in ages], options)


def _parse_tags(attribute: KeyAttribute, text: str, options: MatchingOption) -> Match:
    tags = [part.strip().upper() for part in re.split(r"[,\\]", text)]
    if not all(_TAG.fullmatch(tag) for tag in tags):
        raise InvalidQuery(f"{attribute.keyword} must be a tag of eight hexadecimal digits")
    return _listed(attribute, tags, options)


def _parse_integers(attribute: KeyAttribute, text: str, _: MatchingOption) -> Match:
    numbers = []
    for part in re.split(r"[,\\]", text):
        if not re.fullmatch(r"[+-]?[0-9]{1,20}", part.strip(), re.ASCII):
            raise InvalidQuery(f"{attribute.keyword} must be an integer")
        numbers.append(str(int(part)))
    return _listed(attribute, numbers, LITERAL)


def _parse_decimals(attribute: KeyAttribute, text: str, _: MatchingOption) -> Match:
    numbers = []
    for part in re.split(r"[,\\]", text):
        digits = part.strip()
        if not re.fullmatch(
            r"[+-]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?",
            digits,
            re.ASCII,
        ):
            raise InvalidQuery(f"{attribute.keyword} must be a number")
        try:
            numbers.append(decimal_text(attribute.vr, float(digits)))
        except OverflowError as error:
            raise InvalidQuery(f"{attribute.keyword} cannot be so large") from error
    return _listed(attribute, numbers, LITERAL)


def _parse_date(attribute: KeyAttribute, text: str, _: MatchingOption) -> Match:
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


def _parse_time(attribute: KeyAttribute, text: str, _: MatchingOption) -> Match:
    """PS3.4 C.2.2.2.5.2. Parts not given stand for all their values.

    Whether a range may end before it begins depends on the date that goes with it.
    """
    first, hyphen, last = text.partition("-")
    if not first.strip() and not last.strip():
        raise InvalidQuery(f"{attribute.keyword} must be a time or a range of times")
    if not hyphen:
        last = first
    return TimeRange(
        _filled(_time(attribute, first), "000000.000000"),
        _filled(_time(attribute, last), "235960.999999"),
        is_single=not hyphen,
    )


def _parse_date_time(attribute: KeyAttribute, text: str, _: MatchingOption) -> Match:
    """PS3.4 C.2.2.2.5.3. Parts not given stand for all their values.

    A hyphen is a range's unless it can be the sign of an offset from UTC.
    """
    for first_text, last_text in _halves(text):
        first, last = _moment(first_text), _moment(last_text)
        if first is None and last is None:
            continue
        if (first_text and not first) or (last_text and not last):
            continue
        return _moment_range(attribute, first, last)
    raise InvalidQuery(f"{attribute.keyword} must be a date and time, or a range of them")


def _halves(text: str) -> list[tuple[str, str]]:
    """The whole text as both ends, and each hyphen as what parts the ends."""
    cuts = [place for place, character in enumerate(text) if character == "-"]
    return [(text, text), *((text[:cut].strip(), text[cut + 1 :].strip()) for cut in cuts)]


def _moment(text: str) -> Moment | None:
    return parse_moment(text) if text else None


def _moment_range(
    attribute: KeyAttribute, first: Moment | None, last: Moment | None
) -> DateTimeRange:
    is_utc = any(end is not None and end.offset_minutes is not None for end in (first, last))
    span = DateTimeRange(
        "" if first is None else first.first_in_utc() if is_utc else first.first,
        "" if last is None else last.last_in_utc() if is_utc else last.last,
        is_utc,
    )
    if span.last and span.first > span.last:
        raise InvalidQuery(f"{attribute.keyword} is a range that ends before it begins")
    return span


def _refuse_binary(attribute: KeyAttribute, _text: str, _: MatchingOption) -> Match:
    raise InvalidQuery(f"{attribute.keyword} is binary and cannot be matched")


def _refuse_sequence(attribute: KeyAttribute, _text: str, _: MatchingOption) -> Match:
    raise InvalidQuery(f"{attribute.keyword} is a sequence: name an attribute of its items")


def _date(attribute: KeyAttribute, text: str) -> str:
    if not text.strip():
        return ""
    digits = normalized_date(text.replace("-", "x"))
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError as error:
        raise InvalidQuery(f"{attribute.keyword} must be a date YYYYMMDD") from error
    return digits


def _time(attribute: KeyAttribute, text: str) -> str:
    if not text.strip():
        return ""
    time = normalized_time(text)
    # PS3.5 6.2: 60 is a leap second.
    if not time or time[:2] > "23" or time[2:4] > "59" or time[4:6] > "60":
        raise InvalidQuery(f"{attribute.keyword} must be a time HHMMSS.FFFFFF or its beginning")
    return time


def _filled(time: str, template: str) -> str:
    return time + template[len(time) :] if time else ""


_Parser = Callable[[KeyAttribute, str, MatchingOption], Match]
_PARSERS: dict[str, _Parser] = {
    "AS": _parse_age,
    "AT": _parse_tags,
    "CS": _parse_code,
    "DA": _parse_date,
    "DT": _parse_date_time,
    "SQ": _refuse_sequence,
    "TM": _parse_time,
    "UI": _parse_uid,
    **dict.fromkeys(INTEGER_VRS, _parse_integers),
    **dict.fromkeys(DECIMAL_VRS, _parse_decimals),
    **dict.fromkeys(("AE", "LO", "PN", "SH", "UC", "UN"), _parse_text),
    **dict.fromkeys(("LT", "ST", "UR", "UT"), _parse_paragraph),
    **dict.fromkeys(_BINARY_VRS, _refuse_binary),
}
