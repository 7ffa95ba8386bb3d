"""Which operation serves which request, by command field and presentation context.

Source: PS3.4 Annex A (Verification) and B (Storage), PS3.7 Annex C (statuses).
"""

from ingestion.dimse.commands import CommandField, Request, Status
from ingestion.dimse.negotiation import VERIFICATION_SOP_CLASS_UID, AnsweredContext
from ingestion.dimse.operations import AnsweredOperation, Conversation, Operation, Tally
from ingestion.dimse.service_store import Arrival, StoreOperation, TakeCustody


def begin_operation(
    request: Request,
    context: AnsweredContext,
    *,
    conversation: Conversation,
    take_custody: TakeCustody,
    tally: Tally,
) -> Operation:
    """The operation for a request; one that refuses where there is none. Raises nothing."""
    is_verification = context.abstract_syntax == VERIFICATION_SOP_CLASS_UID
    if request.command_field == CommandField.C_ECHO_RQ and is_verification:
        return AnsweredOperation(request, Status.SUCCESS)
    if request.command_field != CommandField.C_STORE_RQ or is_verification:
        return AnsweredOperation(request, Status.UNRECOGNIZED_OPERATION)
    if request.sop_class_uid != context.abstract_syntax:
        return AnsweredOperation(request, Status.SOP_CLASS_NOT_SUPPORTED)
    arrival = Arrival(
        conversation=conversation,
        sop_class_uid=request.sop_class_uid,
        sop_instance_uid=request.sop_instance_uid,
        transfer_syntax_uid=context.transfer_syntax,
    )
    return StoreOperation(request, arrival, take_custody=take_custody, tally=tally)
