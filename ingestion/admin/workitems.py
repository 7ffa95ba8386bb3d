"""Workitems: the worklists of all spaces, as UPS-RS shows them, and who is subscribed."""

from collections.abc import Sequence

import orjson
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ingestion.admin.display_values import person_name_text
from ingestion.admin.filters import PeriodFilter
from ingestion.admin.large_tables import UID_PREFIX, LargeRecordAdmin, SearchTerm, is_list
from ingestion.admin.linked_rows import ROWS_MAX, RowsTable
from ingestion.admin.unfold_admin import ModelAdmin, ReadOnly, display
from ingestion.models import Workitem, WorkitemState, WorklistSubscription

SHOWN_CHARACTERS_MAX = 20_000


@admin.register(Workitem)
class WorkitemAdmin(LargeRecordAdmin[Workitem]):
    """The list of workitems and the page of one. The lock of its performer is on neither."""

    list_display = (
        "sop_instance_uid",
        "state",
        "procedure_step_label",
        "scheduled_at",
        "scheduled_procedure_step_priority",
        "patient",
        "worklist_label",
        "storage_space",
    )
    list_select_related = ("storage_space",)
    list_filter = ("procedure_step_state", PeriodFilter, "storage_space")
    search_terms = (
        SearchTerm("sop_instance_uid__startswith", UID_PREFIX),
        SearchTerm("patient_id"),
    )
    search_help_text = "Begin of SOP Instance UID, or Patient ID"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "sop_instance_uid",
                    ("state", "scheduled_procedure_step_priority", "input_readiness_state"),
                    ("procedure_step_label", "worklist_label"),
                    ("patient", "patient_id"),
                    ("scheduled_at", "created_at", "changed_at"),
                    "storage_space",
                )
            },
        ),
        ("Attributes", {"fields": ("attributes",)}),
    )
    readonly_fields = ("state", "patient", "attributes")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Workitem]":
        """Lists do without the data sets."""
        rows = super().get_queryset(request)
        return rows.defer("data_set") if is_list(request) else rows

    @display(
        description="State",
        label={
            WorkitemState.SCHEDULED.value: "info",
            WorkitemState.IN_PROGRESS.value: "warning",
            WorkitemState.COMPLETED.value: "success",
            WorkitemState.CANCELED.value: "danger",
        },
    )
    def state(self, workitem: Workitem) -> tuple[str, str]:
        """Procedure Step State."""
        return workitem.procedure_step_state, workitem.get_procedure_step_state_display()

    @display(description="Patient")
    def patient(self, workitem: Workitem) -> str:
        """Patient's Name."""
        return person_name_text(workitem.patient_name)

    @display(description="DICOM JSON")
    def attributes(self, workitem: Workitem) -> SafeString:
        """The data set, shortened when long."""
        text = orjson.dumps(workitem.data_set, option=orjson.OPT_INDENT_2).decode()
        if len(text) > SHOWN_CHARACTERS_MAX:
            text = f"{text[:SHOWN_CHARACTERS_MAX]}\n… {len(text):,} characters in all"
        return format_html('<pre class="overflow-x-auto text-xs">{}</pre>', text)

    def tables(self, record: Workitem) -> Sequence[RowsTable]:
        """Who is subscribed to it."""
        rows = [
            (found.ae_title, "yes" if found.has_deletion_lock else "", found.created_at)
            for found in record.subscriptions.order_by("ae_title")[: ROWS_MAX + 1]
        ]
        return (RowsTable("Subscriptions", ("AE title", "Deletion lock", "Since"), rows),)


@admin.register(WorklistSubscription)
class WorklistSubscriptionAdmin(ReadOnly, ModelAdmin[WorklistSubscription]):
    """Who is subscribed to the worklist of a space."""

    list_display = (
        "ae_title",
        "storage_space",
        "matching_keys",
        "has_deletion_lock",
        "created_at",
    )
    list_select_related = ("storage_space",)
    list_filter = ("storage_space",)
    ordering = ("storage_space", "ae_title")
    fields = ("ae_title", "storage_space", "matching_keys", "has_deletion_lock", "created_at")
