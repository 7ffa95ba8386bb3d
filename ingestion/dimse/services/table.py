"""Which operation serves which request, by command field and the service of its context.

Source: PS3.7 Table E.1-1 (command fields), Annex C (statuses); PS3.4 for each service.
"""

from ingestion.dicom.statuses import Status
from ingestion.dimse.protocol.commands import CommandField, Request
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.protocol.supported_services import Service
from ingestion.dimse.services.availability import begin_availability
from ingestion.dimse.services.commitment import begin_commitment, begin_event_report
from ingestion.dimse.services.find import begin_find
from ingestion.dimse.services.get import begin_get
from ingestion.dimse.services.move import begin_move
from ingestion.dimse.services.operations import AnsweredOperation, Begin, Desk, Operation
from ingestion.dimse.services.procedure_step import begin_procedure_step
from ingestion.dimse.services.store import begin_store


def begin_echo(request: Request, _context: AnsweredContext, _desk: Desk) -> Operation:
    """Verification (PS3.4 Annex A)."""
    return AnsweredOperation(request, Status.SUCCESS)


_BEGIN: dict[tuple[int, Service | None], Begin] = {
    (CommandField.C_ECHO_RQ, Service.VERIFICATION): begin_echo,
    (CommandField.C_STORE_RQ, Service.STORE): begin_store,
    (CommandField.C_FIND_RQ, Service.FIND): begin_find,
    (CommandField.C_GET_RQ, Service.GET): begin_get,
    (CommandField.C_MOVE_RQ, Service.MOVE): begin_move,
    (CommandField.N_ACTION_RQ, Service.COMMITMENT): begin_commitment,
    (CommandField.N_EVENT_REPORT_RQ, Service.COMMITMENT): begin_event_report,
    (CommandField.N_CREATE_RQ, Service.PROCEDURE_STEP): begin_procedure_step,
    (CommandField.N_SET_RQ, Service.PROCEDURE_STEP): begin_procedure_step,
    (CommandField.N_GET_RQ, Service.PROCEDURE_STEP): begin_procedure_step,
    (CommandField.N_CREATE_RQ, Service.AVAILABILITY): begin_availability,
}
_NAMES = {
    field.value: field.name.removesuffix("_RQ").replace("_", "-")
    for field in CommandField
    if field.name.endswith("_RQ")
}
# Requests of a SCP to its SCU; all others are those of a SCU.
_OF_SCP = frozenset({CommandField.N_EVENT_REPORT_RQ})


def begin_operation(request: Request, context: AnsweredContext, desk: Desk) -> Operation:
    """The operation for a request; one that refuses where there is none. Raises nothing."""
    desk.tally.operations[_NAMES.get(request.command_field, "unknown")] += 1
    begin = _BEGIN.get((request.command_field, context.service))
    has_role = context.peer_is_scu or request.command_field in _OF_SCP
    if begin is None or not has_role:
        return AnsweredOperation(request, Status.UNRECOGNIZED_OPERATION)
    return begin(request, context, desk)
