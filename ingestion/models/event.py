"""Events: facts waiting to be told, written in the transaction that makes them true."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ingestion.models.columns import code_column, uid_column
from ingestion.models.storage_space import StorageSpace
from ingestion.models.study_revision import StudyRevision


class EventType(models.TextChoices):
    """CloudEvents types: the original's, and in its manner what it does not tell."""

    DICOM_AVAILABLE = "DicomAvailableEvent", "Instance available"
    STUDY_REVISION = "StudyRevisionEvent", "Study revised"
    DICOM_DELETED = "DicomDeletedEvent", "Study, series or instance deleted"


class Event(models.Model):
    """One fact. Columns are what subscriptions select by; `data` is what is told beside them."""

    uuid = models.UUIDField(unique=True, db_default=RandomUUID())
    type = models.CharField(max_length=40, choices=EventType)
    storage_space = models.ForeignKey(StorageSpace, on_delete=models.PROTECT, db_index=False)
    study_instance_uid = uid_column()
    series_instance_uid = code_column(64)
    sop_instance_uid = code_column(64)
    modalities = ArrayField(models.CharField(max_length=16), db_default=[])
    sop_classes = ArrayField(models.CharField(max_length=64), db_default=[])
    calling_ae_title = code_column(16)
    revision = models.ForeignKey(
        StudyRevision, on_delete=models.CASCADE, null=True, blank=True, db_index=False
    )
    data = models.JSONField(
        db_default=models.Value({}, output_field=models.JSONField()),
        help_text="Facts of the instance or of the deletion, as they are told.",
    )
    created_at = models.DateTimeField(db_default=Now())
    fanned_out_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["id"], name="event_waiting", condition=Q(fanned_out_at__isnull=True)
            ),
            models.Index(fields=["study_instance_uid"], name="event_study"),
            models.Index(fields=["created_at"], name="event_created"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.uuid}"
