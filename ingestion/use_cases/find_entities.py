"""Finds what a C-FIND asks for, as a stream: a million matches take no more memory than one.

Rows come by a cursor of the server, which lives as long as the caller goes on. The search is
that of `search_manifest`; patients are what the studies that match say of them.
Source: PS3.4 C.4.1.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import zstandard
from django.db import transaction
from django.db.models import Case, CharField, Exists, F, OuterRef, QuerySet, Value, When

from ingestion.dicom.attributes import Level
from ingestion.dicom.document_matching import named_creators
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.private_blocks import in_named_blocks
from ingestion.dicom.time_zones import in_zone
from ingestion.errors import LimitExceeded
from ingestion.use_cases.find_query import FindQuery
from ingestion.use_cases.search_attributes import MODELS, PATHS, entity_level
from ingestion.use_cases.search_conditions import condition, held
from ingestion.use_cases.search_documents import CHUNK, HeaderFilter, Row
from ingestion.use_cases.search_manifest import matching_rows, total_order

ROWS_CHUNK = 1000

# Who is one patient. Of those without Patient ID nobody knows, but that another name is another.
_PATIENT = ("patient_id", "issuer_of_patient_id", "nameless")
_NAME_WITHOUT_ID = Case(
    When(patient_id="", then=F("patient_name_normalized")),
    default=Value(""),
    output_field=CharField(),
)


@dataclass(frozen=True, slots=True)
class FoundEntity:
    """One match: the values of the columns that the query returns, and its header if needed."""

    values: Sequence[Any]
    header: JsonDataSet | None


def find(asked: FindQuery) -> Generator[FoundEntity | None]:
    """Every match, latest studies first; None now and then while nothing matches.

    To be closed if it is not gone through. Raises `LimitExceeded` behind the matches of as many
    headers as may be read.
    """
    if asked.query.document_keys or asked.returned.header:
        return _by_headers(asked)
    return _by_columns(asked)


def _by_columns(asked: FindQuery) -> Generator[FoundEntity | None]:
    paths = _paths(asked)
    rows = _rows(asked).values_list(*paths)
    if asked.level is Level.PATIENT:
        rows = _rows(asked).values_list(*paths, *_PATIENT).distinct(*_PATIENT)
    with transaction.atomic(), closing(_streamed(rows, ROWS_CHUNK)) as stream:
        for row in stream:
            yield FoundEntity(row[: len(paths)], None)


def _by_headers(asked: FindQuery) -> Generator[FoundEntity | None]:
    keys, limits = asked.query.document_keys, asked.query.header_limits
    prepare = partial(_prepared, asked)
    accepts = HeaderFilter(keys, prepare=prepare).accepts if keys else _accept_all
    is_patient = asked.level is Level.PATIENT
    paths = _paths(asked)
    rows = _rows(asked).values_list(*paths, *(_PATIENT if is_patient else ()), "document__body")
    patient: Row = ()
    with transaction.atomic(), closing(_streamed(rows, CHUNK)) as stream:
        for number, row in enumerate(stream):
            if keys and number == limits.headers_max:
                raise LimitExceeded(f"query_documents_max = {limits.headers_max} headers were read")
            identity = row[len(paths) : -1]
            is_known = is_patient and identity == patient
            if not is_known and accepts(row[-1]):
                patient = identity
                yield FoundEntity(row[: len(paths)], prepare(_header(row[-1])))
            elif number % CHUNK == 0:
                yield None


def _rows(asked: FindQuery) -> "QuerySet[Any]":
    rows: QuerySet[Any] = matching_rows(asked.query)
    if asked.below:
        rows = rows.filter(_has_below(asked))
    if asked.level is Level.PATIENT:
        rows = rows.annotate(nameless=_NAME_WITHOUT_ID)
        return rows.order_by(*_PATIENT, "-study_date", "-id")
    return rows.order_by(*total_order(asked.query))


def _has_below(asked: FindQuery) -> Exists:
    """That one entity below a row, with those above it, has all that is asked of them."""
    levels = [entity_level(attribute.level) for attribute, _ in asked.below]
    lowest = max(levels, key=lambda level: len(PATHS[level]))
    paths = PATHS[lowest]
    wanted = held(lowest, asked.query.scope)
    for attribute, match in asked.below:
        wanted &= condition(attribute, match, prefix=paths[entity_level(attribute.level)])
    of_row = {f"{paths[asked.query.level]}pk": OuterRef("pk")}
    return Exists(MODELS[lowest]._default_manager.filter(wanted, **of_row))


def _paths(asked: FindQuery) -> list[Any]:
    return [column.path for column in asked.returned.columns]


def _streamed(rows: "QuerySet[Any, Row]", chunk: int) -> Generator[Row]:
    """A generator, so that it can be closed and the cursor with it."""
    yield from rows.iterator(chunk_size=chunk)


def _accept_all(_body: bytes | None) -> bool:
    return True


def _header(body: bytes | None) -> JsonDataSet:
    header: JsonDataSet = orjson.loads(zstandard.decompress(body)) if body else {}
    return header


def _prepared(asked: FindQuery, header: JsonDataSet) -> JsonDataSet:
    """The header with its times where the query wants them, and private blocks as it has them."""
    if asked.offset_minutes is not None:
        header = in_zone(header, asked.offset_minutes)
    return dict(in_named_blocks(header, named_creators(asked.query.document_keys)))
