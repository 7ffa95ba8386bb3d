"""The log of associations: who, when, for what, and how it ended."""

from django.db import models
from django.db.models import Q

from ingestion.models.columns import code_column, text_column
from ingestion.models.storage_space import StorageSpace


class Direction(models.TextChoices):
    """Who asked for the association."""

    ACCEPTED = "accepted", "They called us"
    REQUESTED = "requested", "We called them"


class AssociationRecord(models.Model):
    """One association that is over, or was refused; `repeats` more were like it within a minute.

    `contexts` lists {"sop_class_uid", "transfer_syntax_uid", "result"}, the result as in PS3.8
    Table 9-18; `operations` counts messages by name, as {"C-STORE": 3}.
    """

    association_id = code_column(32)
    direction = models.CharField(max_length=9, choices=Direction)
    storage_space = models.ForeignKey(StorageSpace, on_delete=models.SET_NULL, null=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    peer_address = code_column(64)
    calling_ae_title = code_column(16)
    called_ae_title = code_column(16)
    peer_version = code_column(16)
    is_encrypted = models.BooleanField(default=False)
    user_identity = text_column(100)
    contexts = models.JSONField(default=list)
    operations = models.JSONField(default=dict)
    instances_received = models.PositiveIntegerField(default=0)
    instances_refused = models.PositiveIntegerField(default=0)
    instances_sent = models.PositiveIntegerField(default=0)
    bytes_received = models.PositiveBigIntegerField(default=0)
    bytes_sent = models.PositiveBigIntegerField(default=0)
    outcome = code_column(24)
    reason = text_column(200)
    repeats = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(direction__in=Direction.values),
                name="association_direction_is_known",
            ),
        ]
        indexes = [
            models.Index(fields=["association_id"], name="association_by_id"),
            models.Index(fields=["-ended_at", "-id"], name="association_latest"),
            models.Index(
                fields=["calling_ae_title", "-ended_at"], name="association_by_calling_ae"
            ),
            models.Index(fields=["called_ae_title", "-ended_at"], name="association_by_called_ae"),
            models.Index(
                fields=["-id"], name="association_troubled", condition=~Q(outcome="released")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.calling_ae_title} → {self.called_ae_title}"
