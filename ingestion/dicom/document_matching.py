"""Matches data sets of the DICOM JSON Model against query keys, at any depth.

Source: PS3.4 C.2.2.2 (matching), C.2.2.2.5.4 (dates with their times), C.2.2.2.6 (sequences),
C.2.2.3 (any value of several may match); PS3.5 7.8.1 (private blocks); PS3.18 F.2.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydicom._dicom_dict import DicomDictionary  # private, but the one list there is
from pydicom.datadict import tag_for_keyword

from ingestion.dicom.attribute_names import (
    UNKNOWN_VR,
    Path,
    is_private_creator,
    name_of,
    parse_path,
    vr_of,
)
from ingestion.dicom.attributes import normalized_date, normalized_time
from ingestion.dicom.date_times import parse_moment, parse_offset
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.match_keys import (
    DECIMAL_VRS,
    INTEGER_VRS,
    LITERAL,
    MatchingOption,
    decimal_text,
    parse_key,
)
from ingestion.dicom.matching import (
    AllValues,
    DateRange,
    DateTimeRange,
    Match,
    SingleValue,
    TimeRange,
    Universal,
    filled_time,
    matches,
)
from ingestion.dicom.private_blocks import in_named_blocks
from ingestion.errors import InvalidQuery

_COMPONENT_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_TIMEZONE_OFFSET = "00080201"


@dataclass(frozen=True, slots=True)
class DocumentKey:
    """What is asked of the attribute at the end of a path into sequences."""

    path: Path
    vr: str
    match: Match

    @property
    def name(self) -> str:
        """The path in keywords, as errors name it."""
        return ".".join(name_of(tag) for tag in self.path)


@dataclass(frozen=True, slots=True)
class _Attribute:
    tag: int
    keyword: str
    vr: str


def parse_document_key(name: str, value: str, *, options: MatchingOption = LITERAL) -> DocumentKey:
    """The key of a keyword, a tag or a dotted path of them. Raises `InvalidQuery`."""
    return key_of_path(parse_path(name), value, options=options)


def key_of_path(path: Path, value: str, *, options: MatchingOption = LITERAL) -> DocumentKey:
    """The key of the attribute at `path`. Raises `InvalidQuery`."""
    tag = path[-1]
    vr = vr_of(tag)
    return DocumentKey(
        path, vr, parse_key(_Attribute(tag, name_of(tag), vr), value, options=options)
    )


def with_combined_times(keys: Sequence[DocumentKey]) -> tuple[DocumentKey, ...]:
    """The keys, with each range of dates and the like range of its times made one range.

    Raises `InvalidQuery` for a range of times alone that ends before it begins.
    """
    by_path = {key.path: key for key in keys}
    replaced: dict[Path, DocumentKey | None] = {}
    for key in keys:
        time = by_path.get((*key.path[:-1], TIME_OF_DATE.get(key.path[-1], 0)))
        if time is not None and (span := _combined(key.match, time.match)) is not None:
            replaced[key.path] = replace(key, match=span)
            replaced[time.path] = None
    found = (replaced.get(key.path, key) for key in keys)
    combined = tuple(key for key in found if key is not None)
    for key in combined:
        match = key.match
        if isinstance(match, TimeRange) and match.last and match.first > match.last:
            raise InvalidQuery(f"{key.name} is a range that ends before it begins")
    return combined


def matches_all(keys: Sequence[DocumentKey], data_set: JsonDataSet) -> bool:
    """Whether a data set matches every key; keys of one sequence within one of its items."""
    return DocumentMatcher(keys).matches(data_set)


def named_creators(keys: Iterable[DocumentKey]) -> dict[str, str]:
    """The private creators that keys ask for, by the tag that names their block.

    Each data set may have given them another one (PS3.5 7.8.1).
    """
    return {
        f"{key.path[-1]:08X}": key.match.value
        for key in keys
        if isinstance(key.match, SingleValue)
        and key.match.value
        and len(key.path) == 1
        and is_private_creator(key.path[0])
    }


class DocumentMatcher:
    """Keys made ready to be matched against many data sets."""

    def __init__(self, keys: Iterable[DocumentKey]) -> None:
        """Take keys whose dates and times were combined where they should be."""
        self._keys = _Item((key.path, key) for key in keys)

    def matches(self, data_set: JsonDataSet) -> bool:
        """Whether the data set matches every key."""
        offset = _texts(data_set.get(_TIMEZONE_OFFSET), "SH")
        return self._keys.matches(data_set, (parse_offset(offset[0]) or 0) if offset else 0)


class _Item:
    """The keys of one item: of its own attributes, and by sequence those of items below."""

    def __init__(self, keys: Iterable[tuple[Path, DocumentKey]]) -> None:
        self._leaves: list[tuple[str, DocumentKey]] = []
        self._creators: dict[str, str] = {}
        below: dict[str, list[tuple[Path, DocumentKey]]] = {}
        for path, key in keys:
            if len(path) == 1:
                self._leaves.append((f"{path[0]:08X}", key))
                self._creators |= named_creators([replace(key, path=path)])
            else:
                below.setdefault(f"{path[0]:08X}", []).append((path[1:], key))
        self._sequences = [(tag, _Item(nested)) for tag, nested in below.items()]

    def matches(self, item: Mapping[str, Any], offset_minutes: int) -> bool:
        if self._creators:
            item = in_named_blocks(item, self._creators)
        return all(
            _element_matches(key, item, tag, offset_minutes) for tag, key in self._leaves
        ) and all(
            any(below.matches(inner, offset_minutes) for inner in _items(item.get(tag)))
            for tag, below in self._sequences
        )


def _items(element: Any) -> list[Mapping[str, Any]]:
    """The items of a sequence. One without items is as one with an empty item: nothing is there."""
    values = _values(element)
    return [item for item in values if isinstance(item, dict)] or [{}]


def _element_matches(
    key: DocumentKey, item: Mapping[str, Any], tag: str, offset_minutes: int
) -> bool:
    match, element = key.match, item.get(tag)
    if isinstance(match, Universal):
        return True
    if match == SingleValue(""):
        return _is_empty(element)
    if isinstance(match, DateTimeRange):
        moments = _moments(key, item, tag) if key.vr == "DA" else _texts(element, key.vr)
        return any(matches(match, _comparable(match, text, offset_minutes)) for text in moments)
    texts = _texts(element, key.vr)
    if isinstance(match, AllValues):
        each = [SingleValue(value, match.is_normalized) for value in match.values]
        return all(any(matches(one, text) for text in texts) for one in each)
    return any(matches(match, text) for text in texts)


def _is_empty(element: Any) -> bool:
    if not isinstance(element, dict):
        return True
    if "InlineBinary" in element or "BulkDataURI" in element:
        return False
    return all(value in (None, "", {}) for value in _values(element))


def _moments(key: DocumentKey, item: Mapping[str, Any], tag: str) -> list[str]:
    """Dates with the time that goes with them, as values of VR DT."""
    time_tag = f"{TIME_OF_DATE[key.path[-1]]:08X}"
    times = _texts(item.get(time_tag), "TM")
    time = filled_time(times[0]) if times else ""
    return [date + time for date in _texts(item.get(tag), "DA") if date]


def _comparable(match: DateTimeRange, text: str, offset_minutes: int) -> str:
    moment = parse_moment(text)
    if moment is None:
        return ""
    return moment.first_in_utc(offset_minutes) if match.is_utc else moment.first


def _values(element: Any) -> list[Any]:
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def _texts(element: Any, vr: str) -> list[str]:
    """The values of an element as texts that keys of the VR are compared with."""
    if vr == UNKNOWN_VR and isinstance(element, dict) and "InlineBinary" in element:
        return list(_texts_of_binary(element["InlineBinary"]))
    return [_text(value, vr) for value in _values(element) if value not in (None, "")]


def _texts_of_binary(value: Any) -> Iterator[str]:
    """What an element whose VR is not known may hold: texts, as implicit VR leaves them."""
    try:
        content = b64decode(str(value), validate=True)
    except (NotBase64, ValueError):
        return
    for part in content.decode("utf-8", "replace").split("\\"):
        yield part.strip(" \0")


def _text(value: Any, vr: str) -> str:
    if isinstance(value, dict):
        return "=".join(str(value.get(group, "")) for group in _COMPONENT_GROUPS)
    if vr in INTEGER_VRS or vr in DECIMAL_VRS:
        return _number_text(value, vr)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip(" \0\r\n\t")
    if vr == "DA":
        return normalized_date(text)
    return normalized_time(text) if vr == "TM" else text


def _number_text(value: Any, vr: str) -> str:
    try:
        return str(int(value)) if vr in INTEGER_VRS else decimal_text(vr, float(value))
    except (TypeError, ValueError, OverflowError):
        return str(value)


def _combined(date: Match, time: Match) -> DateTimeRange | None:
    """One range of two of the same form (PS3.4 C.2.2.2.5.4), None where they are not."""
    if not isinstance(date, DateRange) or not isinstance(time, TimeRange) or time.is_single:
        return None
    if (bool(date.first), bool(date.last)) != (bool(time.first), bool(time.last)):
        return None
    span = DateTimeRange(date.first + time.first, date.last + time.last)
    return None if span.last and span.first > span.last else span


def _times_of_dates() -> dict[int, int]:
    """Date attributes and the times that go with them: the keywords differ in that word only."""
    pairs = {}
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        time = tag_for_keyword(keyword.removesuffix("Date") + "Time")
        if vr == "DA" and keyword.endswith("Date") and time is not None and vr_of(time) == "TM":
            pairs[tag] = time
    return pairs


TIME_OF_DATE = _times_of_dates()
