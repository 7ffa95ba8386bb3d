"""Query strings of the Worklist Service: searches, filters, and UIDs that stand for themselves.

Source: PS3.18 11.4.1.1, 11.6.1 (`?{workitem}`, `?{transaction-uid}`), 11.9.1.2, 11.10.1.2, 8.3.4.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

from dicomweb.parameter_values import true_or_false, unsigned_integer
from dicomweb.parameters import PARAMETERS_MAX, PageLimits
from ingestion.dicom.attribute_names import is_no_attribute, parse_path
from ingestion.dicom.document_matching import (
    DocumentKey,
    parse_document_key,
    with_combined_times,
)
from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.match_keys import LITERAL, MatchingOption
from ingestion.errors import InvalidQuery
from ingestion.use_cases.search_manifest import Scope
from ingestion.use_cases.search_workitems import WorkitemQuery

# The template of 2019 and later, that of earlier editions, and that of other servers.
WORKITEM_NAMES = frozenset({"workitem", "affectedsopinstanceuid"})
TRANSACTION_NAMES = frozenset({"transaction-uid", "transactionuid", "transaction"})

_NEXT_KEY = re.compile(r",(?=[A-Za-z0-9.]{1,200}=)")
_OPTIONS = {
    "fuzzymatching": MatchingOption.FUZZY_NAMES,
    "emptyvaluematching": MatchingOption.EMPTY_VALUES,
    "multiplevaluematching": MatchingOption.MULTIPLE_VALUES,
}
_OF_EVERY_REQUEST = frozenset({"accept", "charset"})  # PS3.18 11.1.2; read by the negotiation


@dataclass(slots=True)
class _Search:
    keys: list[tuple[str, str]] = field(default_factory=list)
    options: MatchingOption = LITERAL
    tags: frozenset[str] | None = frozenset()
    limit: int | None = None
    offset: int = 0


def parse_worklist_search(query_string: str, *, scope: Scope, limits: PageLimits) -> WorkitemQuery:
    """The question to the worklist. Raises `InvalidQuery`."""
    asked = _Search()
    for name, value in _pairs(query_string):
        _PARSERS.get(name.lower(), _parse_key)(asked, name, value)
    if asked.offset > limits.offset_max:
        raise InvalidQuery(f"offset is above query_offset_max = {limits.offset_max}")
    limit = limits.results_max if asked.limit is None else asked.limit
    keys = [parse_document_key(*key, options=asked.options) for key in asked.keys]
    return WorkitemQuery(
        scope=scope,
        keys=with_combined_times(_distinct(keys)),
        limit=min(limit, limits.results_max),
        offset=asked.offset,
        tags=asked.tags,
    )


def ignored_parameters(query_string: str) -> tuple[str, ...]:
    """Names in a search that are no attributes and no parameters of ours (PS3.18 8.3)."""
    names = [name for name, _ in _pairs(query_string)]
    return tuple(name for name in names if name.lower() not in _PARSERS and is_no_attribute(name))


def uid_parameter(query_string: str, names: frozenset[str]) -> str:
    """The UID that a query string gives, by one of these names or alone; '' for none.

    Raises `InvalidQuery` for something that should be a UID and is none.
    """
    found = ""
    for name, value in _pairs(query_string):
        if name.lower() in names:
            found = value.strip()
        elif not value and name.lower() not in _OF_EVERY_REQUEST:
            found = name.strip()
        if found and not is_valid_uid(found):
            raise InvalidQuery("the query must be a UID")
    return found


def deletion_lock(query_string: str) -> bool:
    """Whether a subscription shall keep final workitems from being deleted."""
    values = [value for name, value in _pairs(query_string) if name.lower() == "deletionlock"]
    return true_or_false("deletionlock", values[-1]) if values else False


def filter_keys(query_string: str) -> str:
    """The matching keys of a filtered subscription as a query string.

    They are a list in `filter`, or parameters of their own as before 2019. Raises `InvalidQuery`
    when there is none.
    """
    keys: list[tuple[str, str]] = []
    for name, value in _pairs(query_string):
        if name.lower() == "filter":
            keys += (_filter_key(text) for text in _NEXT_KEY.split(value))
        elif name.lower() not in _OF_EVERY_REQUEST | {"deletionlock"}:
            keys.append((name, value))
    if not keys:
        raise InvalidQuery("a filtered subscription needs a filter of attribute=value")
    return urlencode(keys)


def _filter_key(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidQuery("a filter is a list of attribute=value")
    return name.strip(), value


def _pairs(query_string: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query_string, keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError as error:
        raise InvalidQuery(f"a query has at most {PARAMETERS_MAX} parameters") from error


def _distinct(keys: list[DocumentKey]) -> list[DocumentKey]:
    if len({key.path for key in keys}) < len(keys):
        raise InvalidQuery("an attribute must not be matched twice")
    return keys


def _parse_limit(asked: _Search, name: str, value: str) -> None:
    asked.limit = unsigned_integer(name, value)


def _parse_offset(asked: _Search, name: str, value: str) -> None:
    asked.offset = unsigned_integer(name, value)


def _parse_option(asked: _Search, name: str, value: str) -> None:
    if true_or_false(name, value):
        asked.options |= _OPTIONS[name.lower()]


def _parse_include(asked: _Search, _name: str, value: str) -> None:
    """Of a path into a sequence the whole sequence is returned."""
    for text in filter(None, (part.strip() for part in value.split(","))):
        if text.lower() == "all":
            asked.tags = None
        elif asked.tags is not None:
            asked.tags |= {f"{parse_path(text)[0]:08X}"}


def _parse_other(_asked: _Search, _name: str, _value: str) -> None:
    """Nothing to do here."""


def _parse_key(asked: _Search, name: str, value: str) -> None:
    if not is_no_attribute(name):
        asked.keys.append((name, value))


_PARSERS: dict[str, Callable[[_Search, str, str], None]] = {
    "limit": _parse_limit,
    "offset": _parse_offset,
    "includefield": _parse_include,
    **dict.fromkeys(_OPTIONS, _parse_option),
    **dict.fromkeys(_OF_EVERY_REQUEST, _parse_other),
}
