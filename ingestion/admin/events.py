"""Events: facts that were or will be told to subscribers."""

from uuid import UUID

import orjson
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ingestion.admin.filters import PeriodFilter
from ingestion.admin.large_tables import UID_PREFIX, UUID_TEXT, LargeRecordAdmin, SearchTerm
from ingestion.admin.linked_rows import list_link
from ingestion.admin.unfold_admin import display
from ingestion.models import Event, EventType, Study
from ingestion.use_cases.describe_event import describe_event

SHOWN_CHARACTERS_MAX = 20_000


class WaitingFilter(SimpleListFilter):
    """Events that are not yet owed to their subscribers."""

    title = "fan-out"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Only what waits is of interest, and has an index."""
        return [("yes", "Waiting")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Event]") -> "QuerySet[Event]":  # noqa: ARG002
        """Events without a time of fan-out."""
        return queryset.filter(fanned_out_at=None) if self.value() == "yes" else queryset


@admin.register(Event)
class EventAdmin(LargeRecordAdmin[Event]):
    """The list of events and the page of one, with what subscribers are told."""

    list_display = (
        "created_at",
        "type_label",
        "study_instance_uid",
        "modalities_text",
        "calling_ae_title",
        "storage_space",
        "is_fanned_out",
    )
    list_select_related = ("storage_space",)
    list_filter = ("type", PeriodFilter, WaitingFilter)
    search_terms = (
        SearchTerm("study_instance_uid__startswith", UID_PREFIX),
        SearchTerm("uuid", UUID_TEXT, lambda text: str(UUID(text))),
    )
    search_help_text = "Begin of Study Instance UID, or event id"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("uuid", "type"),
                    ("created_at", "fanned_out_at"),
                    ("storage_space", "calling_ae_title", "modalities_text"),
                    "study_instance_uid",
                    "series_instance_uid",
                    "sop_instance_uid",
                    "study",
                )
            },
        ),
        ("Told to subscribers", {"fields": ("told",)}),
    )
    readonly_fields = ("modalities_text", "study", "told")

    @display(
        description="Type",
        label={
            EventType.DICOM_AVAILABLE.value: "info",
            EventType.STUDY_REVISION.value: "success",
            EventType.DICOM_DELETED.value: "danger",
        },
    )
    def type_label(self, event: Event) -> tuple[str, str]:
        """The CloudEvents type in words."""
        return event.type, event.get_type_display()

    @display(description="Modalities")
    def modalities_text(self, event: Event) -> str:
        """Modalities that subscriptions select by."""
        return ", ".join(event.modalities)

    @display(description="Fanned out", boolean=True)
    def is_fanned_out(self, event: Event) -> bool:
        """Whether deliveries were made of it."""
        return event.fanned_out_at is not None

    @display(description="Study")
    def study(self, event: Event) -> SafeString:
        """The study it tells of."""
        return list_link(Study, "Find the study", q=event.study_instance_uid)

    @display(description="Data")
    def told(self, event: Event) -> SafeString:
        """The CloudEvents data, shortened when long."""
        text = orjson.dumps(describe_event(event), option=orjson.OPT_INDENT_2, default=str).decode()
        if len(text) > SHOWN_CHARACTERS_MAX:
            text = f"{text[:SHOWN_CHARACTERS_MAX]}\n… {len(text):,} characters in all"
        return format_html('<pre class="overflow-x-auto text-xs">{}</pre>', text)
