"""Receipts by outcome: the custody ledger, and the retry of what could not be registered."""

from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ingestion.admin.display_values import date_text, person_name_text, size_text
from ingestion.admin.filters import AssociationFilter, ReceivedFilter
from ingestion.admin.large_tables import UID_PREFIX, UUID_TEXT, LargeRecordAdmin, SearchTerm
from ingestion.admin.linked_rows import list_link
from ingestion.admin.unfold_admin import display
from ingestion.errors import NotFound
from ingestion.models import AssociationRecord, Instance, Outcome, Receipt, SenderKind
from ingestion.use_cases.register_receipts import retry_receipt

OUTCOME_COLOURS = {
    Outcome.PENDING.value: "info",
    Outcome.REGISTERED.value: "success",
    Outcome.MODIFIED.value: "success",
    Outcome.DUPLICATE.value: "success",
    Outcome.KEPT_FIRST.value: "warning",
    Outcome.QUARANTINED.value: "danger",
    Outcome.FAILED.value: "danger",
}


@admin.register(Receipt)
class ReceiptAdmin(LargeRecordAdmin[Receipt]):
    """The ledger; failed and quarantined receipts can be retried from the list."""

    actions = ("retry",)
    list_display = (
        "received_at",
        "outcome_label",
        "reason",
        "sender",
        "sop_instance_uid",
        "modality",
        "size",
        "storage_space",
    )
    list_select_related = ("storage_space",)
    list_filter = ("outcome", ReceivedFilter, "storage_space", AssociationFilter)
    search_terms = (
        SearchTerm("sop_instance_uid__startswith", UID_PREFIX),
        SearchTerm("pk", UUID_TEXT, lambda text: str(UUID(text))),
    )
    search_help_text = "Begin of SOP Instance UID, or receipt id"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("id", "storage_space"),
                    ("received_at", "settled_at", "outcome"),
                    "reason",
                    ("attempts", "next_attempt_at"),
                )
            },
        ),
        (
            "Sender",
            {
                "fields": (
                    ("sender_kind", "calling_ae_title", "called_ae_title"),
                    ("principal", "peer_address"),
                    ("conversation_id", "association"),
                )
            },
        ),
        (
            "Object",
            {
                "fields": (
                    "study_instance_uid",
                    "series_instance_uid",
                    "sop_instance_uid",
                    "instance",
                    ("sop_class_uid", "transfer_syntax_uid"),
                    "location",
                    ("size", "sha256"),
                )
            },
        ),
        (
            "Attributes as received",
            {
                "fields": (
                    ("patient", "patient_id", "accession_number"),
                    ("study_day", "modality", "study_description"),
                )
            },
        ),
    )
    readonly_fields = ("association", "instance", "size", "sha256", "patient", "study_day")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Whoever may change receipts, although nobody edits one."""
        return request.user.has_perm("ingestion.change_receipt")

    @admin.action(description="Retry failed and quarantined receipts", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: "QuerySet[Receipt]") -> None:
        """Make the chosen ones due again; others are left as they are."""
        due = 0
        for receipt_id in queryset.values_list("pk", flat=True):
            try:
                retry_receipt(receipt_id)
            except NotFound:
                continue
            due += 1
        left = len(queryset) - due
        self.message_user(request, f"{due} receipts are due again.", messages.SUCCESS)
        if left:
            self.message_user(
                request, f"{left} are neither failed nor quarantined.", messages.WARNING
            )

    @display(description="Outcome", label=OUTCOME_COLOURS)
    def outcome_label(self, receipt: Receipt) -> tuple[str, str]:
        """What became of it."""
        return receipt.outcome, receipt.get_outcome_display()

    @display(description="From")
    def sender(self, receipt: Receipt) -> str:
        """The edge, and the AE title or principal."""
        who = receipt.calling_ae_title or receipt.principal
        return f"{receipt.get_sender_kind_display()} {who}".strip()

    @display(description="Size")
    def size(self, receipt: Receipt) -> str:
        """Bytes of the stored object."""
        return size_text(receipt.size_bytes)

    @display(description="SHA-256 of the data set")
    def sha256(self, receipt: Receipt) -> str:
        """The hash as hexadecimal digits."""
        return bytes(receipt.data_set_sha256).hex()

    @display(description="Patient")
    def patient(self, receipt: Receipt) -> str:
        """Patient's Name, family name first."""
        return person_name_text(receipt.patient_name)

    @display(description="Study date")
    def study_day(self, receipt: Receipt) -> str:
        """Study Date."""
        return date_text(receipt.study_date)

    @display(description="Instance")
    def instance(self, receipt: Receipt) -> SafeString:
        """The instance of this UID, if there is one."""
        return list_link(Instance, "Find the instance", q=receipt.sop_instance_uid)

    @display(description="Association")
    def association(self, receipt: Receipt) -> SafeString | str:
        """The record of the association that brought it, if one did."""
        if receipt.sender_kind != SenderKind.DIMSE:
            return ""
        return list_link(AssociationRecord, "Find the association", q=receipt.conversation_id)
