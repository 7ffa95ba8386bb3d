"""What the normalized services share: a small data set in, a rule asked, one response out.

Source: PS3.7 10.1 (N-EVENT-REPORT, N-GET, N-SET, N-ACTION, N-CREATE), C.5 (statuses).
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import structlog
from django.conf import settings

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.statuses import Status, operation_status
from ingestion.dimse.database_use import database_turn
from ingestion.dimse.protocol.commands import Request, encode_response
from ingestion.dimse.protocol.identifiers import decode_identifier, encode_identifier
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.services.operations import (
    AnsweredOperation,
    IdentifierOperation,
    Link,
    Message,
    Operation,
)
from ingestion.errors import IngestionError, OperationRefused

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """What was done. `afterwards` is called once the response is sent."""

    sop_instance_uid: str = ""  # of what was created, if the request had none
    data_set: JsonDataSet | None = None
    afterwards: Callable[[Link], None] | None = None


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """What the peer is answered, and what is done after that."""

    response: Message
    afterwards: Callable[[Link], None] | None = None


# Does what a request asks, with its data set; what it answers to is committed. It has the
# database to itself. Raises `IngestionError`.
Serve = Callable[[JsonDataSet], Served]


def begin_normalized(request: Request, context: AnsweredContext, serve: Serve) -> Operation:
    """The operation that serves a request, or refuses it by the status of what `serve` raises."""
    if request.sop_class_uid != context.abstract_syntax:
        return AnsweredOperation(request, Status.NO_SUCH_SOP_CLASS)

    def answer(encoded: bytes, link: Link) -> Generator[Message]:
        served = serve_encoded(request, context, encoded, serve=serve)
        yield served.response
        if served.afterwards is not None:
            served.afterwards(link)

    return IdentifierOperation(request, answer, bytes_max=settings.LIMITS.report_bytes_max)


def serve_encoded(
    request: Request, context: AnsweredContext, encoded: bytes, *, serve: Serve
) -> ServedRequest:
    """Serve a request with its whole data set. Raises nothing: refuses by the response."""
    try:
        data_set = decode_identifier(encoded, context.transfer_syntax) if encoded else {}
        with database_turn():
            served = serve(data_set)
    except IngestionError as error:
        return ServedRequest(_refusal(request, error))
    return ServedRequest(_response(request, context, served), served.afterwards)


def _response(request: Request, context: AnsweredContext, served: Served) -> Message:
    encoded = b""
    if served.data_set is not None:
        encoded = encode_identifier(served.data_set, context.transfer_syntax)
    command_set = encode_response(
        request,
        Status.SUCCESS,
        has_data_set=bool(encoded),
        sop_instance_uid=served.sop_instance_uid,
        event_type_id=request.event_type_id,
        action_type_id=request.action_type_id,
    )
    return Message(command_set, (encoded,) if encoded else ())


def _refusal(request: Request, error: IngestionError) -> Message:
    status = operation_status(error)
    log.warning(
        "operation refused",
        sop_class_uid=request.sop_class_uid,
        code=error.code,
        reason=str(error),
        status=f"{status:04X}",
    )
    by_rule = error if isinstance(error, OperationRefused) else None
    tags = by_rule.tags if by_rule else ()
    return Message(
        encode_response(
            request,
            status,
            error_comment=str(error),
            error_id=by_rule.error_id if by_rule else None,
            attribute_identifiers=[(int(tag[:4], 16), int(tag[4:], 16)) for tag in tags],
            event_type_id=request.event_type_id,
            action_type_id=request.action_type_id,
        )
    )
