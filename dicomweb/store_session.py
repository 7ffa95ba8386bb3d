"""Stores the parts of one request: each by itself, their receipts together.

One bad part never fails its neighbours. What is reported as stored is durable and committed.
Source: PS3.18 10.5, Annex I.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import structlog

from dicomweb.media_types import parse_media_type
from dicomweb.multipart import Part
from dicomweb.negotiation import DICOM_FILE
from dicomweb.store_pipeline import REFUSALS, Result, StorePipeline
from ingestion.dicom.statuses import store_failure_reason
from ingestion.errors import (
    IngestionError,
    MalformedDataSet,
    NotDicom,
)
from ingestion.models import Outcome, StorageSpace
from ingestion.use_cases.commit_and_register import commit_and_register
from ingestion.use_cases.store_instance import (
    IncomingInstance,
    Sender,
    StoredInstance,
    receive_file,
)

log = structlog.get_logger(__name__)

SETTLE_TOGETHER = 100

PROCESSING_FAILURE = 0x0110
DUPLICATE_SOP_INSTANCE = 0x0111  # PS3.7 C.5.7; PS3.18 I.2.2 allows codes beyond its own
# Outcomes under which the bytes that were sent are not what is retrieved under their UID.
FAILURE_REASON = {
    Outcome.KEPT_FIRST: DUPLICATE_SOP_INSTANCE,
    Outcome.QUARANTINED: DUPLICATE_SOP_INSTANCE,
    Outcome.FAILED: PROCESSING_FAILURE,
}


@dataclass(frozen=True, slots=True)
class FailedInstance:
    """An instance that was not stored; its UIDs are known."""

    sop_class_uid: str
    sop_instance_uid: str
    reason: int


@dataclass(frozen=True, slots=True)
class StoredReference:
    """An instance that is ours now. Its header is not kept: a request may have many."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str


@dataclass(slots=True)
class StoreReport:
    """What became of the parts. `other_failures` are reasons of parts that name no instance."""

    stored: list[StoredReference] = field(default_factory=list)
    failed: list[FailedInstance] = field(default_factory=list)
    other_failures: list[int] = field(default_factory=list)


class StoreSession:
    """Takes parts one after the other; call `settle` after the last. Leaving it waits for all."""

    def __init__(self, space: StorageSpace, sender: Sender, *, study_instance_uid: str) -> None:
        self.report = StoreReport()
        self._space = space
        self._sender = sender
        self._pipeline = StorePipeline(study_instance_uid)
        self._pending: list[StoredInstance] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pipeline.__exit__(kind, error, traceback)

    def take(self, part: Part) -> None:
        """Receive one part, or note why it cannot be stored.

        Raises `Unavailable` and `NotPermitted`; errors of the body pass through.
        """
        if not _is_dicom(part):
            self._note_refusal(None, NotDicom("the part is of another type than application/dicom"))
            return
        with ExitStack() as stack:
            incoming = stack.enter_context(receive_file(self._space, self._sender))
            for chunk in part.chunks:
                try:
                    incoming.write(chunk)
                except REFUSALS as error:
                    self._note_refusal(incoming, error)
                    return
            stack.pop_all()
        self._note_results(self._pipeline.add(incoming))
        if len(self._pending) >= SETTLE_TOGETHER:
            self._settle_pending()

    def settle(self) -> None:
        """Finish every part that was taken, and acknowledge what can be.

        Raises `Unavailable`: then nothing that is not in the report is acknowledged.
        """
        self._note_results(self._pipeline.finish())
        self._settle_pending()

    def _note_results(self, results: Iterator[Result]) -> None:
        for incoming, result in results:
            if isinstance(result, StoredInstance):
                self._pending.append(result)
            else:
                self._note_refusal(incoming, result)

    def _settle_pending(self) -> None:
        """Commit the receipts of what is durable, register them, note the outcomes."""
        pending, self._pending = self._pending, []
        self._settle(pending)

    def _settle(self, pending: list[StoredInstance]) -> None:
        """One that cannot be recorded fails alone."""
        try:
            outcomes = commit_and_register(pending)
        except MalformedDataSet as error:
            if len(pending) > 1:
                for stored in pending:
                    self._settle([stored])
            else:
                self._note_failure(pending[0], store_failure_reason(error))
            return
        for stored in pending:
            outcome = outcomes[stored.receipt_id]
            if outcome in FAILURE_REASON:
                self._note_failure(stored, FAILURE_REASON[outcome])
            else:
                self.report.stored.append(_reference(stored))

    def _note_failure(self, stored: StoredInstance, reason: int) -> None:
        attributes = stored.attributes
        self.report.failed.append(
            FailedInstance(attributes.sop_class_uid, attributes.sop_instance_uid, reason)
        )

    def _note_refusal(self, incoming: IncomingInstance | None, error: IngestionError) -> None:
        reason = store_failure_reason(error)
        log.info("part refused", code=error.code, detail=str(error))
        meta = incoming.file_meta if incoming is not None else None
        if meta is not None and meta.sop_class_uid and meta.sop_instance_uid:
            failed = FailedInstance(meta.sop_class_uid, meta.sop_instance_uid, reason)
            self.report.failed.append(failed)
        else:
            self.report.other_failures.append(reason)


def _reference(stored: StoredInstance) -> StoredReference:
    attributes = stored.attributes
    return StoredReference(
        attributes.study_instance_uid,
        attributes.series_instance_uid,
        attributes.sop_instance_uid,
        attributes.sop_class_uid,
    )


def _is_dicom(part: Part) -> bool:
    """A part without a type is taken at its word: the request's own type says what it is."""
    encoding = part.headers.get("content-transfer-encoding", "binary").lower()
    if encoding not in ("binary", "8bit", "7bit"):
        return False
    content_type = part.headers.get("content-type", DICOM_FILE.content_type)
    media_type = parse_media_type(content_type)
    return media_type is not None and media_type.name == DICOM_FILE.content_type
