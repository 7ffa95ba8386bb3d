"""What a search asks, from the query string: attributes to match, to include, and the page.

Nothing is skipped in silence: an attribute that is unknown, cannot be matched here, or lies
below the level searched is refused, for the answer would hold more than was asked for.
Source: PS3.18 8.3.4, 10.6.1.2.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from pydicom.datadict import dictionary_has_tag, tag_for_keyword

from ingestion.dicom.attributes import IndexedAttribute, Level
from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.match_keys import parse_key
from ingestion.dicom.matching import Match, SingleValue
from ingestion.errors import InvalidQuery, NotFound
from ingestion.use_cases.search_attributes import MATCHED, PATHS, entity_level
from ingestion.use_cases.search_manifest import Include, Query, Scope

PARAMETERS_MAX = 200
STUDY_INSTANCE_UID = MATCHED[0x0020000D]
SERIES_INSTANCE_UID = MATCHED[0x0020000E]

_TAG = re.compile(r"[0-9A-Fa-f]{8}")
_KEYWORD = re.compile(r"[A-Za-z0-9]{1,64}")
_NOTHING_MORE = Include()
_BOOLEANS = {"true": True, "false": False}
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class SearchParameters:
    """A query string, understood but not yet bound to a resource."""

    matches: tuple[tuple[IndexedAttribute, Match], ...] = ()
    include: Include = _NOTHING_MORE
    limit: int | None = None
    offset: int = 0
    is_fuzzy: bool = False
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """What a search is addressed to: a level, and the study and series of its path."""

    level: Level
    study_instance_uid: str = ""
    series_instance_uid: str = ""

    @property
    def shown(self) -> tuple[Level, ...]:
        """Levels whose attributes are returned: those that the path does not fix."""
        levels = [Level.STUDY, Level.SERIES, Level.IMAGE]
        fixed = bool(self.study_instance_uid) + bool(self.series_instance_uid)
        return tuple(levels[fixed : levels.index(self.level) + 1])


@dataclass(frozen=True, slots=True)
class PageLimits:
    """What a page may ask for."""

    results_max: int
    offset_max: int


def parse_search(query_string: str) -> SearchParameters:
    """The parameters of a query string. Raises `InvalidQuery`."""
    try:
        pairs = parse_qsl(query_string, keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        raise InvalidQuery(f"a search has at most {PARAMETERS_MAX} parameters") from error
    parameters = SearchParameters()
    for name, value in pairs:
        parse = _PARSERS.get(name.lower(), _parse_match)
        parameters = parse(parameters, name, value)
    return parameters


def bind_search(
    parameters: SearchParameters, resource: Resource, *, scope: Scope, limits: PageLimits
) -> Query:
    """The question to the manifest. Raises `InvalidQuery`, `NotFound` for an impossible path."""
    if parameters.offset > limits.offset_max:
        raise InvalidQuery(f"offset is above query_offset_max = {limits.offset_max}")
    reachable = PATHS[resource.level]
    for attribute, _ in parameters.matches:
        if entity_level(attribute.level) not in reachable:
            raise InvalidQuery(
                f"{attribute.keyword} is an attribute of the {attribute.level.value} level; this"
                f" search is at the {resource.level.value} level"
            )
    limit = limits.results_max if parameters.limit is None else parameters.limit
    matched = frozenset(
        f"{attribute.sequence_tag or attribute.tag:08X}" for attribute, _ in parameters.matches
    )
    return Query(
        level=resource.level,
        scope=scope,
        matches=(*_path_matches(resource), *parameters.matches),
        include=replace(parameters.include, tags=parameters.include.tags | matched),
        limit=min(limit, limits.results_max),
        offset=parameters.offset,
        shown=resource.shown,
        is_fuzzy=parameters.is_fuzzy,
    )


def _path_matches(resource: Resource) -> Iterable[tuple[IndexedAttribute, Match]]:
    for attribute, uid in (
        (STUDY_INSTANCE_UID, resource.study_instance_uid),
        (SERIES_INSTANCE_UID, resource.series_instance_uid),
    ):
        if uid:
            if not is_valid_uid(uid):
                raise NotFound("there is no such resource")
            yield attribute, SingleValue(uid)


def _parse_limit(parameters: SearchParameters, name: str, value: str) -> SearchParameters:
    return replace(parameters, limit=_number(name, value))


def _parse_offset(parameters: SearchParameters, name: str, value: str) -> SearchParameters:
    return replace(parameters, offset=_number(name, value))


def _parse_fuzzy(parameters: SearchParameters, name: str, value: str) -> SearchParameters:
    return replace(parameters, is_fuzzy=_boolean(name, value))


def _parse_unsupported(parameters: SearchParameters, name: str, value: str) -> SearchParameters:
    """Matching that is optional for a server: literal matching is done and said."""
    if _boolean(name, value):
        return replace(parameters, ignored=(*parameters.ignored, name.lower()))
    return parameters


def _parse_include(parameters: SearchParameters, name: str, value: str) -> SearchParameters:
    include = parameters.include
    for text in filter(None, (part.strip() for part in value.split(","))):
        if text.lower() == "all":
            include = replace(include, everything=True)
        else:
            # Of a path into a sequence the whole sequence is returned.
            tags = [_tag(part, name) for part in text.split(".")]
            include = replace(include, tags=include.tags | {f"{tags[0]:08X}"})
    return replace(parameters, include=include)


def _parse_other(parameters: SearchParameters, _name: str, _value: str) -> SearchParameters:
    return parameters


def _parse_match(parameters: SearchParameters, name: str, value: str) -> SearchParameters:
    *path, tag = (_tag(part, "the search") for part in name.split("."))
    attribute = MATCHED.get(tag)
    if attribute is None or path not in ([], [attribute.sequence_tag or None]):
        names = ".".join(f"({part >> 16:04X},{part & 0xFFFF:04X})" for part in (*path, tag))
        raise InvalidQuery(f"{names} cannot be matched here")
    match = parse_key(attribute, value)
    return replace(parameters, matches=(*parameters.matches, (attribute, match)))


_Parse = Callable[[SearchParameters, str, str], SearchParameters]
_PARSERS: dict[str, _Parse] = {
    "limit": _parse_limit,
    "offset": _parse_offset,
    "fuzzymatching": _parse_fuzzy,
    "emptyvaluematching": _parse_unsupported,
    "multiplevaluematching": _parse_unsupported,
    "includefield": _parse_include,
    "accept": _parse_other,  # read by the negotiation
    "charset": _parse_other,  # answers are UTF-8 (PS3.18 8.8.1 leaves others to the server)
}


def _number(name: str, value: str) -> int:
    if not _NUMBER.fullmatch(value.strip()):
        raise InvalidQuery(f"{name} must be an unsigned integer")
    return int(value)


def _boolean(name: str, value: str) -> bool:
    try:
        return _BOOLEANS[value.strip().lower()]
    except KeyError:
        raise InvalidQuery(f"{name} must be true or false") from None


def _tag(text: str, where: str) -> int:
    """The tag of a keyword or of 8 hexadecimal digits (PS3.18 8.3.4.1)."""
    text = text.strip()
    if _TAG.fullmatch(text):
        tag = int(text, 16)
        if dictionary_has_tag(tag) or (tag >> 16) % 2:
            return tag
    elif _KEYWORD.fullmatch(text) and (found := tag_for_keyword(text)) is not None:
        return found
    raise InvalidQuery(f"{where} names an attribute that the data dictionary does not have")
