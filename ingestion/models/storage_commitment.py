"""Storage commitments: those that peers ask of us, and those that we ask of peers.

Source: PS3.4 Annex J (Storage Commitment Push Model).
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ingestion.models.application_entity import RemoteApplicationEntity
from ingestion.models.columns import code_column, text_column, uid_column
from ingestion.models.storage_space import StorageSpace


class CommitmentState(models.TextChoices):
    """How far a transaction is."""

    PENDING = "pending", "Pending"
    REPORTED = "reported", "Reported"
    GIVEN_UP = "given_up", "Given up"


class StorageCommitment(models.Model):
    """What a peer asked us to commit ourselves to, and whether it has been told.

    `referenced` lists [SOP Class UID, SOP Instance UID]; `failed` the same with the failure
    reason (PS3.3 C.14.1.1) as third, once `judged_at` is set.
    """

    storage_space = models.ForeignKey(StorageSpace, on_delete=models.PROTECT, db_index=False)
    transaction_uid = uid_column()
    requesting_ae_title = code_column(16)
    called_ae_title = code_column(16)
    peer_address = code_column(64)
    referenced = models.JSONField()
    failed = models.JSONField(default=list)
    requested_at = models.DateTimeField(db_default=Now())
    judged_at = models.DateTimeField(null=True)
    state = models.CharField(
        max_length=8, choices=CommitmentState, db_default=CommitmentState.PENDING
    )
    attempts = models.PositiveIntegerField(db_default=0)
    next_attempt_at = models.DateTimeField(null=True)
    reported_at = models.DateTimeField(null=True)
    problem = text_column(200, help_text="Why the last report failed.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["storage_space", "requesting_ae_title", "transaction_uid"],
                name="commitment_transaction_unique",
            ),
            models.CheckConstraint(
                condition=Q(state__in=CommitmentState.values), name="commitment_state_is_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], name="commitment_due", condition=Q(state="pending")
            ),
            models.Index(fields=["-requested_at"], name="commitment_latest"),
            models.Index(fields=["transaction_uid"], name="commitment_transaction"),
        ]

    def __str__(self) -> str:
        return self.transaction_uid


class CommitmentRequest(models.Model):
    """What we asked a peer to commit itself to. `failed` is as in `StorageCommitment`."""

    transaction_uid = uid_column(unique=True)
    application_entity = models.ForeignKey(RemoteApplicationEntity, on_delete=models.CASCADE)
    referenced = models.JSONField()
    failed = models.JSONField(default=list)
    requested_at = models.DateTimeField(db_default=Now())
    answered_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["-requested_at"], name="commitment_request_latest")]

    def __str__(self) -> str:
        return self.transaction_uid
