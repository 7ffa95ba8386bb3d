"""The Storage Service Class as SCP: a data set becomes durable, then is acknowledged.

Source: PS3.4 Annex B, PS3.7 9.1.1 and 9.3.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from ingestion.dicom.statuses import Status, c_store_status
from ingestion.dimse.journal.tally import Tally
from ingestion.dimse.protocol.commands import Request, encode_response
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.services.operations import (
    AnsweredOperation,
    Conversation,
    Desk,
    Link,
    Message,
    Operation,
)
from ingestion.errors import IngestionError, MalformedDataSet

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An object that a peer announces."""

    conversation: Conversation
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


class Incoming(Protocol):
    """An object on its way into our custody."""

    def write(self, view: memoryview) -> None:
        """Copy the next bytes of the data set. Raises `IngestionError`."""

    def keep(self) -> None:
        """The object is durable and its receipt committed. Raises `IngestionError`."""

    def discard(self) -> None:
        """Forget what was not kept. A repeat, or a call after `keep`, is fine."""


TakeCustody = Callable[[Arrival], Incoming]


def begin_store(request: Request, context: AnsweredContext, desk: Desk) -> Operation:
    """Take one object; refuses one of another SOP Class than the context's. Raises nothing."""
    if request.sop_class_uid != context.abstract_syntax:
        return AnsweredOperation(request, Status.SOP_CLASS_NOT_SUPPORTED)
    arrival = Arrival(
        conversation=desk.conversation,
        sop_class_uid=request.sop_class_uid,
        sop_instance_uid=request.sop_instance_uid,
        transfer_syntax_uid=context.transfer_syntax,
    )
    return StoreOperation(request, arrival, take_custody=desk.take_custody, tally=desk.tally)


class StoreOperation:
    """One C-STORE: spools the data set as it arrives, answers when it is durable."""

    def __init__(
        self, request: Request, arrival: Arrival, *, take_custody: TakeCustody, tally: Tally
    ) -> None:
        self._request = request
        self._tally = tally
        self._size_bytes = 0
        self._incoming: Incoming | None = None
        self._failure: IngestionError | None = None
        try:
            if not request.has_data_set:
                raise MalformedDataSet("C-STORE-RQ without a data set")
            self._incoming = take_custody(arrival)
        except IngestionError as error:
            self._failure = error

    def write(self, view: memoryview) -> None:
        """Spool a piece; after a failure let it pass."""
        if self._incoming is None:
            return
        self._size_bytes += len(view)
        try:
            self._incoming.write(view)
        except IngestionError as error:
            self._fail(error)

    def answers(self, _link: Link) -> tuple[Message]:
        """C-STORE-RSP: success only for what is durable and receipted."""
        return (Message(self._finish()),)

    def discard(self) -> None:
        """Remove what was spooled."""
        if self._incoming is not None:
            self._incoming.discard()
            self._incoming = None

    def _finish(self) -> bytes:
        if self._incoming is not None:
            try:
                self._incoming.keep()
            except IngestionError as error:
                self._fail(error)
            finally:
                self.discard()
        if self._failure is not None:
            return self._refusal(self._failure)
        self._tally.instances_stored += 1
        self._tally.bytes_stored += self._size_bytes
        return encode_response(self._request, Status.SUCCESS)

    def _fail(self, error: IngestionError) -> None:
        self._failure = error
        self.discard()

    def _refusal(self, error: IngestionError) -> bytes:
        status = c_store_status(error)
        self._tally.instances_refused += 1
        log.warning(
            "instance refused",
            sop_instance_uid=self._request.sop_instance_uid,
            code=error.code,
            reason=str(error),
            status=f"{status:04X}",
        )
        return encode_response(self._request, status, error_comment=str(error))
