"""Deliveries by state, with every try; dead letters are redriven from here."""

from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from bindings.models import Attempt, Delivery, Subscription
from bindings.redrive import cancel, redrive, retry_now
from ingestion.admin.large_tables import UID_PREFIX, UUID_TEXT, LargeRecordAdmin, SearchTerm
from ingestion.admin.linked_rows import ROWS_MAX, RowsTable, change_link
from ingestion.admin.unfold_admin import display
from ingestion.models import Event

STATE_COLOURS = {
    "pending": "info",
    "delivered": "success",
    "dead": "danger",
    "cancelled": "warning",
}


class SubscriptionFilter(SimpleListFilter):
    """By subscription; their secrets are not read for it."""

    title = "subscription"
    parameter_name = "subscription"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """Every subscription."""
        rows = Subscription.objects.values_list("pk", "name")
        return [(str(pk), name) for pk, name in rows]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: "QuerySet[Delivery]",
    ) -> "QuerySet[Delivery]":
        """Those of the chosen one."""
        chosen = self.value()
        if not chosen or not chosen.isdecimal():
            return queryset
        return queryset.filter(subscription_id=int(chosen))


@admin.register(Delivery)
class DeliveryAdmin(LargeRecordAdmin[Delivery]):
    """What is owed, was delivered, or could not be."""

    actions = ("redrive", "retry_now", "cancel")
    list_display = (
        "created_at",
        "state_label",
        "subscriber",
        "event_type",
        "study_instance_uid",
        "attempts",
        "next_attempt_at",
        "problem",
    )
    list_filter = ("state", SubscriptionFilter)
    search_terms = (
        SearchTerm("uuid", UUID_TEXT, lambda text: str(UUID(text))),
        SearchTerm("event__study_instance_uid__startswith", UID_PREFIX),
    )
    search_help_text = "Delivery id (webhook-id), or begin of Study Instance UID"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("uuid", "state"),
                    ("subscriber", "event_link"),
                    ("created_at", "settled_at"),
                    ("attempts", "next_attempt_at"),
                    "problem",
                )
            },
        ),
        ("Tries", {"fields": ("tries_table",)}),
    )
    readonly_fields = ("subscriber", "event_link", "tries_table")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Delivery]":
        """With the few words of subscription and event that are shown, and no more."""
        return (
            super()
            .get_queryset(request)
            .annotate(
                subscription_name=F("subscription__name"),
                type_of_event=F("event__type"),
                study_of_event=F("event__study_instance_uid"),
            )
        )

    def has_redrive_permission(self, request: HttpRequest) -> bool:
        """Whoever may change deliveries, although nobody edits one."""
        return request.user.has_perm("bindings.change_delivery")

    @admin.action(description="Owe dead and cancelled ones anew", permissions=["redrive"])
    def redrive(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> None:
        """Redrive the chosen."""
        self._say(request, redrive(_plain(queryset)), "owed anew")

    @admin.action(description="Try pending ones now", permissions=["redrive"])
    def retry_now(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> None:
        """Do not wait for the schedule."""
        self._say(request, retry_now(_plain(queryset)), "due now")

    @admin.action(description="Cancel pending ones", permissions=["redrive"])
    def cancel(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> None:
        """Cancel the chosen."""
        self._say(request, cancel(_plain(queryset)), "cancelled")

    def _say(self, request: HttpRequest, number: int, what: str) -> None:
        level = messages.SUCCESS if number else messages.WARNING
        self.message_user(request, f"{number} deliveries are {what}.", level)

    @display(description="State", label=STATE_COLOURS)
    def state_label(self, delivery: Delivery) -> tuple[str, str]:
        """Where it stands."""
        return delivery.state, delivery.get_state_display()

    @display(description="Subscription")
    def subscriber(self, delivery: Delivery) -> SafeString:
        """To whom it is owed."""
        name = getattr(delivery, "subscription_name")  # noqa: B009  # an annotation
        return change_link(Subscription, delivery.subscription_id, name)

    @display(description="Event")
    def event_type(self, delivery: Delivery) -> str:
        """What is told."""
        return str(getattr(delivery, "type_of_event"))  # noqa: B009  # an annotation

    @display(description="Event")
    def event_link(self, delivery: Delivery) -> SafeString:
        """What is told, as a link."""
        return change_link(Event, delivery.event_id, self.event_type(delivery))

    @display(description="Study Instance UID")
    def study_instance_uid(self, delivery: Delivery) -> str:
        """Of which study."""
        return str(getattr(delivery, "study_of_event"))  # noqa: B009  # an annotation

    @display(description="Tries")
    def tries_table(self, delivery: Delivery) -> SafeString:
        """The latest tries, newest first."""
        tries = Attempt.objects.filter(delivery=delivery).order_by("-pk")[: ROWS_MAX + 1]
        rows = [
            (
                f"{one.started_at:%Y-%m-%d %H:%M:%S}",
                one.get_outcome_display(),
                one.peer_status,
                f"{one.duration_ms} ms",
                one.detail,
            )
            for one in tries
        ]
        headers = ("Started", "Outcome", "Peer's status", "Took", "Detail")
        return RowsTable("Tries", headers, rows).render()


def _plain(queryset: "QuerySet[Delivery]") -> "QuerySet[Delivery]":
    """The same rows without what the list joins to them."""
    return Delivery.objects.filter(pk__in=list(queryset.values_list("pk", flat=True)))
