"""Instances: where their bytes rest, and the receipts of everything sent under their UID."""

from collections.abc import Sequence

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ingestion.admin.display_values import size_text
from ingestion.admin.filters import PeriodFilter
from ingestion.admin.large_tables import UID_PREFIX, LargeRecordAdmin, SearchTerm
from ingestion.admin.linked_rows import ROWS_MAX, RowsTable, change_link, list_link
from ingestion.admin.unfold_admin import display
from ingestion.models import Instance, Receipt, RetiredObject, Series, StorageSpace, Study


@admin.register(Instance)
class InstanceAdmin(LargeRecordAdmin[Instance]):
    """The instance list and the page of an instance."""

    list_display = (
        "sop_instance_uid",
        "instance_number",
        "sop_class_uid",
        "transfer_syntax_uid",
        "size",
        "series_link",
        "storage_space",
        "created_at",
    )
    list_select_related = ("series", "storage_space")
    list_filter = ("storage_space", PeriodFilter)
    search_terms = (SearchTerm("sop_instance_uid__startswith", UID_PREFIX),)
    search_help_text = "Begin of SOP Instance UID"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "sop_instance_uid",
                    "study_link",
                    "series_link",
                    ("sop_class_uid", "transfer_syntax_uid"),
                    ("instance_number", "number_of_frames"),
                    ("rows", "columns", "bits_allocated"),
                    ("created_at", "changed_at", "deleted_at"),
                )
            },
        ),
        (
            "Bytes",
            {"fields": ("storage_space", "location", ("size", "data_set_offset"), "sha256")},
        ),
    )
    readonly_fields = ("study_link", "series_link", "size", "sha256")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Instance]", search_term: str
    ) -> tuple["QuerySet[Instance]", bool]:
        """As elsewhere; the spaces are named because the index begins with them."""
        if search_term.strip():
            spaces = list(StorageSpace.objects.values_list("pk", flat=True))
            queryset = queryset.filter(storage_space__in=spaces)
        return super().get_search_results(request, queryset, search_term)

    @display(description="Series")
    def series_link(self, instance: Instance) -> SafeString:
        """Its series."""
        return change_link(Series, instance.series_id, instance.series.series_instance_uid)

    @display(description="Study")
    def study_link(self, instance: Instance) -> SafeString:
        """Its study."""
        study = instance.series.study
        return change_link(Study, study.pk, study.study_instance_uid)

    @display(description="Size")
    def size(self, instance: Instance) -> str:
        """Bytes of the stored object."""
        return size_text(instance.size_bytes)

    @display(description="SHA-256 of the data set")
    def sha256(self, instance: Instance) -> str:
        """The hash as hexadecimal digits."""
        return bytes(instance.data_set_sha256).hex()

    def tables(self, record: Instance) -> Sequence[RowsTable]:
        """Everything received under this UID in this space, and versions no longer current."""
        return (_receipts_of(record), _retired_of(record))


def _receipts_of(instance: Instance) -> RowsTable:
    """The latest first."""
    found = Receipt.objects.filter(
        sop_instance_uid=instance.sop_instance_uid, storage_space=instance.storage_space_id
    ).order_by("-pk")
    return RowsTable(
        "Receipts",
        ("Received", "From", "Outcome", "Reason", "Size", ""),
        [
            (
                change_link(Receipt, receipt.pk, f"{receipt.received_at:%Y-%m-%d %H:%M:%S}"),
                receipt.calling_ae_title or receipt.principal,
                receipt.get_outcome_display(),
                receipt.reason,
                size_text(receipt.size_bytes),
                "current" if receipt.pk == instance.receipt_id else "",
            )
            for receipt in found[: ROWS_MAX + 1]
        ],
        list_link(Receipt, "All receipts", q=instance.sop_instance_uid),
    )


def _retired_of(instance: Instance) -> RowsTable:
    """The latest first."""
    found = RetiredObject.objects.filter(
        sop_instance_uid=instance.sop_instance_uid, storage_space=instance.storage_space_id
    ).order_by("-pk")
    return RowsTable(
        "Retired versions",
        ("Retired", "Reason", "Size", "Removed after"),
        [
            (
                change_link(RetiredObject, row.pk, f"{row.retired_at:%Y-%m-%d %H:%M:%S}"),
                row.get_reason_display(),
                size_text(row.size_bytes),
                row.removable_at,
            )
            for row in found[: ROWS_MAX + 1]
        ],
    )
