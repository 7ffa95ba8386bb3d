"""Gathers the metadata and the bulk data of a request, and composes instances of them at its end.

Only then is it known what came: parts may stand in any order, and each data set fails alone.
Source: PS3.18 10.5.1.4.
"""

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from django.conf import settings

from dicomweb.multipart import Part
from dicomweb.store_parts import PartKind, PartRole
from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.json_reading import parse_data_set, split_data_sets
from ingestion.dicom.xml_reading import from_xml
from ingestion.errors import IngestionError, InvalidDocument, InvalidInstance, LimitExceeded
from ingestion.models import StorageSpace
from ingestion.use_cases.compose_instance import compose_instance, text_of
from ingestion.use_cases.receive_bulk_data import BulkData
from ingestion.use_cases.store_instance import IncomingInstance, Sender

REFUSALS = (InvalidDocument, InvalidInstance, LimitExceeded)

# A data set takes many times its text in memory; few are large, and those wait for each other.
LARGE_DATA_SET_BYTES = 1 << 20
LARGE_DATA_SETS_AT_ONCE = 2
_large_data_sets = threading.BoundedSemaphore(LARGE_DATA_SETS_AT_ONCE)


@dataclass(frozen=True, slots=True)
class RefusedDataSet:
    """A data set that cannot become an instance; its UIDs are '' where they are not known."""

    error: IngestionError
    sop_class_uid: str = ""
    sop_instance_uid: str = ""


class StoreMetadata:
    """Takes metadata and bulk data. Leaving it removes what was spooled."""

    def __init__(self, space: StorageSpace, sender: Sender, *, base_url: str) -> None:
        """`base_url` is what the locations of bulk data are relative to."""
        self._space = space
        self._sender = sender
        self._base_url = base_url
        self._documents: list[tuple[PartKind, bytes]] = []
        self._documents_bytes = 0
        self._bulk_data: BulkData | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bulk_data is not None:
            self._bulk_data.__exit__(kind, error, traceback)

    def take_document(self, kind: PartKind, part: Part) -> None:
        """Keep a part of metadata. Raises `LimitExceeded`."""
        document = bytearray()
        for chunk in part.chunks:
            self._documents_bytes += len(chunk)
            if self._documents_bytes > settings.LIMITS.metadata_bytes_max:
                limit = settings.LIMITS.metadata_bytes_max
                raise LimitExceeded(f"the metadata exceeds metadata_bytes_max = {limit}")
            document += chunk
        self._documents.append((kind, bytes(document)))

    def take_bulk_data(self, role: PartRole, part: Part) -> LimitExceeded | None:
        """Keep a part of bulk data, or tell why it is not kept.

        Raises `OutOfSpace`; errors of the body pass through.
        """
        bulk_data = self._opened_bulk_data()
        bulk_data.begin()
        for chunk in part.chunks:
            try:
                bulk_data.write(chunk)
            except LimitExceeded as error:
                return error
        syntax = role.media_type.parameters.get("transfer-syntax", "")
        try:
            bulk_data.finish(
                role.location, media_type=role.media_type.name, transfer_syntax_uid=syntax
            )
        except LimitExceeded as error:
            return error
        return None

    def composed(self) -> Iterator[IncomingInstance | RefusedDataSet]:
        """Every data set as an instance on its way in, which the caller owns, or why it is none.

        Raises `InvalidDocument` where an array of data sets breaks off, `Unavailable`.
        """
        documents, self._documents = self._documents, []
        for kind, document in documents:
            for text in split_data_sets(document) if kind is PartKind.JSON else [document]:
                is_large = len(text) > LARGE_DATA_SET_BYTES
                with _large_data_sets if is_large else nullcontext():
                    composed = self._composed(kind, text)
                yield composed

    def unused_parts(self) -> int:
        """How many parts of bulk data no data set refers to."""
        return self._bulk_data.unused() if self._bulk_data is not None else 0

    def _composed(self, kind: PartKind, text: bytes) -> IncomingInstance | RefusedDataSet:
        data_set: JsonDataSet = {}
        try:
            data_set = _parsed(kind, text)
            return compose_instance(
                self._space,
                self._sender,
                data_set=data_set,
                bulk_data=self._opened_bulk_data(),
            )
        except REFUSALS as error:
            uids = text_of(data_set, "00080016"), text_of(data_set, "00080018")
            return (
                RefusedDataSet(error, *uids)
                if all(map(is_valid_uid, uids))
                else (RefusedDataSet(error))
            )

    def _opened_bulk_data(self) -> BulkData:
        if self._bulk_data is None:
            self._bulk_data = BulkData(self._space, self._base_url)
        return self._bulk_data


def _parsed(kind: PartKind, text: bytes) -> JsonDataSet:
    limits = settings.LIMITS
    if len(text) > limits.header_bytes_max:
        raise LimitExceeded(f"a data set exceeds header_bytes_max = {limits.header_bytes_max}")
    parse = parse_data_set if kind is PartKind.JSON else from_xml
    return parse(text, depth_max=limits.sequence_depth_max)
