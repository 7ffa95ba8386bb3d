"""Finds rows by attributes that no column holds: their stored headers are read in order.

Rows come by a cursor of the server as far as they are needed, and a header is decoded only if it
has the attributes that are asked for. Source: PS3.4 C.2.2.2.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import orjson
import zstandard
from django.db import transaction
from django.db.models import QuerySet

from ingestion.dicom.document_matching import DocumentKey, DocumentMatcher
from ingestion.dicom.matching import SingleValue

CHUNK = 64  # rows fetched at once; a header may be large

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class MatchedRows:
    """Rows in order, at most as many as were asked for. `was_cut`: the limit of headers was hit."""

    rows: list[Row]
    was_cut: bool


def matched_rows(
    candidates: "QuerySet[Any, Row]",
    keys: Sequence[DocumentKey],
    *,
    skipped: int,
    wanted: int,
    documents_max: int,
    identity: Sequence[int] = (),
) -> MatchedRows:
    """The rows whose last column, a compressed header, matches every key.

    `skipped` rows that match are left out before `wanted` ones are taken. Of rows that are equal
    in the columns `identity`, where there are any, the first counts.
    """
    is_wanted = _HeaderFilter(keys).accepts
    seen: set[Row] = set()
    rows: list[Row] = []
    read = 0
    with transaction.atomic(), closing(_chunked(candidates)) as stream:
        for row in stream:
            if read == documents_max:
                return MatchedRows(rows, was_cut=True)
            read += 1
            entity = tuple(row[column] for column in identity)
            if (entity and entity in seen) or not is_wanted(row[-1]):
                continue
            seen.add(entity)
            if skipped:
                skipped -= 1
                continue
            rows.append(row)
            if len(rows) == wanted:
                break
    return MatchedRows(rows, was_cut=False)


def _chunked(candidates: "QuerySet[Any, Row]") -> Generator[Row]:
    """A generator, so that it can be closed and the cursor with it."""
    yield from candidates.iterator(chunk_size=CHUNK)


class _HeaderFilter:
    def __init__(self, keys: Sequence[DocumentKey]) -> None:
        self._matcher = DocumentMatcher(keys)
        self._decompress = zstandard.ZstdDecompressor().decompress
        # As the header names them. A key that asks for no value is true where there is no name.
        self._names = {
            f'"{key.path[0]:08X}"'.encode() for key in keys if key.match != SingleValue("")
        }

    def accepts(self, body: bytes | None) -> bool:
        header = self._decompress(body) if body else b"{}"
        return all(name in header for name in self._names) and self._matcher.matches(
            orjson.loads(header)
        )
