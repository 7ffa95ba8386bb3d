"""Workitems: Unified Procedure Steps of a space's worklist, and who is subscribed to them.

Source: PS3.3 B.26 (the information object), PS3.4 CC.2.3 (subscriptions).
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ingestion.models.columns import code_column, text_column, uid_column
from ingestion.models.storage_space import StorageSpace


class WorkitemState(models.TextChoices):
    """PS3.4 Table CC.1.1-1."""

    SCHEDULED = "SCHEDULED", "Scheduled"
    IN_PROGRESS = "IN PROGRESS", "In progress"
    COMPLETED = "COMPLETED", "Completed"
    CANCELED = "CANCELED", "Canceled"


class Workitem(models.Model):
    """One step of one space. Columns repeat what lists and searches select by.

    `transaction_uid` is the lock of whoever performs the step: it is never shown to anyone.
    """

    storage_space = models.ForeignKey(StorageSpace, on_delete=models.PROTECT, db_index=False)
    sop_instance_uid = uid_column()
    procedure_step_state = models.CharField(
        max_length=12, choices=WorkitemState, default=WorkitemState.SCHEDULED
    )
    transaction_uid = code_column(64, editable=False)
    scheduled_procedure_step_priority = code_column(16)
    procedure_step_label = text_column(256)
    worklist_label = text_column(256)
    input_readiness_state = code_column(16)
    patient_id = text_column(256)
    patient_name = text_column(324)
    scheduled_at = models.DateTimeField(
        help_text="Scheduled Procedure Step Start DateTime; without an offset it counts as UTC."
    )
    data_set = models.JSONField(help_text="The whole step as DICOM JSON.")
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["storage_space", "sop_instance_uid"], name="workitem_unique_in_space"
            ),
            models.CheckConstraint(
                condition=Q(procedure_step_state__in=WorkitemState.values),
                name="workitem_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(procedure_step_state="SCHEDULED", transaction_uid="")
                | Q(procedure_step_state="CANCELED")
                | (
                    Q(procedure_step_state__in=["IN PROGRESS", "COMPLETED"])
                    & ~Q(transaction_uid="")
                ),
                name="workitem_is_locked_by_who_performs_it",
            ),
        ]
        indexes = [
            models.Index(
                fields=["storage_space", "procedure_step_state", "scheduled_at", "id"],
                name="workitem_by_schedule",
            ),
            models.Index(fields=["patient_id"], name="workitem_patient_id"),
            models.Index(fields=["sop_instance_uid"], name="workitem_uid"),
        ]

    def __str__(self) -> str:
        return self.sop_instance_uid


class WorklistSubscription(models.Model):
    """An AE title that is subscribed to every step of a space, or to those that match."""

    storage_space = models.ForeignKey(StorageSpace, on_delete=models.CASCADE)
    ae_title = models.CharField(max_length=16, db_collation="C")
    matching_keys = models.TextField(
        blank=True, help_text="Query string of the filter; empty for all steps."
    )
    has_deletion_lock = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["storage_space", "ae_title"], name="worklist_subscription_unique"
            ),
        ]

    def __str__(self) -> str:
        return self.ae_title


class WorkitemSubscription(models.Model):
    """An AE title that is subscribed to one step."""

    workitem = models.ForeignKey(Workitem, on_delete=models.CASCADE, related_name="subscriptions")
    ae_title = models.CharField(max_length=16, db_collation="C")
    has_deletion_lock = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workitem", "ae_title"], name="workitem_subscription_unique"
            ),
        ]
        indexes = [models.Index(fields=["ae_title"], name="workitem_subscriber")]

    def __str__(self) -> str:
        return self.ae_title
