"""The Modality Performed Procedure Step service as SCP: N-CREATE, N-SET, and N-GET to read back.

Source: PS3.4 F.7 (Modality Performed Procedure Step), F.8 (… Retrieve).
"""

from collections.abc import Callable
from functools import partial

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.statuses import Status
from ingestion.dimse.protocol.commands import CommandField, Request
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.protocol.supported_services import (
    PROCEDURE_STEP_RETRIEVE_SOP_CLASS_UID,
    PROCEDURE_STEP_SOP_CLASS_UID,
)
from ingestion.dimse.services.normalized_operations import Serve, Served, begin_normalized
from ingestion.dimse.services.operations import AnsweredOperation, Desk, Operation
from ingestion.use_cases.record_procedure_steps import change_step, create_step, read_step


def begin_procedure_step(request: Request, context: AnsweredContext, desk: Desk) -> Operation:
    """Keep, change or tell a step of the called AE's space. Raises nothing: refuses by answer."""
    serve = _SERVED.get((context.abstract_syntax, request.command_field))
    if serve is None:
        return AnsweredOperation(request, Status.UNRECOGNIZED_OPERATION)
    bound: Serve = partial(serve, request=request, desk=desk)
    return begin_normalized(request, context, bound)


def _create(data_set: JsonDataSet, *, request: Request, desk: Desk) -> Served:
    space = desk.conversation.storage_space
    uid = create_step(space, data_set, sop_instance_uid=request.sop_instance_uid)
    return Served(sop_instance_uid=uid)


def _set(data_set: JsonDataSet, *, request: Request, desk: Desk) -> Served:
    change_step(desk.conversation.storage_space, request.sop_instance_uid, data_set)
    return Served()


def _get(_data_set: JsonDataSet, *, request: Request, desk: Desk) -> Served:
    """What is asked for and not there is left out."""
    tags = [f"{group:04X}{element:04X}" for group, element in request.attribute_identifiers]
    space = desk.conversation.storage_space
    return Served(data_set=read_step(space, request.sop_instance_uid, tags=tags))


_SERVED: dict[tuple[str, int], Callable[..., Served]] = {
    (PROCEDURE_STEP_SOP_CLASS_UID, CommandField.N_CREATE_RQ): _create,
    (PROCEDURE_STEP_SOP_CLASS_UID, CommandField.N_SET_RQ): _set,
    (PROCEDURE_STEP_RETRIEVE_SOP_CLASS_UID, CommandField.N_GET_RQ): _get,
}
