"""Performed procedure steps that modalities report, and what they let expect of studies.

Source: PS3.4 Annex F (Modality Performed Procedure Step), Annex R (Instance Availability).
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ingestion.models.columns import code_column, text_column, uid_column
from ingestion.models.storage_space import StorageSpace


class ProcedureStepStatus(models.TextChoices):
    """PS3.3 C.4.14, Performed Procedure Step Status."""

    IN_PROGRESS = "IN PROGRESS", "In progress"
    COMPLETED = "COMPLETED", "Completed"
    DISCONTINUED = "DISCONTINUED", "Discontinued"


class PerformedProcedureStep(models.Model):
    """One step as its modality reports it. Columns repeat what lists and searches select by."""

    storage_space = models.ForeignKey(StorageSpace, on_delete=models.PROTECT, db_index=False)
    sop_instance_uid = uid_column()
    status = models.CharField(max_length=12, choices=ProcedureStepStatus)
    modality_ae_title = code_column(16)
    modality = code_column(16)
    performed_procedure_step_id = code_column(64)
    patient_id = text_column(256)
    patient_name = text_column(324)
    study_instance_uids = ArrayField(uid_column(), default=list)
    started_on = code_column(8)
    data_set = models.JSONField(help_text="The whole step as DICOM JSON.")
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["storage_space", "sop_instance_uid"], name="procedure_step_unique_in_space"
            ),
            models.CheckConstraint(
                condition=Q(status__in=ProcedureStepStatus.values),
                name="procedure_step_status_is_known",
            ),
        ]
        indexes = [
            models.Index(fields=["-changed_at"], name="procedure_step_latest"),
            models.Index(fields=["sop_instance_uid"], name="procedure_step_uid"),
            models.Index(fields=["patient_id"], name="procedure_step_patient_id"),
            GinIndex(fields=["study_instance_uids"], name="procedure_step_studies"),
        ]

    def __str__(self) -> str:
        return self.sop_instance_uid


class HintSource(models.TextChoices):
    """Who told that a study is complete."""

    PROCEDURE_STEP = "procedure_step", "Performed procedure step"
    AVAILABILITY = "availability", "Instance availability notification"


class CompletenessHint(models.Model):
    """Somebody told which instances a study consists of: once they are here, it is complete."""

    storage_space = models.ForeignKey(StorageSpace, on_delete=models.CASCADE, db_index=False)
    study_instance_uid = uid_column()
    source = models.CharField(max_length=16, choices=HintSource)
    source_uid = uid_column(help_text="SOP Instance UID of the step or the notification.")
    sop_instance_uids = ArrayField(uid_column())
    told_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    fulfilled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["storage_space", "source_uid", "study_instance_uid"],
                name="hint_unique_in_source",
            ),
            models.CheckConstraint(
                condition=Q(source__in=HintSource.values), name="hint_source_is_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["storage_space", "study_instance_uid"],
                name="hint_unfulfilled",
                condition=Q(fulfilled_at__isnull=True),
            ),
            models.Index(fields=["expires_at"], name="hint_expires"),
        ]

    def __str__(self) -> str:
        return f"{self.study_instance_uid} ({self.get_source_display()})"
