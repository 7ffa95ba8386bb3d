"""Finds rows by attributes that no column holds: their stored headers are read in order.

Rows come by a cursor of the server as far as they are needed, and a header is decoded only if it
has the attributes that are asked for. Source: PS3.4 C.2.2.2.
"""

import re
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import orjson
import zstandard
from django.db import transaction
from django.db.models import QuerySet

from ingestion.dicom.attribute_names import is_private
from ingestion.dicom.document_matching import DocumentKey, DocumentMatcher
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.matching import AllValues, SingleValue, UIDList, ValueList, Wildcard
from ingestion.use_cases.search_query import HeaderLimits

CHUNK = 64  # rows fetched at once; a header may be large
NEEDLES_MAX = 8  # to look for more takes longer than to decode the header

# Texts that a header holds as a key has them: neither normalised nor escaped in JSON.
_VERBATIM_VRS = frozenset(("AE", "AS", "AT", "CS", "LO", "LT", "SH", "ST", "UC", "UI", "UR", "UT"))
_VERBATIM = re.compile(r"[ !#-\[\]-~]+")

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class MatchedRows:
    """Rows in order, at most as many as were asked for. `was_cut`: a limit was hit."""

    rows: list[Row]
    was_cut: bool


def matched_rows(
    candidates: "QuerySet[Any, Row]",
    keys: Sequence[DocumentKey],
    *,
    skipped: int,
    wanted: int,
    limits: HeaderLimits,
    identity: Sequence[int] = (),
) -> MatchedRows:
    """The rows whose last column, a compressed header, matches every key.

    `skipped` rows that match are left out before `wanted` ones are taken. Of rows that are equal
    in the columns `identity`, where there are any, the first counts.
    """
    is_wanted = HeaderFilter(keys).accepts
    seen: set[Row] = set()
    rows: list[Row] = []
    ends_at = time.monotonic() + limits.seconds_max
    with transaction.atomic(), closing(_chunked(candidates)) as stream:
        for read, row in enumerate(stream):
            if read == limits.headers_max or time.monotonic() > ends_at:
                return MatchedRows(rows, was_cut=True)
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


class HeaderFilter:
    """Tells whether a header matches; most that do not are told by their bytes, undecoded."""

    def __init__(
        self,
        keys: Sequence[DocumentKey],
        *,
        prepare: Callable[[JsonDataSet], JsonDataSet] | None = None,
    ) -> None:
        """Take keys whose dates and times were combined where they should be.

        `prepare` is applied to a header before it is matched.
        """
        self._prepare = prepare
        self._matcher = DocumentMatcher(keys)
        self._decompress = zstandard.ZstdDecompressor().decompress
        self._needles = [needles for key in keys if (needles := _needles(key))]
        # A key that asks for no value is true where its sequence or itself is not even named,
        # and private elements may be in another block than the one that keys name.
        self._names = [
            f'"{key.path[0]:08X}"'.encode()
            for key in keys
            if key.match != SingleValue("") and not is_private(key.path[0])
        ]

    def accepts(self, body: bytes | None) -> bool:
        """Whether the compressed header matches every key; none is an empty one."""
        header = self._decompress(body) if body else b"{}"
        return (
            all(name in header for name in self._names)
            and all(any(needle in header for needle in needles) for needles in self._needles)
            and self._matches(orjson.loads(header))
        )

    def _matches(self, header: JsonDataSet) -> bool:
        return self._matcher.matches(self._prepare(header) if self._prepare else header)


def _needles(key: DocumentKey) -> list[bytes]:
    """Bytes of which a header that matches has at least one; none where nothing can be said."""
    if key.vr not in _VERBATIM_VRS:
        return []
    match key.match:
        case SingleValue(value=value):
            texts = [value]
        case ValueList(values=values) | UIDList(values=values):
            texts = list(values)
        case AllValues(values=(value, *_)):
            texts = [value]
        case Wildcard(pattern=pattern):
            texts = [max(re.split(r"[*?]", pattern), key=len)]
        case _:
            return []
    is_quick = len(texts) <= NEEDLES_MAX and all(map(_VERBATIM.fullmatch, texts))
    return [text.encode() for text in texts] if is_quick else []
