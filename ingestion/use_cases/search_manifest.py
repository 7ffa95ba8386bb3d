"""Searches what is held, for QIDO-RS and C-FIND alike: one query for a page.

The spaces that may be seen are part of every question. Deleted entities never show.
Source: PS3.4 C.4.1, PS3.18 10.6.
"""

from dataclasses import dataclass
from typing import Any

import orjson
import zstandard
from django.db.models import F, OrderBy, Q, QuerySet

from ingestion.dicom.attribute_levels import SERIES_TAGS, STUDY_TAGS
from ingestion.dicom.attributes import IndexedAttribute, Level
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.matching import Match, SingleValue
from ingestion.use_cases.search_attributes import (
    MODELS,
    PATHS,
    ReturnedColumn,
    entity_level,
    returned_columns,
)
from ingestion.use_cases.search_conditions import condition

_UIDS = {"0020000D": "", "0020000E": "", "00080018": ""}


@dataclass(frozen=True, slots=True)
class Scope:
    """The storage spaces that may be seen. None but these are."""

    space_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Include:
    """What to return beside the columns: these tags (8 hexadecimal digits), or everything."""

    tags: frozenset[str] = frozenset()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One question. `shown` are the levels whose attributes are returned."""

    level: Level
    scope: Scope
    matches: tuple[tuple[IndexedAttribute, Match], ...]
    include: Include
    limit: int
    offset: int = 0
    shown: tuple[Level, ...] = ()
    is_fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """One entity that matches; UIDs below its level are ''."""

    space_slug: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    data_set: JsonDataSet


@dataclass(frozen=True, slots=True)
class Page:
    """Results in a total, stable order, and whether there are more behind them."""

    results: tuple[Found, ...]
    has_more: bool


def search(query: Query) -> Page:
    """The page of results that `query` asks for, in one statement."""
    if query.limit == 0 or not query.scope.space_ids:
        return Page((), has_more=False)
    columns = returned_columns(query.level, query.shown or (query.level,), query.include.tags)
    in_columns = frozenset(column.tag for column in columns if not column.yields_to_document)
    wanted = _DocumentTags(query, in_columns)
    space_path = _space_path(query.level) + "__slug"
    paths = [space_path, *(column.path for column in columns)]
    if wanted:
        paths.append("document__body")
    rows = list(
        _matching(query)
        .order_by(*_order(query))
        .values_list(*paths)[query.offset : query.offset + query.limit + 1]
    )
    results = (_found(row, columns, wanted) for row in rows[: query.limit])
    return Page(tuple(results), has_more=len(rows) > query.limit)


def _space_path(level: Level) -> str:
    return "study__storage_space" if level is Level.SERIES else "storage_space"


def _matching(query: Query) -> "QuerySet[Any]":
    """What matches and is held, in the spaces of the scope only."""
    paths = PATHS[query.level]
    wanted = Q()
    for prefix in paths.values():
        wanted &= Q((f"{prefix}deleted_at__isnull", True))
    # Each row that knows its space is asked, so that each one's index serves.
    for path in {_space_path(query.level), paths[Level.STUDY] + "storage_space"}:
        ids = query.scope.space_ids
        wanted &= Q((f"{path}_id", ids[0])) if len(ids) == 1 else Q((f"{path}_id__in", ids))
    for attribute, match in query.matches:
        prefix = paths[entity_level(attribute.level)]
        wanted &= condition(attribute, match, prefix=prefix, is_fuzzy=query.is_fuzzy)
    return MODELS[query.level]._default_manager.filter(wanted)


def _order(query: Query) -> list[Any]:
    """Latest studies first; inside one study by number. Always total."""
    if query.level is Level.STUDY:
        return ["-study_date", "-id"]
    is_one_study = any(
        attribute.keyword == "StudyInstanceUID" and isinstance(match, SingleValue)
        for attribute, match in query.matches
    )
    if not is_one_study:
        return ["-id"]
    if query.level is Level.SERIES:
        return [_nulls_last("series_number"), "id"]
    return [
        _nulls_last("series__series_number"),
        "series_id",
        _nulls_last("instance_number"),
        "id",
    ]


def _nulls_last(path: str) -> OrderBy:
    return F(path).asc(nulls_last=True)


class _DocumentTags:
    """Which tags come out of the stored header document; false when none do."""

    def __init__(self, query: Query, in_columns: frozenset[str]) -> None:
        allowed: frozenset[str] | None = None  # any, at the level of instances
        if query.level is Level.STUDY:
            allowed = STUDY_TAGS
        elif query.level is Level.SERIES:
            allowed = STUDY_TAGS | SERIES_TAGS
            if query.include.everything and Level.STUDY not in query.shown:
                allowed = SERIES_TAGS
        self._allowed = allowed
        self._everything = query.include.everything
        self._tags = query.include.tags - in_columns
        if allowed is not None:
            self._tags &= allowed

    def __bool__(self) -> bool:
        return self._everything or bool(self._tags)

    def take(self, body: bytes) -> JsonDataSet:
        """The elements of a document that are wanted; what refers to bulk data is left out."""
        document: JsonDataSet = orjson.loads(zstandard.decompress(body))
        return {
            tag: value
            for tag, value in document.items()
            if self._is_wanted(tag) and "BulkDataURI" not in value
        }

    def _is_wanted(self, tag: str) -> bool:
        if self._everything:
            return self._allowed is None or tag in self._allowed
        return tag in self._tags


def _found(
    row: tuple[Any, ...], columns: tuple[ReturnedColumn, ...], wanted: _DocumentTags
) -> Found:
    data_set: JsonDataSet = wanted.take(row[-1]) if wanted and row[-1] else {}
    uids = dict(_UIDS)
    for column, value in zip(columns, row[1:], strict=False):
        if column.yields_to_document and column.tag in data_set:
            continue
        if column.tag in uids:
            uids[column.tag] = value
        if column.is_sent_empty or value not in ("", None):
            data_set[column.tag] = column.make_element(value)
    study_uid, series_uid, sop_uid = uids.values()
    return Found(row[0], study_uid, series_uid, sop_uid, data_set)
