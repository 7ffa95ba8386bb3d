"""What the identifier of a C-FIND asks: a level, keys to match, attributes to return.

Source: PS3.4 C.2.2 (keys and matching), C.4.1.2 (hierarchical search), C.4.1.3 (relational
queries), C.6 (information models).
"""

from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, Flag, auto
from typing import Any

from ingestion.dicom.attribute_names import Path, is_known, is_private, name_of, vr_of
from ingestion.dicom.attributes import IndexedAttribute, Level
from ingestion.dicom.date_times import parse_offset
from ingestion.dicom.document_matching import DocumentKey, key_of_path, with_combined_times
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.match_keys import LITERAL, NEVER_MATCHED, MatchingOption
from ingestion.dicom.matching import Match, SingleValue, TimeRange, Universal
from ingestion.dicom.time_zones import TIMED_VRS, range_in_any_zone
from ingestion.errors import InvalidKey, InvalidQuery
from ingestion.use_cases.find_returned import (
    CONSTANT_TAGS,
    UNIQUE_KEYS,
    Returned,
    exists,
    returned,
    searched_level,
)
from ingestion.use_cases.search_attributes import (
    COMPUTED_TAGS,
    MATCHED,
    header_keys,
    is_in_columns,
)
from ingestion.use_cases.search_query import HeaderLimits, Include, Query, Scope

KEYS_MAX = 1000

_LEVEL = 0x00080052
_CHARACTER_SET = "00080005"
_TIMEZONE_OFFSET = "00080201"
_FIRST_TAGS_MATCHED = frozenset(path[0] for path in MATCHED)
_BINARY_VRS = frozenset(("OB", "OD", "OF", "OL", "OV", "OW"))


class InformationModel(Enum):
    """The levels of a Query/Retrieve Information Model, from the top (PS3.4 C.6)."""

    PATIENT_ROOT = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE)
    STUDY_ROOT = (Level.STUDY, Level.SERIES, Level.IMAGE)
    PATIENT_STUDY_ONLY = (Level.PATIENT, Level.STUDY)


class FindOption(Flag):
    """What extended negotiation may add to a query (PS3.4 C.5.1.1)."""

    RELATIONAL = auto()
    COMBINED_TIMES = auto()
    FUZZY_NAMES = auto()
    TIMEZONE = auto()
    EMPTY_VALUES = auto()
    MULTIPLE_VALUES = auto()


_MATCHING_OPTIONS = {
    FindOption.FUZZY_NAMES: MatchingOption.FUZZY_NAMES,
    FindOption.EMPTY_VALUES: MatchingOption.EMPTY_VALUES,
    FindOption.MULTIPLE_VALUES: MatchingOption.MULTIPLE_VALUES,
}


@dataclass(frozen=True, slots=True)
class FindQuery:
    """One C-FIND, understood.

    `query` is the question to the manifest, of studies for the level of patients. Of the entities
    below a match one, with those above it, fulfils all of `below`. Dates and times are matched
    and returned `offset_minutes` from UTC where that is not None. Keys that are not supported
    were left out.
    """

    level: Level
    query: Query
    below: tuple[tuple[IndexedAttribute, Match], ...]
    returned: Returned
    has_unsupported_keys: bool
    character_set: str
    offset_minutes: int | None


def understand(
    identifier: JsonDataSet,
    model: InformationModel,
    *,
    options: FindOption,
    scope: Scope,
    header_limits: HeaderLimits,
) -> FindQuery:
    """The query of an identifier. Raises `InvalidQuery`, `InvalidKey` that names the element."""
    level = _level(identifier, model)
    levels = model.value[: model.value.index(level) + 1]
    offset = _offset(identifier, options)
    asked, has_unsupported = _supported(identifier, level)
    matching = _matching_option(options)
    keys, has_unmatched = _keys(asked, matching)
    below = _keys_below(identifier, asked, options)
    if FindOption.RELATIONAL not in options:
        _require_unique_keys(keys, levels[:-1])
    keys = _with_times(keys, options)
    if _TIMEZONE_OFFSET in identifier:
        asked[_TIMEZONE_OFFSET] = {"vr": "SH"}
    query = _query(keys, level, scope=scope, header_limits=header_limits)
    return FindQuery(
        level=level,
        query=query if offset is None else _adjusted(query, keys),
        below=_in_columns(key for key in below if offset is None or key.vr not in TIMED_VRS),
        returned=returned(asked, levels, scope=scope, is_adjusted=offset is not None),
        has_unsupported_keys=has_unsupported or has_unmatched,
        character_set="\\".join(_texts(identifier.get(_CHARACTER_SET))),
        offset_minutes=offset,
    )


def _level(identifier: JsonDataSet, model: InformationModel) -> Level:
    texts = _texts(identifier.get(f"{_LEVEL:08X}"))
    name = texts[0].strip() if len(texts) == 1 else ""
    levels: tuple[Level, ...] = model.value
    for level in levels:
        if level.value == name:
            return level
    raise InvalidKey("the query has no level of its information model", _LEVEL)


def _supported(identifier: JsonDataSet, level: Level) -> tuple[JsonDataSet, bool]:
    """The keys of attributes that entities of the level have, and whether there were others.

    Departs from PS3.4 C.4.1.2.1: keys of levels above are matched and returned as well.
    """
    asked = {
        tag: attribute
        for tag, attribute in identifier.items()
        if int(tag, 16) not in (*NEVER_MATCHED, _LEVEL)
    }
    supported = {tag: attribute for tag, attribute in asked.items() if exists(int(tag, 16), level)}
    return supported, len(supported) < len(asked)


