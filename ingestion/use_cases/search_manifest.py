"""Searches what is held, for QIDO-RS and C-FIND alike: one statement for a page.

The spaces that may be seen are part of every question. Deleted entities never show. A few
statements more are made where headers are matched, where the matches are counted, and where
several spaces are searched as one. Source: PS3.4 C.4.1, PS3.18 10.6.
"""

from typing import Any

import orjson
import zstandard
from django.db.models import Exists, F, OrderBy, OuterRef, QuerySet

from ingestion.dicom.attribute_levels import SERIES_TAGS, STUDY_TAGS
from ingestion.dicom.attribute_names import is_private
from ingestion.dicom.attributes import Level
from ingestion.dicom.document_matching import named_creators
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.matching import SingleValue
from ingestion.dicom.private_blocks import in_named_blocks
from ingestion.use_cases.search_attributes import (
    MODELS,
    PATHS,
    SPACES,
    UIDS,
    ReturnedColumn,
    entity_level,
    returned_columns,
)
from ingestion.use_cases.search_conditions import condition, held
from ingestion.use_cases.search_documents import MatchedRows, Row, matched_rows
from ingestion.use_cases.search_query import Found, Page, Query, Scope
from ingestion.use_cases.unite_spaces import united

__all__ = ["Found", "Page", "Query", "Scope", "search"]

# What more than these match is not counted: a count must cost no more than its page.
COUNTED_MAX = 1000


def search(query: Query) -> Page:
    """The page of results that `query` asks for; one without room for any only counts."""
    if not query.scope.space_ids:
        return Page((), has_more=False, total=0)
    if query.limit == 0:
        return Page((), has_more=False, total=_total(query, 0, has_more=True))
    columns = returned_columns(query.level, query.shown, query.include.tags)
    in_columns = frozenset(column.tag for column in columns if not column.yields_to_document)
    wanted = _DocumentTags(query, in_columns)
    paths: list[Any] = [f"{SPACES[query.level]}__slug", *UIDS[query.level]]
    paths += [column.path for column in columns]
    found = (
        _by_documents(query, paths) if query.document_keys else _by_columns(query, paths, wanted)
    )
    has_more = len(found.rows) > query.limit
    depth = len(UIDS[query.level])
    results = [
        _found(row, columns, depth=depth, wanted=wanted) for row in found.rows[: query.limit]
    ]
    return Page(
        united(results, query) if query.is_merged else tuple(results),
        has_more=has_more,
        total=_total(query, len(results), has_more=has_more or found.was_cut),
        was_cut=found.was_cut,
    )


def _by_columns(query: Query, paths: list[Any], wanted: "_DocumentTags") -> MatchedRows:
    """The page in one statement; headers, where they are returned, of its own rows only."""
    model, order = MODELS[query.level], total_order(query)
    end = query.offset + query.limit + 1
    page = matching_rows(query).order_by(*order)[query.offset : end]
    if not wanted:
        return MatchedRows(list(page.values_list(*paths)), was_cut=False)
    rows = model._default_manager.filter(pk__in=page.values("pk")).order_by(*order)
    return MatchedRows(list(rows.values_list(*paths, "document__body")), was_cut=False)


def _by_documents(query: Query, paths: list[Any]) -> MatchedRows:
    """The page out of candidates in order, whose headers are read."""
    return matched_rows(
        matching_rows(query).order_by(*total_order(query)).values_list(*paths, "document__body"),
        query.document_keys,
        skipped=query.offset,
        wanted=query.limit + 1,
        limits=query.header_limits,
        identity=range(1, 1 + len(UIDS[query.level])) if query.is_merged else (),
    )


def matching_rows(query: Query) -> "QuerySet[Any]":
    """What the columns let match, once where spaces are merged and columns decide alone."""
    wanted = held(query.level, query.scope)
    for attribute, match in query.matches:
        prefix = PATHS[query.level][entity_level(attribute.level)]
        wanted &= condition(attribute, match, prefix=prefix)
    rows = MODELS[query.level]._default_manager
    if not query.is_merged or query.document_keys:
        return rows.filter(wanted)
    same = {path: OuterRef(path) for path in UIDS[query.level]}
    earlier = rows.filter(wanted, **same, pk__lt=OuterRef("pk"))
    return rows.filter(wanted, ~Exists(earlier))


def _total(query: Query, length: int, *, has_more: bool) -> int | None:
    """How many match in all: known from the last page, counted as far as that is quick."""
    if not has_more and (length or not query.offset):
        return query.offset + length
    if query.document_keys:
        return None
    counted = matching_rows(query).values("pk")[: COUNTED_MAX + 1].count()
    return counted if counted <= COUNTED_MAX else None


def total_order(query: Query) -> list[Any]:
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
        self._tags = frozenset(
            tag
            for tag in query.include.tags - in_columns
            if allowed is None or tag in allowed or is_private(int(tag, 16))
        )
        self._creators = named_creators(query.document_keys)

    def __bool__(self) -> bool:
        return self._everything or bool(self._tags)

    def take(self, body: bytes) -> JsonDataSet:
        """The elements of a document that are wanted; what refers to bulk data is left out."""
        document: JsonDataSet = orjson.loads(zstandard.decompress(body))
        return {
            tag: value
            for tag, value in in_named_blocks(document, self._creators).items()
            if self._is_wanted(tag) and "BulkDataURI" not in value
        }

    def _is_wanted(self, tag: str) -> bool:
        if self._everything:
            return self._allowed is None or tag in self._allowed
        return tag in self._tags


def _found(
    row: Row, columns: tuple[ReturnedColumn, ...], *, depth: int, wanted: _DocumentTags
) -> Found:
    """A row: the space, the UIDs of `depth` levels, the columns, and the header if it is wanted."""
    data_set: JsonDataSet = wanted.take(row[-1]) if wanted and row[-1] else {}
    slug, *uids = row[: 1 + depth]
    for column, value in zip(columns, row[1 + depth :], strict=False):
        if column.yields_to_document and column.tag in data_set:
            continue
        if column.is_sent_empty or value not in ("", None):
            data_set[column.tag] = column.make_element(value)
    study_uid, series_uid, sop_uid = (*uids, "", "")[:3]
    return Found((slug,), study_uid, series_uid, sop_uid, data_set)
