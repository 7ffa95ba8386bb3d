"""The manifest: every study, series and instance that a storage space holds."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ingestion.models.columns import (
    InstanceAttributes,
    SeriesAttributes,
    StudyAttributes,
    uid_column,
)
from ingestion.models.receipt import HeaderDocument
from ingestion.models.storage_space import StorageSpace


class Study(StudyAttributes):
    """A study of one space. Attributes are those of the latest registered instance.

    Counters and sets are kept by registration and deletion, so that a page of studies is
    one query. `settles_at` is the clock of revisions: a column, never a timer.
    """

    storage_space = models.ForeignKey(StorageSpace, on_delete=models.PROTECT, db_index=False)
    study_instance_uid = uid_column()
    modalities = ArrayField(models.CharField(max_length=16), db_default=[])
    sop_classes = ArrayField(models.CharField(max_length=64), db_default=[])
    number_of_series = models.IntegerField(db_default=0)
    number_of_instances = models.IntegerField(db_default=0)
    size_bytes = models.BigIntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())
    changes_since = models.DateTimeField(
        null=True, help_text="When the first change that is in no revision yet was registered."
    )
    settles_at = models.DateTimeField(null=True, help_text="When the next revision is due.")
    latest_revision = models.IntegerField(null=True)
    deleted_at = models.DateTimeField(null=True)
    document = models.ForeignKey(
        HeaderDocument, on_delete=models.SET_NULL, null=True, db_index=False, db_constraint=False
    )  # of the latest registered instance, which outlives it; no scan when documents leave

    class Meta:
        verbose_name_plural = "studies"
        constraints = [
            models.UniqueConstraint(
                fields=["storage_space", "study_instance_uid"], name="study_unique_in_space"
            ),
            models.CheckConstraint(
                condition=Q(number_of_instances__gte=0, number_of_series__gte=0),
                name="study_counters_are_not_negative",
            ),
        ]
        indexes = [
            models.Index(
                fields=["settles_at"], name="study_due", condition=Q(settles_at__isnull=False)
            ),
            models.Index(fields=["study_instance_uid"], name="study_uid"),
            models.Index(
                fields=["storage_space", "-study_date", "-id"],
                name="study_by_date",
                condition=Q(deleted_at__isnull=True),
            ),
            models.Index(  # a page of several spaces
                fields=["-study_date", "-id"],
                name="study_by_date_in_all_spaces",
                condition=Q(deleted_at__isnull=True),
            ),
            models.Index(fields=["patient_id"], name="study_patient_id"),
            models.Index(fields=["accession_number"], name="study_accession_number"),
            GinIndex(fields=["modalities"], name="study_modalities"),
            GinIndex(
                fields=["patient_name_normalized"],
                name="study_patient_name",
                opclasses=["gin_trgm_ops"],
            ),
        ]

    def __str__(self) -> str:
        return self.study_instance_uid


class Series(SeriesAttributes):
    """A series of one study. Attributes are those of the latest registered instance."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, db_index=False)
    series_instance_uid = uid_column()
    number_of_instances = models.IntegerField(db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True)
    document = models.ForeignKey(
        HeaderDocument, on_delete=models.SET_NULL, null=True, db_index=False, db_constraint=False
    )  # as in Study

    class Meta:
        verbose_name_plural = "series"
        constraints = [
            models.UniqueConstraint(
                fields=["study", "series_instance_uid"], name="series_unique_in_study"
            ),
            models.CheckConstraint(
                condition=Q(number_of_instances__gte=0), name="series_counter_is_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["series_instance_uid"], name="series_uid"),
            BrinIndex(fields=["created_at"], name="series_created", autosummarize=True),
            *(
                GinIndex(
                    fields=[column],
                    name=name,
                    opclasses=["gin_trgm_ops"],
                    condition=~Q((column, "")),  # most series have none, and cost nothing
                )
                for column, name in (
                    ("scheduled_procedure_step_ids", "series_scheduled_step"),
                    ("requested_procedure_ids", "series_requested_procedure"),
                )
            ),
        ]

    def __str__(self) -> str:
        return self.series_instance_uid


class Instance(InstanceAttributes):
    """One SOP Instance, unique in its space, and where its current bytes rest."""

    storage_space = models.ForeignKey(StorageSpace, on_delete=models.PROTECT, db_index=False)
    series = models.ForeignKey(Series, on_delete=models.CASCADE)
    sop_instance_uid = uid_column()
    receipt_id = models.UUIDField(
        help_text="Receipt of the current bytes; receipts may be trimmed."
    )
    document = models.ForeignKey(HeaderDocument, on_delete=models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["storage_space", "sop_instance_uid"], name="instance_unique_in_space"
            ),
        ]
        indexes = [BrinIndex(fields=["created_at"], name="instance_created", autosummarize=True)]

    def __str__(self) -> str:
        return self.sop_instance_uid


class RetiredObject(models.Model):
    """Bytes that no instance points at any more: kept until retention ends, then removed."""

    class Reason(models.TextChoices):
        """Why no instance points at them."""

        SUPERSEDED = "superseded", "Superseded by another version"
        KEPT_FIRST = "kept_first", "The first version was kept"
        DUPLICATE = "duplicate", "The same data set rests elsewhere"
        DELETED = "deleted", "Deleted"
        ORPHANED = "orphaned", "No receipt was committed"

    storage_space = models.ForeignKey(StorageSpace, on_delete=models.PROTECT)
    sop_instance_uid = uid_column(db_index=True)
    location = models.TextField()
    size_bytes = models.BigIntegerField()
    data_set_sha256 = models.BinaryField(max_length=32)
    document_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=12, choices=Reason)
    retired_at = models.DateTimeField(db_default=Now())
    removable_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.sop_instance_uid} ({self.reason})"


class AttributeConflict(models.Model):
    """A value observed for an attribute that other instances of the study give otherwise."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="conflicts")
    keyword = models.CharField(max_length=64)
    value = models.CharField(max_length=324, blank=True)
    first_seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["study", "keyword", "value"], name="attribute_conflict_recorded_once"
            )
        ]

    def __str__(self) -> str:
        return self.keyword
