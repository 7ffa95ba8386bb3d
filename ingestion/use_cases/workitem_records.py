"""Workitems as rows: found in the spaces that may be seen, locked, written with their columns."""

from datetime import datetime

import orjson
from django.conf import settings
from django.db.models import QuerySet

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.json_model import JsonDataSet
from ingestion.domain import workitem_requirements as attributes
from ingestion.domain.workitem_requirements import value
from ingestion.domain.workitem_states import ProcedureStepState
from ingestion.errors import HeldInSeveralSpaces, LimitExceeded, NotFound
from ingestion.models import Workitem
from ingestion.use_cases.search_manifest import Scope

_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def find_workitem(scope: Scope, sop_instance_uid: str) -> Workitem:
    """The workitem, of the first space that has it. Raises `NotFound`."""
    found = _candidates(scope, sop_instance_uid).first()
    if found is None:
        raise _not_found()
    return found


def locked_workitem(scope: Scope, sop_instance_uid: str) -> Workitem:
    """The workitem, which nobody else changes until the transaction ends.

    Raises `NotFound`, and `HeldInSeveralSpaces` when the request must name a space.
    """
    found = list(_candidates(scope, sop_instance_uid).select_for_update()[:2])
    if not found:
        raise _not_found()
    if len(found) > 1:
        raise HeldInSeveralSpaces("several storage spaces have this workitem: name one in the path")
    return found[0]


def filled(workitem: Workitem, data_set: JsonDataSet, *, now: datetime) -> Workitem:
    """The workitem with this data set, and columns that say the same. Raises `LimitExceeded`."""
    size_max = settings.LIMITS.workitem_bytes_max
    if len(orjson.dumps(data_set)) > size_max:
        raise LimitExceeded(f"the workitem is larger than workitem_bytes_max = {size_max}")
    workitem.data_set = data_set
    workitem.procedure_step_state = value(data_set, attributes.PROCEDURE_STEP_STATE)
    workitem.scheduled_procedure_step_priority = value(data_set, attributes.PRIORITY)[:16]
    workitem.procedure_step_label = value(data_set, attributes.PROCEDURE_STEP_LABEL)[:256]
    workitem.worklist_label = value(data_set, attributes.WORKLIST_LABEL)[:256]
    workitem.input_readiness_state = value(data_set, attributes.INPUT_READINESS_STATE)[:16]
    workitem.patient_id = value(data_set, attributes.PATIENT_ID)[:256]
    workitem.patient_name = _name(data_set)[:324]
    workitem.scheduled_at = attributes.scheduled_at(data_set)
    workitem.changed_at = now
    return workitem


def state_of(workitem: Workitem) -> ProcedureStepState:
    """The state as the Standard's tables know it."""
    return ProcedureStepState(workitem.procedure_step_state)


def _candidates(scope: Scope, sop_instance_uid: str) -> "QuerySet[Workitem]":
    if not is_valid_uid(sop_instance_uid):
        raise _not_found()
    return Workitem.objects.filter(
        storage_space_id__in=scope.space_ids, sop_instance_uid=sop_instance_uid
    ).order_by("pk")


def _not_found() -> NotFound:
    return NotFound("there is no such workitem")


def _name(data_set: JsonDataSet) -> str:
    names = attributes.items(data_set, attributes.PATIENT_NAME)
    if not names or not names[0]:
        return ""
    return "=".join(names[0].get(group, "") for group in _NAME_GROUPS).rstrip("=")
