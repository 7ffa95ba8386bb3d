"""What C-MOVE and C-GET have in common: from the Identifier to the final response.

Source: PS3.4 C.4.2 (C-MOVE), C.4.3 (C-GET); PS3.7 9.1.3 and 9.1.4.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from ingestion.database import watched_waits
from ingestion.dicom.json_model import element
from ingestion.dicom.retrieve_keys import (
    InformationModel,
    KeyNotUsable,
    Retrieval,
    read_retrieve_keys,
)
from ingestion.dicom.statuses import Status
from ingestion.dimse.database_use import database_turn
from ingestion.dimse.protocol.commands import Request, encode_response
from ingestion.dimse.protocol.identifiers import decode_identifier, encode_identifier
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.protocol.upper_layer import AssociationEnded
from ingestion.dimse.services.instance_supply import InstanceSupply
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
from ingestion.dimse.services.retrieval_progress import Progress, RetrieveStatus
from ingestion.errors import IngestionError, NotFound, Unavailable
from ingestion.use_cases.select_instances import Selection, select_instances

log = structlog.get_logger(__name__)

_FAILED_SOP_INSTANCE_UID_LIST = "00080058"

# PS3.4 Annex C.6 and PS3.6 Table A-1: the SOP Classes of C-MOVE and C-GET.
INFORMATION_MODELS = {
    "1.2.840.10008.5.1.4.1.2.1.2": InformationModel.PATIENT_ROOT,
    "1.2.840.10008.5.1.4.1.2.1.3": InformationModel.PATIENT_ROOT,
    "1.2.840.10008.5.1.4.1.2.2.2": InformationModel.STUDY_ROOT,
    "1.2.840.10008.5.1.4.1.2.2.3": InformationModel.STUDY_ROOT,
    "1.2.840.10008.5.1.4.1.2.3.2": InformationModel.PATIENT_STUDY_ONLY,
    "1.2.840.10008.5.1.4.1.2.3.3": InformationModel.PATIENT_STUDY_ONLY,
}


class DestinationUnknown(NotFound):
    """The Move Destination is no application entity that can be called."""

    code = "move-destination-unknown"


# What keeps a retrieval from beginning (PS3.4 Tables C.4-2 and C.4-3); the first that fits.
_REFUSALS: tuple[tuple[type[IngestionError], RetrieveStatus], ...] = (
    (DestinationUnknown, RetrieveStatus.MOVE_DESTINATION_UNKNOWN),
    (KeyNotUsable, RetrieveStatus.IDENTIFIER_DOES_NOT_MATCH),
    (Unavailable, RetrieveStatus.CANNOT_CALCULATE_MATCHES),
    (IngestionError, RetrieveStatus.UNABLE_TO_PROCESS),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A retrieval that is being answered, and with what."""

    request: Request
    context: AnsweredContext
    desk: Desk

    def pending(self, progress: Progress) -> Message:
        """The response that says how far it has come."""
        counts = progress.pending()
        return Message(encode_response(self.request, RetrieveStatus.PENDING, sub_operations=counts))


class Courier(Protocol):
    """How instances reach who asked for them."""

    def prepare(self) -> None:
        """Find what the database must say beforehand. Raises `DestinationUnknown`."""

    def send(self, supply: InstanceSupply, link: Link) -> Generator[Message, None, bool]:
        """Send all, with Pending responses in between; returns true when that was cancelled.

        Only `AssociationEnded` of the link is raised; nothing is under way afterwards.
        """


def begin_retrieval(asked: Asked, courier: Courier) -> Operation:
    """The operation that answers; raises nothing."""
    if asked.request.sop_class_uid != asked.context.abstract_syntax:
        return AnsweredOperation(asked.request, Status.SOP_CLASS_NOT_SUPPORTED)
    return IdentifierOperation(
        asked.request,
        lambda encoded, link: _answers(asked, courier, encoded=encoded, link=link),
        bytes_max=asked.desk.identifier_bytes_max,
        too_large_status=RetrieveStatus.UNABLE_TO_PROCESS,
    )


def _answers(asked: Asked, courier: Courier, *, encoded: bytes, link: Link) -> Generator[Message]:
    look = partial(end_if_cancelled, link)
    try:
        with database_turn(look, peer=asked.desk.conversation.peer), watched_waits(look):
            courier.prepare()
            selection = _selected(asked, encoded)
    except Cancelled:
        yield Message(encode_response(asked.request, RetrieveStatus.CANCELLED))
        return
    except AssociationEnded:
        raise
    except IngestionError as error:
        yield _refusal(asked, error)
        return
    progress = Progress(len(selection))
    supply = InstanceSupply(selection, asked.desk.conversation.storage_space, progress)
    with closing(supply):
        is_cancelled = yield from courier.send(supply, link)
    status = RetrieveStatus.CANCELLED if is_cancelled else progress.final_status()
    _log_end(asked, status, progress)
    yield _final(asked, status, progress)


def _selected(asked: Asked, encoded: bytes) -> Selection:
    conversation = asked.desk.conversation
    sop_class_uid = asked.context.abstract_syntax
    # PS3.4 C.5.2.1: the first byte is relational-retrieval.
    is_relational = conversation.extended.get(sop_class_uid, b"")[:1] == b"\x01"
    keys = read_retrieve_keys(
        decode_identifier(encoded, asked.context.transfer_syntax),
        INFORMATION_MODELS[sop_class_uid],
        Retrieval.RELATIONAL if is_relational else Retrieval.HIERARCHICAL,
    )
    return select_instances(keys, conversation.storage_space)


def _refusal(asked: Asked, error: IngestionError) -> Message:
    status = next(status for kind, status in _REFUSALS if isinstance(error, kind))
    log.warning(
        "retrieval refused", code=error.code, reason=str(error), status=f"{status.value:04X}"
    )
    tags = [divmod(error.tag, 1 << 16)] if isinstance(error, KeyNotUsable) else []
    return Message(
        encode_response(asked.request, status, error_comment=str(error), offending_elements=tags)
    )


def _final(asked: Asked, status: RetrieveStatus, progress: Progress) -> Message:
    """The last response, and which instances failed (PS3.4 C.4.2.1.4.2)."""
    is_cancelled = status is RetrieveStatus.CANCELLED
    failed_uids = progress.failed_uids
    identifier = b""
    if failed_uids:
        failed = {_FAILED_SOP_INSTANCE_UID_LIST: element("UI", *failed_uids)}
        identifier = encode_identifier(failed, asked.context.transfer_syntax)
    command_set = encode_response(
        asked.request,
        status,
        error_comment=progress.last_failure,
        has_data_set=bool(identifier),
        sub_operations=progress.pending() if is_cancelled else progress.final(),
    )
    return Message(command_set, (identifier,) if identifier else ())


def _log_end(asked: Asked, status: RetrieveStatus, progress: Progress) -> None:
    counts = progress.final()
    is_complete = status is RetrieveStatus.SUCCESS
    (log.info if is_complete else log.warning)(
        "retrieval ended",
        status=f"{status.value:04X}",
        move_destination=asked.request.move_destination,
        completed=counts.completed,
        failed=counts.failed,
        warning=counts.warning,
        reason=progress.last_failure,
    )
