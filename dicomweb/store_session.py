"""Stores the parts of one request: each by itself, their receipts together.

One bad part never fails its neighbours. What is reported as stored is durable and committed.
Source: PS3.18 10.5, Annex I.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self

import structlog

from dicomweb.multipart import Part
from dicomweb.negotiation import DICOM_FILE
from dicomweb.store_metadata import RefusedDataSet, StoreMetadata
from dicomweb.store_parts import PartKind, role_of
from dicomweb.store_pipeline import REFUSALS, Result, StorePipeline
from ingestion.dicom.statuses import store_failure_reason
from ingestion.errors import (
    IngestionError,
    MalformedDataSet,
    MissingBulkData,
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


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something was not stored, as PS3.18 I.2.2 numbers it and in words.

    The UIDs are '' where they are not known.
    """

    reason: int
    text: str
    sop_class_uid: str = ""
    sop_instance_uid: str = ""


# Outcomes under which the bytes that were sent are not what is retrieved under their UID.
FAILURES = {
    Outcome.KEPT_FIRST: Failure(
        DUPLICATE_SOP_INSTANCE, "other bytes are held under this UID, and the space keeps the first"
    ),
    Outcome.QUARANTINED: Failure(
        DUPLICATE_SOP_INSTANCE,
        "the UID is held with other bytes, or in another study or series; these are in quarantine",
    ),
    Outcome.FAILED: Failure(PROCESSING_FAILURE, "the object is kept but could not be registered"),
}


@dataclass(frozen=True, slots=True)
class StoredReference:
    """An instance that is ours now. Its header is not kept: a request may have many."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str


@dataclass(slots=True)
class StoreReport:
    """What became of the parts. `other_failures` are those of parts that name no instance."""

    stored: list[StoredReference] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    other_failures: list[Failure] = field(default_factory=list)


class StoreSession:
    """Takes parts one after the other; call `settle` after the last. Leaving it waits for all.

    `compose` comes before it, when the body was read to its end.
    """

    def __init__(
        self,
        space: StorageSpace,
        sender: Sender,
        *,
        study_instance_uid: str,
        base_url: str,
        default_type: str = DICOM_FILE.content_type,
    ) -> None:
        """`default_type` is the type of parts that have none."""
        self.report = StoreReport()
        self._space = space
        self._sender = sender
        self._default_type = default_type
        self._metadata = StoreMetadata(space, sender, base_url=base_url)
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
        self._metadata.__exit__(kind, error, traceback)

    def take(self, part: Part) -> None:
        """Receive one part, or note why it cannot be stored.

        Raises `Unavailable` and `NotPermitted`; errors of the body pass through.
        """
        role = role_of(part, default_type=self._default_type)
        if role.kind is PartKind.FILE:
            self._take_file(part)
        elif role.kind in (PartKind.JSON, PartKind.XML):
            self._metadata.take_document(role.kind, part)
        elif role.kind is PartKind.BULK_DATA:
            refusal = self._metadata.take_bulk_data(role, part)
            if refusal is not None:
                self._note_refusal(None, refusal)
        else:
            self._note_refusal(None, NotDicom("the part is neither DICOM nor has it a location"))

    def compose(self) -> None:
        """Store the instances that metadata and bulk data make; each that cannot be fails alone.

        Raises `InvalidDocument` where metadata breaks off, `Unavailable`, `NotPermitted`.
        """
        for composed in self._metadata.composed():
            if isinstance(composed, RefusedDataSet):
                self._note_refused_data_set(composed)
            else:
                self._add(composed)
        for _ in range(self._metadata.unused_parts()):
            self._note_refusal(None, MissingBulkData("a part is the bulk data of no data set"))

    def _take_file(self, part: Part) -> None:
        with ExitStack() as stack:
            incoming = stack.enter_context(receive_file(self._space, self._sender))
            for chunk in part.chunks:
                try:
                    incoming.write(chunk)
                except REFUSALS as error:
                    self._note_refusal(incoming, error)
                    return
            stack.pop_all()
        self._add(incoming)

    def _add(self, incoming: IncomingInstance) -> None:
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
                failure = Failure(store_failure_reason(error), str(error))
                self._note_failure(pending[0], failure)
            return
        for stored in pending:
            outcome = outcomes[stored.receipt_id]
            if outcome in FAILURES:
                self._note_failure(stored, FAILURES[outcome])
            else:
                self.report.stored.append(_reference(stored))

    def _note_failure(self, stored: StoredInstance, failure: Failure) -> None:
        attributes = stored.attributes
        self.report.failed.append(
            replace(
                failure,
                sop_class_uid=attributes.sop_class_uid,
                sop_instance_uid=attributes.sop_instance_uid,
            )
        )

    def _note_refused_data_set(self, refused: RefusedDataSet) -> None:
        if not refused.sop_instance_uid:
            self._note_refusal(None, refused.error)
            return
        log.info("data set refused", code=refused.error.code, detail=str(refused.error))
        self.report.failed.append(
            Failure(
                store_failure_reason(refused.error),
                str(refused.error),
                refused.sop_class_uid,
                refused.sop_instance_uid,
            )
        )

    def _note_refusal(self, incoming: IncomingInstance | None, error: IngestionError) -> None:
        failure = Failure(store_failure_reason(error), str(error))
        log.info("part refused", code=error.code, detail=failure.text)
        meta = incoming.file_meta if incoming is not None else None
        if meta is not None and meta.sop_class_uid and meta.sop_instance_uid:
            self.report.failed.append(
                replace(
                    failure,
                    sop_class_uid=meta.sop_class_uid,
                    sop_instance_uid=meta.sop_instance_uid,
                )
            )
        else:
            self.report.other_failures.append(failure)


def _reference(stored: StoredInstance) -> StoredReference:
    attributes = stored.attributes
    return StoredReference(
        attributes.study_instance_uid,
        attributes.series_instance_uid,
        attributes.sop_instance_uid,
        attributes.sop_class_uid,
    )
