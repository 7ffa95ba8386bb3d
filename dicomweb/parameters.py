"""What a search asks, from the query string: attributes to match, to include, and the page.

Nothing is skipped in silence: an attribute that is unknown, cannot be matched here, or lies
below the level searched is refused, for the answer would hold more than was asked for. Parameters
of others, which are no attributes, are told.
Source: PS3.18 8.3 (what is not supported is ignored), 8.3.4, 10.6.1.2.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from dicomweb.parameter_values import true_or_false, unsigned_integer
from ingestion.dicom.attribute_names import (
    Path,
    is_no_attribute,
    name_of,
    parse_path,
    private_creator,
)
from ingestion.dicom.attributes import IndexedAttribute, Level
from ingestion.dicom.document_matching import (
    DocumentKey,
    key_of_path,
    with_combined_times,
)
from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.match_keys import LITERAL, NEVER_MATCHED, MatchingOption
from ingestion.dicom.matching import Match, SingleValue, Universal
from ingestion.errors import InvalidQuery, NotFound
from ingestion.use_cases.search_attributes import (
    COMPUTED_TAGS,
    MATCHED,
    PATHS,
    header_keys,
    is_in_columns,
    level_of,
)
from ingestion.use_cases.search_query import AcrossSpaces, HeaderLimits, Include, Query, Scope

PARAMETERS_MAX = 200
STUDY_INSTANCE_UID = MATCHED[(0x0020000D,)]
SERIES_INSTANCE_UID = MATCHED[(0x0020000E,)]

_NOTHING_MORE = Include()
_TAG = re.compile(r"[0-9A-Fa-f]{8}")
# No object has it outside of its sequence, so that its name alone means what stands there.
_ALIASES: dict[Path, Path] = {path[-1:]: path for path in MATCHED if len(path) > 1}
_FIRST_GROUP = 0x0008  # those before are of messages, files and directories (PS3.5 7.1, PS3.10 7.1)


@dataclass(frozen=True, slots=True)
class SearchParameters:
    """A query string, understood but not yet bound to a resource.

    `unmatched` are attributes whose value was given and is never matched, `ignored` the names of
    parameters that are not ours.
    """

    keys: tuple[DocumentKey, ...] = ()
    include: Include = _NOTHING_MORE
    limit: int | None = None
    offset: int = 0
    options: MatchingOption = LITERAL
    across_spaces: AcrossSpaces = AcrossSpaces.MERGED
    unmatched: tuple[str, ...] = ()
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
    keys: list[tuple[str, str]] = []
    for name, value in pairs:
        parse = _PARSERS.get(name.lower())
        if parse is None:
            keys.append((name, value))
        else:
            parameters = parse(parameters, name, value)
    return _with_keys(parameters, keys)


def bind_search(
    parameters: SearchParameters,
    resource: Resource,
    *,
    scope: Scope,
    limits: PageLimits,
    header_limits: HeaderLimits,
) -> Query:
    """The question to the manifest.

    Raises `InvalidQuery`, `NotFound` for an impossible path.
    """
    if parameters.offset > limits.offset_max:
        raise InvalidQuery(f"offset is above query_offset_max = {limits.offset_max}")
    keys = [key for key in parameters.keys if not isinstance(key.match, Universal)]
    for key in keys:
        _require_reachable(key, resource)
    in_columns = [key for key in keys if is_in_columns(key)]
    limit = limits.results_max if parameters.limit is None else parameters.limit
    return Query(
        level=resource.level,
        scope=scope,
        matches=(*_path_matches(resource), *((MATCHED[key.path], key.match) for key in in_columns)),
        document_keys=header_keys(keys),
        header_limits=header_limits,
        include=replace(
            parameters.include,
            tags=parameters.include.tags | _tags(key.path[0] for key in parameters.keys),
        ),
        shown=resource.shown,
        limit=min(limit, limits.results_max),
        offset=parameters.offset,
        across_spaces=parameters.across_spaces,
    )


def _require_reachable(key: DocumentKey, resource: Resource) -> None:
    level = level_of(key.path, searched=resource.level)
    if key.path[0] in COMPUTED_TAGS:
        raise InvalidQuery(f"{key.name} is made for each answer and cannot be matched")
    if level not in PATHS[resource.level]:
        raise InvalidQuery(
            f"{key.name} is an attribute of the {level.value} level; this search is at the"
            f" {resource.level.value} level"
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


def _with_keys(parameters: SearchParameters, pairs: list[tuple[str, str]]) -> SearchParameters:
    """The keys are read last: how they match may be said behind them."""
    keys = []
    unmatched = []
    ignored = []
    for name, value in pairs:
        if is_no_attribute(name):
            ignored.append(name)
            continue
        path = parse_path(name)
        if path[0] >> 16 < _FIRST_GROUP:
            raise InvalidQuery(f"{name_of(path[0])} is no attribute of data sets")
        keys.append(key_of_path(_ALIASES.get(path, path), value, options=parameters.options))
        if path[-1] in NEVER_MATCHED and value.strip():
            unmatched.append(name_of(path[-1]))
    return replace(
        parameters,
        keys=with_combined_times(keys),
        unmatched=tuple(unmatched),
        ignored=tuple(ignored),
    )


def _parse_limit(parameters: SearchParameters, name: str, value: str) -> SearchParameters:
    return replace(parameters, limit=unsigned_integer(name, value))


def _parse_offset(parameters: SearchParameters, name: str, value: str) -> SearchParameters:
    return replace(parameters, offset=unsigned_integer(name, value))


def _option(option: MatchingOption) -> "_Parse":
    def parse(parameters: SearchParameters, name: str, value: str) -> SearchParameters:
        options = parameters.options
        return replace(
            parameters,
            options=options | option if true_or_false(name, value) else options & ~option,
        )

    return parse


def _parse_each_space(parameters: SearchParameters, name: str, value: str) -> SearchParameters:
    across = AcrossSpaces.EACH if true_or_false(name, value) else AcrossSpaces.MERGED
    return replace(parameters, across_spaces=across)


def _parse_include(parameters: SearchParameters, _name: str, value: str) -> SearchParameters:
    include = parameters.include
    for text in filter(None, (part.strip() for part in value.split(","))):
        if text.lower() == "all":
            include = replace(include, everything=True)
        else:
            include = replace(include, tags=include.tags | _tags([_included_tag(text)]))
    return replace(parameters, include=include)


def _included_tag(text: str) -> int:
    """Of a path into a sequence the whole sequence is returned.

    A tag that the data dictionary does not know may still be in a data set.
    """
    return int(text, 16) if _TAG.fullmatch(text) else parse_path(text)[0]


def _tags(tags: Iterable[int]) -> frozenset[str]:
    """As answers name them; of private ones also the creator (PS3.18 10.6.3.3)."""
    found = set(tags)
    found |= {creator for tag in found if (creator := private_creator(tag)) is not None}
    return frozenset(f"{tag:08X}" for tag in found)


def _parse_other(parameters: SearchParameters, _name: str, _value: str) -> SearchParameters:
    return parameters


_Parse = Callable[[SearchParameters, str, str], SearchParameters]
_PARSERS: dict[str, _Parse] = {
    "limit": _parse_limit,
    "offset": _parse_offset,
    "fuzzymatching": _option(MatchingOption.FUZZY_NAMES),
    "emptyvaluematching": _option(MatchingOption.EMPTY_VALUES),
    "multiplevaluematching": _option(MatchingOption.MULTIPLE_VALUES),
    "includefield": _parse_include,
    "eachspace": _parse_each_space,
    "accept": _parse_other,  # read by the negotiation
    "charset": _parse_other,  # answers are UTF-8 (PS3.18 8.8.1 leaves others to the server)
}