def _keys(asked: JsonDataSet, options: MatchingOption) -> tuple[list[DocumentKey], bool]:
    """The keys that do not match everything, and whether there are some that nothing can match."""
    keys = [_key(path, attribute, options) for path, attribute in _leaves(asked)]
    restricting = [key for key in keys if key is not None and not isinstance(key.match, Universal)]
    return restricting, None in keys


def _keys_below(
    identifier: JsonDataSet, asked: JsonDataSet, options: FindOption
) -> list[DocumentKey]:
    """The keys of levels below, as far as columns match them.

    Departs from PS3.4 C.4.1.2.1, as clients send them without having negotiated relational
    queries: who looks for studies by Modality means those that have some such series.
    """
    others = {tag: attribute for tag, attribute in identifier.items() if tag not in asked}
    in_columns = {
        tag: attribute for tag, attribute in others.items() if int(tag, 16) in _FIRST_TAGS_MATCHED
    }
    keys, _ = _keys(in_columns, _matching_option(options))
    return [key for key in _with_times(keys, options) if is_in_columns(key)]


def _leaves(data_set: JsonDataSet, above: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The keys at the ends of all sequences. Raises `InvalidQuery`."""
    for number, (name, attribute) in enumerate(data_set.items()):
        if number == KEYS_MAX:
            raise InvalidQuery(f"the query has more than {KEYS_MAX} keys")
        tag = int(name, 16)
        if attribute["vr"] != "SQ":
            yield (*above, tag), attribute
            continue
        items = attribute.get("Value", [])
        if len(items) > 1:
            raise InvalidKey(f"{name_of(tag)} has more than one item", tag)
        for item in items:
            yield from _leaves(item, (*above, tag))


def _key(path: Path, attribute: dict[str, Any], options: MatchingOption) -> DocumentKey | None:
    """The key; None for one that nothing can be matched with. Raises `InvalidKey`."""
    tag, text = path[-1], "\\".join(_texts(attribute))
    if not text:
        return DocumentKey(path, attribute["vr"], Universal())
    is_matched = is_private(tag) or (is_known(tag) and vr_of(tag) not in _BINARY_VRS)
    if not is_matched or path[0] in COMPUTED_TAGS | CONSTANT_TAGS:
        return None
    try:
        return key_of_path(path, text, options=options)
    except InvalidQuery as error:
        raise InvalidKey(str(error), tag) from error


def _texts(attribute: dict[str, Any] | None) -> list[str]:
    """The values as they were before they were JSON; none at all when all are empty."""
    if attribute is None:
        return []
    if "InlineBinary" in attribute:  # of a private attribute, whose VR implicit VR does not tell
        content = b64decode(attribute["InlineBinary"]).decode("utf-8", "replace")
        return [content.strip(" \0")]
    texts = [_text(value) for value in attribute.get("Value", [])]
    return texts if any(texts) else []


def _text(value: Any) -> str:
    if isinstance(value, dict):
        groups = ("Alphabetic", "Ideographic", "Phonetic")
        return "=".join(str(value.get(group, "")) for group in groups).rstrip("=")
    return "" if value is None else str(value)


def _matching_option(options: FindOption) -> MatchingOption:
    found = LITERAL
    for option, matching in _MATCHING_OPTIONS.items():
        if option in options:
            found |= matching
    return found


def _require_unique_keys(keys: list[DocumentKey], levels: Sequence[Level]) -> None:
    """PS3.4 C.4.1.2.1: one entity of each level above is named."""
    named = {key.path: key.match for key in keys}
    for level in levels:
        tag = UNIQUE_KEYS[level]
        if not isinstance(named.get((tag,)), SingleValue):
            raise InvalidKey(f"the query needs one value of {name_of(tag)}", tag)


def _with_times(keys: list[DocumentKey], options: FindOption) -> list[DocumentKey]:
    """Dates and their times as one range where that was negotiated (PS3.4 C.2.2.2.5.4)."""
    if FindOption.COMBINED_TIMES in options:
        return list(with_combined_times(keys))
    for key in keys:
        match = key.match
        if isinstance(match, TimeRange) and match.last and match.first > match.last:
            raise InvalidKey(f"{key.name} is a range that ends before it begins", key.path[-1])
    return keys


def _query(
    keys: list[DocumentKey], level: Level, *, scope: Scope, header_limits: HeaderLimits
) -> Query:
    return Query(
        level=searched_level(level),
        scope=scope,
        matches=_in_columns(key for key in keys if is_in_columns(key)),
        document_keys=header_keys(keys),
        header_limits=header_limits,
        include=Include(),
        shown=(),
        limit=0,
    )


def _in_columns(keys: Iterable[DocumentKey]) -> tuple[tuple[IndexedAttribute, Match], ...]:
    return tuple((MATCHED[key.path], key.match) for key in keys)


def _adjusted(query: Query, keys: list[DocumentKey]) -> Query:
    """Dates and times are matched in headers, where they can be brought into another zone.

    Columns only tell what cannot match, in any zone.
    """
    timed = [key for key in keys if key.vr in TIMED_VRS]
    untimed = [
        (attribute, match) for attribute, match in query.matches if attribute.vr not in TIMED_VRS
    ]
    dates = [
        (MATCHED[key.path], range_in_any_zone(key.match))
        for key in timed
        if key.vr == "DA" and key.path in MATCHED
    ]
    return replace(
        query,
        matches=(*untimed, *dates),
        document_keys=tuple(key for key in keys if key in timed or key in query.document_keys),
    )


def _offset(identifier: Mapping[str, Any], options: FindOption) -> int | None:
    texts = _texts(identifier.get(_TIMEZONE_OFFSET))
    if FindOption.TIMEZONE not in options or not texts:
        return None
    offset = parse_offset(texts[0].strip())
    if offset is None:
        raise InvalidKey("the query has no offset from UTC", int(_TIMEZONE_OFFSET, 16))
    return offset
