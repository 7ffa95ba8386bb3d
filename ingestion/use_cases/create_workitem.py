"""Puts a new step on the worklist of a storage space. Source: PS3.4 CC.2.5, PS3.18 11.4."""

import uuid
from dataclasses import dataclass

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from ingestion.dicom.json_model import JsonDataSet
from ingestion.domain import workitem_requirements as attributes
from ingestion.domain.workitem_states import ProcedureStepState, StepStatus
from ingestion.errors import WorkitemRefused
from ingestion.models import StorageSpace, Workitem
from ingestion.use_cases.subscribe_to_workitems import add_standing_subscribers
from ingestion.use_cases.workitem_records import filled

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CreatedWorkitem:
    """A step that is on the worklist now; `is_modified` when we added to it."""

    workitem: Workitem
    is_modified: bool


def create_workitem(
    space: StorageSpace, data_set: JsonDataSet, *, sop_instance_uid: str = ""
) -> CreatedWorkitem:
    """Create a step; without a UID it gets one.

    Raises `InvalidRequest` for attributes that a step cannot have or lacks, and
    `WorkitemRefused` when its state is not SCHEDULED or the space has the UID already.
    """
    now = timezone.now()
    state = attributes.value(data_set, attributes.PROCEDURE_STEP_STATE)
    if state not in ("", ProcedureStepState.SCHEDULED):
        raise WorkitemRefused(
            "a workitem is created SCHEDULED and in no other state",
            StepStatus.NOT_CREATED_SCHEDULED,
        )
    uid = sop_instance_uid or f"2.25.{uuid.uuid4().int}"
    step = attributes.created(data_set, sop_instance_uid=uid, worklist_label=space.slug, now=now)
    workitem = filled(Workitem(storage_space=space, sop_instance_uid=uid), step, now=now)
    try:
        with transaction.atomic():
            add_standing_subscribers(workitem)
    except IntegrityError as error:
        raise WorkitemRefused(
            "the worklist has a workitem with this UID", StepStatus.EXISTS_ALREADY
        ) from error
    log.info("workitem created", workitem=uid, space=space.slug)
    return CreatedWorkitem(workitem, is_modified=not attributes.is_complete(data_set))
