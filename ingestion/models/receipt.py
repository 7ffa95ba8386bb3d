"""Receipts: proof that we took custody of one object from one sender; inbox and ledger."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ingestion.domain.receipt_ids import new_receipt_id
from ingestion.models.columns import (
    InstanceAttributes,
    SeriesAttributes,
    StudyAttributes,
    code_column,
    text_column,
    uid_column,
)
from ingestion.models.storage_space import StorageSpace


class Outcome(models.TextChoices):
    """What became of a received object."""

    PENDING = "pending", "Pending"
    REGISTERED = "registered", "Registered"
    MODIFIED = "modified", "Registered, replaced another version"
    DUPLICATE = "duplicate", "Duplicate of what is held"
    KEPT_FIRST = "kept_first", "Other bytes, the first were kept"
    QUARANTINED = "quarantined", "Quarantined"
    FAILED = "failed", "Failed"


class SenderKind(models.TextChoices):
    """The edge through which an object came."""

    DIMSE = "dimse", "C-STORE"
    STOW = "stow", "STOW-RS"
    FOLDER = "folder", "Folder import"


class HeaderDocument(models.Model):
    """A data set up to Pixel Data as DICOM JSON (PS3.18 F) without bulk data, zstd-compressed.

    Written once with its receipt, whose id it shares; it outlives the receipt.
    """

    id = models.UUIDField(primary_key=True)
    body = models.BinaryField()


class Receipt(StudyAttributes, SeriesAttributes, InstanceAttributes):
    """One received object. Nothing is acknowledged before its receipt is committed."""

    id = models.UUIDField(primary_key=True, default=new_receipt_id)
    storage_space = models.ForeignKey(StorageSpace, on_delete=models.PROTECT, db_index=False)
    received_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=12, choices=Outcome, db_default=Outcome.PENDING)
    reason = models.CharField(max_length=200, blank=True, db_default="")
    settled_at = models.DateTimeField(null=True, help_text="When the outcome was decided.")
    attempts = models.PositiveIntegerField(db_default=0)
    next_attempt_at = models.DateTimeField(null=True)

    sender_kind = models.CharField(max_length=8, choices=SenderKind)
    calling_ae_title = code_column(16)
    called_ae_title = code_column(16)
    principal = text_column(100)
    peer_address = code_column(64)
    conversation_id = code_column(64, help_text="Id of the association or request.")

    study_instance_uid = uid_column()
    series_instance_uid = uid_column()
    sop_instance_uid = uid_column()
    document = models.ForeignKey(
        HeaderDocument, on_delete=models.SET_NULL, null=True, db_index=False, db_constraint=False
    )  # no constraint: documents of superseded objects leave without a scan of all receipts

    class Meta:
        indexes = [
            models.Index(
                fields=["id"],
                name="receipt_pending_in_order",
                condition=Q(outcome="pending"),
            ),
            models.Index(
                fields=["-id"],
                name="receipt_troubled",
                condition=Q(outcome__in=["quarantined", "failed", "kept_first"]),
            ),
            models.Index(fields=["sop_instance_uid"], name="receipt_sop_instance"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=Outcome.values), name="receipt_outcome_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sop_instance_uid} ({self.outcome})"
