"""Changes a step: its attributes, its state, or its end on request.

Each change locks the step's row, so that of two who want the same one comes first.
Source: PS3.4 CC.1.1, CC.2.1 (change state), CC.2.2 (request cancel), CC.2.6 (set attributes).
"""

import structlog
from django.db import transaction
from django.utils import timezone

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.json_model import JsonDataSet
from ingestion.domain import workitem_requirements as attributes
from ingestion.domain.workitem_states import (
    ProcedureStepState,
    StepRequest,
    StepStatus,
    change_request,
    outcome,
    update_refusal,
)
from ingestion.errors import InvalidRequest, WorkitemRefused
from ingestion.models import Workitem
from ingestion.use_cases.search_manifest import Scope
from ingestion.use_cases.workitem_records import filled, locked_workitem, state_of

log = structlog.get_logger(__name__)

_REASONS: dict[StepStatus, str] = {
    StepStatus.FINAL: "the workitem is COMPLETED or CANCELED and may no longer be changed",
    StepStatus.ALREADY_IN_PROGRESS: "the workitem is already IN PROGRESS",
    StepStatus.SCHEDULED_ONLY_WHEN_CREATED: "a workitem becomes SCHEDULED only when it is created",
    StepStatus.NOT_IN_PROGRESS: "the workitem is not IN PROGRESS",
    StepStatus.CANCELLATION_COMPLETED: "the workitem is already COMPLETED",
    StepStatus.PERFORMER_OUT_OF_REACH: "the workitem is IN PROGRESS, and nothing here reaches"
    " whoever performs it",
}
_WARNINGS = frozenset((StepStatus.ALREADY_CANCELED, StepStatus.ALREADY_COMPLETED))


def update_workitem(
    scope: Scope, sop_instance_uid: str, *, changes: JsonDataSet, transaction_uid: str
) -> Workitem:
    """Set attributes of a step. Asking again changes nothing but the time of the change.

    Raises `NotFound`, `WorkitemRefused`, `InvalidRequest`, `LimitExceeded`.
    """
    now = timezone.now()
    with transaction.atomic():
        workitem = locked_workitem(scope, sop_instance_uid)
        lock = workitem.transaction_uid
        refusal = update_refusal(state_of(workitem), given=transaction_uid, lock=lock)
        if refusal is not None:
            raise _refused(refusal, given=transaction_uid)
        step = attributes.updated(workitem.data_set, changes, now=now)
        filled(workitem, step, now=now).save()
    return workitem


def change_workitem_state(
    scope: Scope, sop_instance_uid: str, *, wanted: ProcedureStepState, transaction_uid: str
) -> StepStatus | None:
    """Claim, complete or cancel a step; a status tells that it is in that state already.

    Raises `NotFound`, `WorkitemRefused`, and `InvalidRequest` for a lock that is no UID.
    """
    if transaction_uid and not is_valid_uid(transaction_uid):
        raise InvalidRequest("TransactionUID must be a UID")
    with transaction.atomic():
        workitem = locked_workitem(scope, sop_instance_uid)
        lock, state = workitem.transaction_uid, state_of(workitem)
        request = change_request(wanted, state, given=transaction_uid, lock=lock)
        result = outcome(request, state)
        if isinstance(result, StepStatus):
            return _warning(result, given=transaction_uid)
        workitem.transaction_uid = transaction_uid
        _go(workitem, result, reasons={})
    return None


def request_cancellation(
    scope: Scope, sop_instance_uid: str, *, reasons: JsonDataSet
) -> StepStatus | None:
    """Cancel a step that nobody has claimed; a status tells that it is canceled already.

    `reasons` may hold what PS3.4 Table CC.2.2-1 lists. Raises `NotFound`, `WorkitemRefused`.
    """
    with transaction.atomic():
        workitem = locked_workitem(scope, sop_instance_uid)
        result = outcome(StepRequest.REQUEST_CANCEL, state_of(workitem))
        if isinstance(result, StepStatus):
            return _warning(result, given="")
        _go(workitem, result, reasons=reasons)
    return None


def _go(workitem: Workitem, state: ProcedureStepState, *, reasons: JsonDataSet) -> None:
    """Write the step in its new state, whose requirements it meets. Raises `WorkitemRefused`."""
    now = timezone.now()
    step: JsonDataSet = workitem.data_set
    if state is ProcedureStepState.COMPLETED:
        missing = attributes.missing_for_completion(step)
        if missing:
            raise WorkitemRefused(
                f"a COMPLETED workitem must have {attributes.names(missing)}",
                StepStatus.FINAL_STATE_REQUIREMENTS,
            )
    if state is ProcedureStepState.CANCELED:
        step = attributes.with_cancellation(step, reasons, now=now)
    filled(workitem, attributes.in_state(step, state, now=now), now=now).save()
    log.info("workitem changed", workitem=workitem.sop_instance_uid, state=state.value)


def _warning(status: StepStatus, *, given: str) -> StepStatus:
    """The status, which tells that nothing had to be done. Raises `WorkitemRefused` for others."""
    if status not in _WARNINGS:
        raise _refused(status, given=given)
    return status


def _refused(status: StepStatus, *, given: str) -> WorkitemRefused:
    if status is StepStatus.WRONG_TRANSACTION_UID:
        fault = "incorrect" if given else "missing"
        return WorkitemRefused(f"the Transaction UID is {fault}", status)
    return WorkitemRefused(_REASONS[status], status)
