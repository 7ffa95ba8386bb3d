"""Storage commitments: whom we owe a report, and what we asked peers for."""

from collections.abc import Sequence

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.expressions import Func
from django.db.models.fields import IntegerField
from django.http import HttpRequest

from ingestion.admin.filters import PeriodFilter
from ingestion.admin.large_tables import (
    ANY_TEXT,
    UID_PREFIX,
    LargeRecordAdmin,
    SearchTerm,
    is_list,
)
from ingestion.admin.linked_rows import ROWS_MAX, RowsTable
from ingestion.admin.unfold_admin import display
from ingestion.domain.commitment_information import FailureReason
from ingestion.errors import NotFound
from ingestion.models import CommitmentRequest, CommitmentState, StorageCommitment
from ingestion.use_cases.commit_to_storage import redrive_commitment

# PS3.3 C.14.1.1.
_REASONS = {
    0x0110: "Processing failure",
    FailureReason.NO_SUCH_OBJECT_INSTANCE: "No such object instance",
    FailureReason.CLASS_INSTANCE_CONFLICT: "Class/Instance conflict",
    0x0122: "Referenced SOP Class not supported",
    0x0131: "Duplicate transaction UID",
    0x0213: "Resource limitation",
}
_LISTS = ("referenced", "failed")  # may hold thousands of references


class RequestedFilter(PeriodFilter):
    """Commitments by when they were asked for."""

    title = "requested"
    column = "requested_at"


class _References(Func):
    """How many references a column holds."""

    function = "jsonb_array_length"
    output_field = IntegerField()


@admin.register(StorageCommitment)
class StorageCommitmentAdmin(LargeRecordAdmin[StorageCommitment]):
    """What peers asked us to commit to; can be judged and reported once more."""

    actions = ("redrive",)
    list_display = (
        "requested_at",
        "state_label",
        "requesting_ae_title",
        "called_ae_title",
        "amounts",
        "attempts",
        "next_attempt_at",
        "problem",
        "transaction_uid",
        "storage_space",
    )
    list_select_related = ("storage_space",)
    list_filter = ("state", RequestedFilter, "storage_space")
    search_terms = (SearchTerm("transaction_uid__startswith", UID_PREFIX),)
    search_help_text = "Begin of Transaction UID"
    fields = (
        "transaction_uid",
        ("requesting_ae_title", "called_ae_title", "peer_address"),
        ("state", "amounts"),
        ("requested_at", "judged_at", "reported_at"),
        ("attempts", "next_attempt_at", "problem"),
        "storage_space",
    )
    readonly_fields = ("amounts",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[StorageCommitment]":
        """With counts; lists do without thousands of references."""
        rows = (
            super()
            .get_queryset(request)
            .annotate(
                referenced_count=_References("referenced"), failed_count=_References("failed")
            )
        )
        return rows.defer(*_LISTS) if is_list(request) else rows

    def has_redrive_permission(self, request: HttpRequest) -> bool:
        """Whoever may change commitments, although nobody edits one."""
        return request.user.has_perm("ingestion.change_storagecommitment")

    @admin.action(description="Judge and report once more", permissions=["redrive"])
    def redrive(self, request: HttpRequest, queryset: "QuerySet[StorageCommitment]") -> None:
        """Make the chosen ones due again."""
        due = 0
        for commitment_id in queryset.values_list("pk", flat=True):
            try:
                redrive_commitment(commitment_id)
            except NotFound:
                continue
            due += 1
        self.message_user(request, f"{due} commitments are due again.", messages.SUCCESS)

    @display(
        description="State",
        label={
            CommitmentState.PENDING.value: "info",
            CommitmentState.REPORTED.value: "success",
            CommitmentState.GIVEN_UP.value: "danger",
        },
    )
    def state_label(self, commitment: StorageCommitment) -> tuple[str, str]:
        """Whether the peer has been told."""
        return commitment.state, commitment.get_state_display()

    @display(description="Committed")
    def amounts(self, commitment: StorageCommitment) -> str:
        """How many of how many."""
        referenced, failed = _amounts(commitment)
        if commitment.judged_at is None:
            return f"{referenced} to be judged"
        return f"{referenced - failed} of {referenced}"

    def tables(self, record: StorageCommitment) -> Sequence[RowsTable]:
        """What is not committed, and what was asked for."""
        return _tables(record)


@admin.register(CommitmentRequest)
class CommitmentRequestAdmin(LargeRecordAdmin[CommitmentRequest]):
    """What we asked peers to commit to, and what they said."""

    list_display = ("requested_at", "application_entity", "answered_at", "transaction_uid")
    list_select_related = ("application_entity",)
    list_filter = (RequestedFilter, "application_entity")
    search_terms = (SearchTerm("transaction_uid", ANY_TEXT),)
    search_help_text = "Transaction UID"
    fields = ("transaction_uid", "application_entity", ("requested_at", "answered_at"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[CommitmentRequest]":
        """Lists do without thousands of references."""
        rows = super().get_queryset(request)
        return rows.defer(*_LISTS) if is_list(request) else rows

    def tables(self, record: CommitmentRequest) -> Sequence[RowsTable]:
        """What the peer did not commit to, and what it was asked for."""
        return _tables(record)


def _amounts(commitment: StorageCommitment) -> tuple[int, int]:
    return commitment.referenced_count, commitment.failed_count  # type: ignore[attr-defined]  # annotated


def _tables(record: StorageCommitment | CommitmentRequest) -> tuple[RowsTable, RowsTable]:
    failed = [
        (instance, _REASONS.get(reason, f"{reason:04X}"), sop_class)
        for sop_class, instance, reason in record.failed[: ROWS_MAX + 1]
    ]
    referenced = [
        (instance, sop_class) for sop_class, instance in record.referenced[: ROWS_MAX + 1]
    ]
    return (
        RowsTable("Not committed", ("SOP Instance UID", "Reason", "SOP Class UID"), failed),
        RowsTable("Asked for", ("SOP Instance UID", "SOP Class UID"), referenced),
    )
