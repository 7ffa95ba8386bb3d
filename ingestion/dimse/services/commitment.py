"""The Storage Commitment Push Model: requests as SCP, and results as SCU.

Source: PS3.4 J.3.2 (N-ACTION), J.3.3 (N-EVENT-REPORT), J.3.5 (the well-known instance).
"""

from functools import partial

from django.conf import settings

from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.statuses import Status
from ingestion.dimse.protocol.commands import Request
from ingestion.dimse.protocol.negotiation import AnsweredContext
from ingestion.dimse.services.commitment_reports import report_here
from ingestion.dimse.services.normalized_operations import Served, begin_normalized
from ingestion.dimse.services.operations import Desk, Operation
from ingestion.domain.commitment_information import (
    PUSH_MODEL_SOP_INSTANCE,
    REQUEST_COMMITMENT,
    EventType,
    read_action,
    read_event,
)
from ingestion.errors import OperationRefused
from ingestion.use_cases.commit_to_storage import CommitmentOrder, accept_commitment
from ingestion.use_cases.request_commitments import record_result


def begin_commitment(request: Request, context: AnsweredContext, desk: Desk) -> Operation:
    """Keep a Storage Commitment Request, answer, then judge and report. Raises nothing."""
    conversation = desk.conversation

    def serve(data_set: JsonDataSet) -> Served:
        _require_well_known(request)
        if request.action_type_id != REQUEST_COMMITMENT:
            raise OperationRefused("the only action is 1", Status.NO_SUCH_ACTION_TYPE)
        references_max = settings.LIMITS.commitment_references_max
        order = CommitmentOrder(
            storage_space=conversation.storage_space,
            requesting_ae_title=conversation.calling_ae_title,
            called_ae_title=conversation.called_ae_title,
            peer_address=conversation.peer_address,
            action=read_action(data_set, references_max=references_max),
        )
        accepted = accept_commitment(order)
        if not accepted.reports_here:
            return Served()
        return Served(
            afterwards=partial(
                report_here,
                commitment_id=accepted.commitment_id,
                context=context,
                retrieve_ae_title=conversation.called_ae_title,
            )
        )

    return begin_normalized(request, context, serve)


def begin_event_report(request: Request, context: AnsweredContext, desk: Desk) -> Operation:
    """Take the result of a commitment that we asked the peer for. Raises nothing."""

    ae_title = desk.conversation.calling_ae_title
    return begin_normalized(
        request, context, partial(take_result, request=request, ae_title=ae_title)
    )


def take_result(data_set: JsonDataSet, *, request: Request, ae_title: str) -> Served:
    """Keep the result that an N-EVENT-REPORT of this peer tells. Raises `OperationRefused`."""
    _require_well_known(request)
    if request.event_type_id not in set(EventType):
        raise OperationRefused("the only events are 1, 2", Status.NO_SUCH_EVENT_TYPE)
    record_result(read_event(data_set), ae_title=ae_title)
    return Served()


def _require_well_known(request: Request) -> None:
    if request.sop_instance_uid != PUSH_MODEL_SOP_INSTANCE:
        raise OperationRefused(
            f"the only SOP Instance is {PUSH_MODEL_SOP_INSTANCE}",
            Status.NO_SUCH_SOP_INSTANCE,
        )
