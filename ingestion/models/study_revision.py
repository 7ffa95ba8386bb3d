"""Revisions: the n-th settled state of a study, with what changed since the one before."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ingestion.models.columns import uid_column
from ingestion.models.manifest import Study


class StudyRevision(models.Model):
    """Append-only. Numbers start at 0 and have no gaps."""

    study = models.ForeignKey(
        Study, on_delete=models.CASCADE, related_name="revisions", db_index=False
    )
    number = models.PositiveIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    additions = ArrayField(models.CharField(max_length=129), db_default=[])
    modifications = ArrayField(models.CharField(max_length=129), db_default=[])
    deletions = ArrayField(models.CharField(max_length=129), db_default=[])
    snapshot = models.BinaryField(
        help_text="The whole study at this revision: zstd-compressed JSON of StudyRevisionEvent."
    )

    class Meta:
        ordering = ("study", "-number")
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="study_revision_number"),
        ]

    def __str__(self) -> str:
        return f"{self.study.study_instance_uid} revision {self.number}"


class ChangeKind(models.TextChoices):
    """What happened to an instance."""

    ADDITION = "addition", "Addition"
    MODIFICATION = "modification", "Modification"
    DELETION = "deletion", "Deletion"


class InstanceChange(models.Model):
    """One change of one instance; it belongs to exactly one revision once that is made."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, db_index=False)
    series_instance_uid = uid_column()
    sop_instance_uid = uid_column()
    kind = models.CharField(max_length=12, choices=ChangeKind)
    changed_at = models.DateTimeField(db_default=Now())
    revision = models.ForeignKey(
        StudyRevision, on_delete=models.CASCADE, null=True, db_index=False, related_name="changes"
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["study", "id"],
                name="instance_change_unrevised",
                condition=Q(revision__isnull=True),
            ),
            models.Index(fields=["revision"], name="instance_change_revision"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.sop_instance_uid}"
