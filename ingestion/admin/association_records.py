"""The log of associations: who called whom, what was negotiated and done, and how it ended."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ingestion.admin.display_values import size_text
from ingestion.admin.filters import PeriodFilter
from ingestion.admin.large_tables import LargeRecordAdmin, SearchTerm
from ingestion.admin.linked_rows import RowsTable, list_link
from ingestion.admin.unfold_admin import display
from ingestion.dicom.uid_lists import uid_name
from ingestion.domain.association_outcomes import AssociationOutcome
from ingestion.models import AssociationRecord, Receipt

OUTCOME_COLOURS = {
    AssociationOutcome.RELEASED.value: "success",
    AssociationOutcome.REFUSED.value: "warning",
    AssociationOutcome.ABORTED_BY_PEER.value: "warning",
    AssociationOutcome.SILENT.value: "warning",
    AssociationOutcome.VANISHED.value: "warning",
    AssociationOutcome.STOPPED.value: "info",
    AssociationOutcome.VIOLATED.value: "danger",
    AssociationOutcome.BROKEN.value: "danger",
}

# PS3.8 Table 9-18.
CONTEXT_RESULTS = {
    0: "accepted",
    1: "not allowed here",
    2: "refused, no reason given",
    3: "SOP Class not supported",
    4: "none of the transfer syntaxes supported",
}


class OutcomeFilter(SimpleListFilter):
    """Records of one outcome."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Every outcome that is recorded."""
        return [(outcome, outcome.capitalize()) for outcome in OUTCOME_COLOURS]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Model]") -> "QuerySet[Model]":  # noqa: ARG002
        """Those of the chosen one."""
        if self.value() not in OUTCOME_COLOURS:
            return queryset
        if self.value() != AssociationOutcome.RELEASED:  # as the index of the others says it
            queryset = queryset.exclude(outcome=AssociationOutcome.RELEASED)
        return queryset.filter(outcome=self.value())


class EndedFilter(PeriodFilter):
    """Records by when the association ended."""

    title = "ended"
    column = "ended_at"


@admin.register(AssociationRecord)
class AssociationRecordAdmin(LargeRecordAdmin[AssociationRecord]):
    """The log, the latest first, and the page of one association."""

    list_display = (
        "ended_at",
        "outcome_label",
        "parties",
        "direction_label",
        "peer_address",
        "operations_text",
        "instances",
        "size",
        "duration",
    )
    list_filter = (OutcomeFilter, "direction", EndedFilter, "storage_space")
    search_terms = (
        SearchTerm("calling_ae_title"),
        SearchTerm("called_ae_title"),
        SearchTerm("association_id"),
    )
    search_help_text = "Calling or called AE title, or association id"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("outcome_label", "reason", "repeats_text"),
                    ("started_at", "ended_at", "duration"),
                    ("association_id", "receipts"),
                )
            },
        ),
        (
            "Who",
            {
                "fields": (
                    ("direction", "calling_ae_title", "called_ae_title"),
                    ("peer_address", "peer_version", "is_encrypted"),
                    ("user_identity", "storage_space"),
                )
            },
        ),
        (
            "What",
            {
                "fields": (
                    "operations_text",
                    ("instances_received", "instances_refused", "received"),
                    ("instances_sent", "sent"),
                )
            },
        ),
    )
    readonly_fields = (
        "outcome_label",
        "repeats_text",
        "duration",
        "receipts",
        "operations_text",
        "received",
        "sent",
    )

    @display(description="Outcome", label=OUTCOME_COLOURS)
    def outcome_label(self, record: AssociationRecord) -> tuple[str, str]:
        """How it ended."""
        return record.outcome, record.outcome.capitalize()

    @display(description="Calling → called")
    def parties(self, record: AssociationRecord) -> str:
        """Who called whom."""
        return f"{record.calling_ae_title or '?'} → {record.called_ae_title or '?'}"

    @display(description="Direction")
    def direction_label(self, record: AssociationRecord) -> str:
        """Whether they called us, or we them."""
        return record.get_direction_display()

    @display(description="Operations")
    def operations_text(self, record: AssociationRecord) -> str:
        """How many requests of which kind; where the record stands for others, how many."""
        texts = [f"{count:,} × {name}" for name, count in sorted(record.operations.items())]
        if record.repeats:
            texts.append(f"{record.repeats:,} more associations like it")
        return ", ".join(texts)

    @display(description="Further ones like it within a minute")
    def repeats_text(self, record: AssociationRecord) -> str:
        """How many others have no record of their own."""
        return f"{record.repeats:,}" if record.repeats else ""

    @display(description="Instances")
    def instances(self, record: AssociationRecord) -> str:
        """Numbers of what came, what was refused, and what was sent."""
        parts = (
            (record.instances_received, "received"),
            (record.instances_refused, "refused"),
            (record.instances_sent, "sent"),
        )
        return ", ".join(f"{number:,} {what}" for number, what in parts if number)

    @display(description="Size")
    def size(self, record: AssociationRecord) -> str:
        """Bytes of all instances, in both directions."""
        size_bytes = record.bytes_received + record.bytes_sent
        return size_text(size_bytes) if size_bytes else ""

    @display(description="Received")
    def received(self, record: AssociationRecord) -> str:
        """Bytes of the instances that came."""
        return size_text(record.bytes_received)

    @display(description="Sent")
    def sent(self, record: AssociationRecord) -> str:
        """Bytes of the instances that were sent."""
        return size_text(record.bytes_sent)

    @display(description="Duration")
    def duration(self, record: AssociationRecord) -> str:
        """From the connection to its end."""
        seconds = (record.ended_at - record.started_at).total_seconds()
        return f"{seconds:,.1f} s" if seconds >= 1 else f"{seconds * 1000:,.0f} ms"

    @display(description="Receipts")
    def receipts(self, record: AssociationRecord) -> SafeString | str:
        """What came by it."""
        if not record.instances_received:
            return ""
        return list_link(Receipt, "Receipts of this association", association=record.pk)

    def tables(self, record: AssociationRecord) -> Sequence[RowsTable]:
        """Its presentation contexts."""
        return (_contexts_of(record),)


def _contexts_of(record: AssociationRecord) -> RowsTable:
    """As they were proposed; at most 128, which one page can show (PS3.8 9.3.2.2)."""
    return RowsTable(
        "Presentation contexts",
        ("SOP Class", "Result", "Transfer syntax"),
        [
            (
                _named(context["sop_class_uid"]),
                CONTEXT_RESULTS.get(context["result"], context["result"]),
                _named(context["transfer_syntax_uid"]),
            )
            for context in record.contexts
        ],
    )


def _named(uid: str) -> str:
    name = uid_name(uid)
    return uid if name == uid else f"{name} ({uid})"
