"""Keeps the procedure steps that modalities report, by the rules of their states.

Each change locks the step's row. Source: PS3.4 F.7.2 (N-CREATE, N-SET), F.8.2 (N-GET).
"""

from collections.abc import Collection

import structlog
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.statuses import Status
from ingestion.domain import procedure_step_rules as rules
from ingestion.domain.created_instances import created_instance_uid
from ingestion.domain.workitem_requirements import items, value
from ingestion.errors import OperationRefused
from ingestion.models import (
    HintSource,
    PerformedProcedureStep,
    ProcedureStepStatus,
    StorageSpace,
)
from ingestion.use_cases.hint_completeness import expect_instances

log = structlog.get_logger(__name__)

_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


def create_step(space: StorageSpace, data_set: JsonDataSet, *, sop_instance_uid: str = "") -> str:
    """Keep a step that began; without a UID it gets one, which is returned.

    Raises `OperationRefused` (0106, 0111, 0117, 0120, 0121).
    """
    uid = created_instance_uid(sop_instance_uid)
    row = PerformedProcedureStep(storage_space=space, sop_instance_uid=uid)
    _fill(row, rules.created_step(data_set))
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise OperationRefused(
            "a step with this UID exists", Status.DUPLICATE_SOP_INSTANCE
        ) from error
    log.info("procedure step created", sop_instance_uid=uid)
    return uid


def change_step(space: StorageSpace, sop_instance_uid: str, changes: JsonDataSet) -> None:
    """Set attributes of a step in progress. A completed one tells what its study consists of.

    Raises `OperationRefused` (0106, 0110, 0112, 0120, 0121).
    """
    with transaction.atomic():
        row = _steps(space, sop_instance_uid).select_for_update().first()
        if row is None:
            raise _unknown()
        _fill(row, rules.changed_step(row.data_set, changes))
        row.save()
        if row.status == ProcedureStepStatus.COMPLETED:
            _hint(row)
    log.info("procedure step changed", sop_instance_uid=sop_instance_uid, status=row.status)


def read_step(
    space: StorageSpace, sop_instance_uid: str, *, tags: Collection[str] = ()
) -> JsonDataSet:
    """The step's attributes, of `tags` those that it has; all without any.

    Raises `OperationRefused` (0112).
    """
    row = _steps(space, sop_instance_uid).first()
    if row is None:
        raise _unknown()
    step: JsonDataSet = row.data_set
    return {tag: item for tag, item in step.items() if not tags or tag in tags}


def _hint(row: PerformedProcedureStep) -> None:
    """Let each study of the step wait for all of its instances: it does not say which has which.

    In the order of registration, since studies that are whole are locked.
    """
    for study_instance_uid in sorted(row.study_instance_uids):
        expect_instances(
            row.storage_space,
            study_instance_uid,
            sop_instance_uids=rules.sop_instance_uids(row.data_set),
            source=HintSource.PROCEDURE_STEP,
            source_uid=row.sop_instance_uid,
        )


def _fill(row: PerformedProcedureStep, step: JsonDataSet) -> None:
    """The row with this data set, and columns that say the same."""
    row.data_set = step
    row.status = value(step, rules.STATUS)
    row.modality_ae_title = value(step, rules.PERFORMED_STATION_AE_TITLE)[:16]
    row.modality = value(step, rules.MODALITY)[:16]
    row.performed_procedure_step_id = value(step, rules.STEP_ID)[:64]
    row.patient_id = value(step, rules.PATIENT_ID)[:256]
    row.patient_name = _name(step)[:324]
    row.study_instance_uids = list(rules.study_instance_uids(step))
    row.started_on = value(step, rules.START_DATE)[:8]
    row.changed_at = timezone.now()


def _name(step: JsonDataSet) -> str:
    names = items(step, rules.PATIENT_NAME)
    if not names or not names[0]:
        return ""
    return "=".join(names[0].get(group, "") for group in _NAME_GROUPS).rstrip("=")


def _steps(space: StorageSpace, sop_instance_uid: str) -> "QuerySet[PerformedProcedureStep]":
    if not is_valid_uid(sop_instance_uid):
        raise _unknown()
    return PerformedProcedureStep.objects.filter(
        storage_space=space, sop_instance_uid=sop_instance_uid
    )


def _unknown() -> OperationRefused:
    return OperationRefused("there is no such procedure step", Status.NO_SUCH_SOP_INSTANCE)
