"""Tells peers what became of the storage commitments that they asked for.

On the association of the request where that is wished and still there, else on one of our own.
Source: PS3.4 J.3.3; PS3.7 10.1.1 (N-EVENT-REPORT), D.3.3.4 (roles).
"""

from functools import partial

import structlog

from ingestion.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from ingestion.dimse.database_use import database_turn
from ingestion.dimse.journal.association_log import record_at_once
from ingestion.dimse.protocol.association_proposal import Proposal
from ingestion.dimse.protocol.commands import CommandField, Response, encode_request
from ingestion.dimse.protocol.identifiers import encode_identifier
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.protocol.upper_layer import AssociationEnded, NotAssociated
from ingestion.dimse.requestor.requesting import associate, destination_of
from ingestion.dimse.services.operations import Link, Message
from ingestion.domain.commitment_information import (
    PUSH_MODEL_SOP_CLASS,
    PUSH_MODEL_SOP_INSTANCE,
    EventInformation,
    write_event,
)
from ingestion.errors import IngestionError
from ingestion.use_cases.commit_to_storage import judge_commitment
from ingestion.use_cases.report_commitments import (
    OwedReport,
    claim_report,
    hand_report_on,
    put_off_reports,
    record_not_reported,
    record_reported,
    report_destination,
)

log = structlog.get_logger(__name__)

TRANSFER_SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
_WARNINGS = frozenset({0x0001, 0x0107, 0x0116})  # PS3.7 C.4: done nevertheless


def report_here(
    link: Link, *, commitment_id: int, context: AnsweredContext, retrieve_ae_title: str
) -> None:
    """Judge a commitment and report it on the association of its request, if the peer listens.

    Else it is handed on to a worker, as it is when the peer leaves without an answer.
    """
    try:
        event = judge_commitment(commitment_id, use_database=database_turn)
    except IngestionError as error:
        log.warning("storage commitment not judged", code=error.code, reason=str(error))
        return  # it stays due: a worker comes back to it
    settle = partial(_settle, commitment_id)
    message = partial(_report, event, context, retrieve_ae_title=retrieve_ae_title)
    link.notify(message, settle)


def report_next_commitment() -> int:
    """Report what is due longest on an association of ours. 0: nothing is due.

    Whatever fails is due again later.
    """
    owed = claim_report()
    if owed is None:
        return 0
    try:
        event = judge_commitment(owed.commitment_id)
        response = _tell(owed, event)
    except IngestionError as error:
        record_not_reported(owed.commitment_id, str(error))
        if isinstance(error, NotAssociated):  # once is enough for a peer that is away
            put_off_reports(owed.requesting_ae_title)
    else:
        _record(owed.commitment_id, response)
    return 1


def _tell(owed: OwedReport, event: EventInformation) -> Response:
    """What the peer answers. Raises `Misconfigured`, `AssociationEnded`."""
    destination = destination_of(report_destination(owed.requesting_ae_title))
    proposal = Proposal(PUSH_MODEL_SOP_CLASS, TRANSFER_SYNTAXES, as_scp=True)
    with associate(
        destination,
        calling_ae_title=owed.called_ae_title,
        proposals=[proposal],
        record=record_at_once,
    ) as association:
        # Peers that answer no role mean it nevertheless: what else would we call them for?
        context = association.context_for(PUSH_MODEL_SOP_CLASS)
        if context is None:
            raise AssociationEnded("the peer does not accept Storage Commitment")
        message_id = association.next_message_id()
        message = _report(event, context, message_id, retrieve_ae_title=owed.called_ae_title)
        association.send(
            message.command_set, context_id=context.context_id, data_set=message.data_set
        )
        return association.receive_response(message_id).command


def _report(
    event: EventInformation, context: AnsweredContext, message_id: int, *, retrieve_ae_title: str
) -> Message:
    """The N-EVENT-REPORT-RQ with its data set."""
    data_set = write_event(event, retrieve_ae_title=retrieve_ae_title)
    command_set = encode_request(
        CommandField.N_EVENT_REPORT_RQ,
        message_id=message_id,
        sop_class_uid=PUSH_MODEL_SOP_CLASS,
        sop_instance_uid=PUSH_MODEL_SOP_INSTANCE,
        has_data_set=True,
        event_type_id=event.event_type,
    )
    encoded = encode_identifier(data_set, context.transfer_syntax)
    return Message(command_set, (encoded,), context.context_id)


def _settle(commitment_id: int, response: Response | None) -> None:
    """The report on the association of the request was answered; None: it will not be."""
    try:
        with database_turn():
            if response is None:
                hand_report_on(commitment_id)
            else:
                _record(commitment_id, response)
    except IngestionError as error:  # the row stays due, and a report more does no harm
        log.warning("storage commitment stays due", code=error.code, reason=str(error))


def _record(commitment_id: int, response: Response) -> None:
    status = response.status
    if status == 0 or status in _WARNINGS or status >> 12 == 0xB:
        record_reported(commitment_id)
    else:
        problem = f"the peer answered {status:04X} {response.error_comment}"
        record_not_reported(commitment_id, problem.rstrip())
