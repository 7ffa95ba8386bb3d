"""The Query/Retrieve Service Class as C-FIND SCP: matches stream to the peer as they are found.

Source: PS3.4 C.4.1 (C-FIND), C.5.1.1 (extended negotiation); PS3.7 9.1.2 and 9.3.2.
"""

import enum
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

import structlog
from django.conf import settings

from ingestion.database import watched_waits
from ingestion.dicom.statuses import Status
from ingestion.dimse.database_use import database_turn
from ingestion.dimse.protocol.commands import Request, encode_response
from ingestion.dimse.protocol.identifiers import decode_identifier
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.services.find_responses import ResponseWriter
from ingestion.dimse.services.operations import (
    AnsweredOperation,
    Cancelled,
    Desk,
    IdentifierOperation,
    Link,
    Message,
    Operation,
    end_if_cancelled,
)
from ingestion.errors import (
    IngestionError,
    InvalidInstance,
    InvalidKey,
    InvalidQuery,
    LimitExceeded,
    Unavailable,
)
from ingestion.use_cases.find_entities import find
from ingestion.use_cases.find_query import FindOption, FindQuery, InformationModel, understand
from ingestion.use_cases.search_query import HeaderLimits, Scope

log = structlog.get_logger(__name__)

CANCEL_LOOK_SECONDS = 0.05

_MODELS = {
    "1.2.840.10008.5.1.4.1.2.1.1": InformationModel.PATIENT_ROOT,
    "1.2.840.10008.5.1.4.1.2.2.1": InformationModel.STUDY_ROOT,
    "1.2.840.10008.5.1.4.1.2.3.1": InformationModel.PATIENT_STUDY_ONLY,
}
# PS3.4 Table C.5-2: the bytes of the service class application information, each 1 for accepted.
_EXTENSIONS = (
    FindOption.RELATIONAL,
    FindOption.COMBINED_TIMES,
    FindOption.FUZZY_NAMES,
    FindOption.TIMEZONE,
    FindOption(0),  # enhanced multi-frame image conversion
    FindOption.EMPTY_VALUES,
    FindOption.MULTIPLE_VALUES,
)


class FindStatus(enum.IntEnum):
    """PS3.4 Table C.4-1, those that are not `Status`."""

    OUT_OF_RESOURCES = 0xA700
    IDENTIFIER_DOES_NOT_MATCH = 0xA900
    UNABLE_TO_PROCESS = 0xC000
    PENDING_WITHOUT_SOME_KEYS = 0xFF01


_STATUSES: tuple[tuple[type[IngestionError], FindStatus], ...] = (
    (InvalidQuery, FindStatus.IDENTIFIER_DOES_NOT_MATCH),
    (InvalidInstance, FindStatus.UNABLE_TO_PROCESS),
    (LimitExceeded, FindStatus.OUT_OF_RESOURCES),
    (Unavailable, FindStatus.OUT_OF_RESOURCES),
)
_FAILURES = tuple(error for error, _ in _STATUSES)


def begin_find(request: Request, context: AnsweredContext, desk: Desk) -> Operation:
    """Answer one query; refuses one of another SOP Class than the context's. Raises nothing."""
    if request.sop_class_uid != context.abstract_syntax:
        return AnsweredOperation(request, Status.SOP_CLASS_NOT_SUPPORTED)
    inquiry = _Inquiry(request, context, desk)
    return IdentifierOperation(
        request,
        inquiry.answer,
        bytes_max=desk.identifier_bytes_max,
        too_large_status=FindStatus.OUT_OF_RESOURCES,
    )


@dataclass(frozen=True, slots=True)
class _Inquiry:
    """One C-FIND and where it came from."""

    request: Request
    context: AnsweredContext
    desk: Desk

    def answer(self, encoded: bytes, link: Link) -> Generator[Message]:
        """A pending response for each match, and the final one."""
        try:
            asked = self._understand(encoded)
            yield from self._matches(asked, link)
        except Cancelled:
            yield Message(encode_response(self.request, Status.CANCEL))
        except _FAILURES as error:
            yield self._failure(error)
        else:
            yield Message(encode_response(self.request, Status.SUCCESS))

    def _understand(self, encoded: bytes) -> FindQuery:
        conversation = self.desk.conversation
        sop_class_uid = self.context.abstract_syntax
        return understand(
            decode_identifier(encoded, self.context.transfer_syntax),
            _MODELS[sop_class_uid],
            options=_options(conversation.extended.get(sop_class_uid, b"")),
            scope=Scope((conversation.storage_space.pk,)),
            header_limits=HeaderLimits(settings.LIMITS.query_documents_max, seconds_max=0),
        )

    def _matches(self, asked: FindQuery, link: Link) -> Generator[Message]:
        """Raises `Cancelled` and what the search raises."""
        writer = ResponseWriter(
            asked,
            self.context.transfer_syntax,
            ae_title=self.desk.conversation.called_ae_title,
        )
        pending = encode_response(
            self.request,
            FindStatus.PENDING_WITHOUT_SOME_KEYS if asked.has_unsupported_keys else Status.PENDING,
            has_data_set=True,
        )
        watch = _CancelWatch(link)
        with (
            database_turn(watch.look, peer=self.desk.conversation.peer),
            watched_waits(watch.look),
            closing(find(asked)) as entities,
        ):
            for found in entities:
                watch.look_if_due()
                if found is not None:
                    yield Message(pending, (writer.write(found),))

    def _failure(self, error: IngestionError) -> Message:
        status = next(status for kind, status in _STATUSES if isinstance(error, kind))
        offending = [divmod(error.tag, 1 << 16)] if isinstance(error, InvalidKey) else []
        log.warning("query refused", code=error.code, reason=str(error), status=f"{status:04X}")
        return Message(
            encode_response(
                self.request, status, error_comment=str(error), offending_elements=offending
            )
        )


class _CancelWatch:
    """Looks whether the query was cancelled: now and then, for each look takes a system call."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._due = 0.0

    def look(self) -> None:
        """Raises `Cancelled`, and `AssociationEnded` when nobody waits for matches any more."""
        end_if_cancelled(self._link)

    def look_if_due(self) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + CANCEL_LOOK_SECONDS
            self.look()


def _options(information: bytes) -> FindOption:
    """What was negotiated; bytes that are not there are 0 (PS3.4 C.5.1.1.2)."""
    found = FindOption(0)
    for option, accepted in zip(_EXTENSIONS, information, strict=False):
        if accepted:
            found |= option
    return found
