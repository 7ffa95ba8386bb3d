"""The log of associations: who called whom, what was negotiated and done, and how it ended."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ingestion.admin.display_values import size_text
from ingestion.admin.filters import PeriodFilter
from ingestion.admin.large_tables import LargeRecordAdmin, SearchTerm
from ingestion.admin.linked_rows import RowsTable, list_link
from ingestion.admin.unfold_admin import display
from ingestion.dicom.uid_lists import uid_name
from ingestion.domain.association_outcomes import AssociationOutcome
from ingestion.models import AssociationRecord, Direction, Receipt

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

CONTEXTS_MAX = 128  # of an association: the odd numbers of a byte (PS3.8 9.3.2.2)

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
        "ended",
        "outcome_label",
        "parties",
        "role",
        "peer_address",
        "what",
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
                    ("outcome", "reason", "repeats_text"),
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
        "repeats_text",
        "duration",
        "receipts",
        "operations_text",
        "received",
        "sent",
    )

    @display(description="Ended")
    def ended(self, record: AssociationRecord) -> SafeString:
        """When, in UTC."""
        return _on_one_line(f"{record.ended_at:%Y-%m-%d %H:%M:%S}")

    @display(description="Outcome", label=OUTCOME_COLOURS)
    def outcome_label(self, record: AssociationRecord) -> tuple[str, str]:
        """How it ended."""
        return record.outcome, record.outcome.capitalize()

    @display(description="Calling → called")
    def parties(self, record: AssociationRecord) -> SafeString:
        """Who called whom."""
        return _on_one_line(f"{record.calling_ae_title or '?'} → {record.called_ae_title or '?'}")

    @display(description="Our role")
    def role(self, record: AssociationRecord) -> str:
        """Who asked for it (PS3.8 7.1)."""
        return "acceptor" if record.direction == Direction.ACCEPTED else "requestor"

    @display(description="Operations")
    def operations_text(self, record: AssociationRecord) -> str:
        """How many requests of which kind."""
        operations = sorted(record.operations.items())
        return ", ".join(f"{count:,} × {name}" for name, count in operations)

    @display(description="What happened")
    def what(self, record: AssociationRecord) -> str:
        """Operations, how it failed, and for how many others the record stands."""
        more = f"{record.repeats:,} more associations like it" if record.repeats else ""
        return "; ".join(filter(None, (self.operations_text(record), record.reason, more)))

    @display(description="Further ones like it within a minute")
    def repeats_text(self, record: AssociationRecord) -> str:
        """How many others have no record of their own."""
        return f"{record.repeats:,}" if record.repeats else ""

    @display(description="Instances")
    def instances(self, record: AssociationRecord) -> SafeString:
        """Numbers of what came, what was refused, and what was sent."""
        parts = (
            (record.instances_received, "received"),
            (record.instances_refused, "refused"),
            (record.instances_sent, "sent"),
        )
        return _on_one_line(", ".join(f"{number:,} {what}" for number, what in parts if number))

    @display(description="Size")
    def size(self, record: AssociationRecord) -> str:
        """Bytes of all instances, in both directions; of identifiers nobody asks."""
        if not record.instances_received and not record.instances_sent:
            return ""
        return size_text(record.bytes_received + record.bytes_sent)

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
    """A row per SOP Class and result, the refused ones first."""
    syntaxes: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for context in record.contexts:
        key = context["sop_class_uid"], context["result"]
        syntaxes[key].append(_named(context["transfer_syntax_uid"]))
    return RowsTable(
        "Presentation contexts",
        ("SOP Class", "Result", "Transfer syntaxes"),
        [
            (_named(uid), CONTEXT_RESULTS.get(result, result), ", ".join(filter(None, names)))
            for (uid, result), names in sorted(syntaxes.items(), key=lambda row: not row[0][1])
        ],
        rows_max=CONTEXTS_MAX,
    )


def _on_one_line(text: str) -> SafeString:
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


def _named(uid: str) -> str:
    name = uid_name(uid)
    return uid if name == uid else f"{name} ({uid})"
