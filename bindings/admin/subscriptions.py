"""Subscriptions: who is told what, whether it works, and what to do when it does not."""

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from bindings.admin.subscription_form import SubscriptionForm
from bindings.models import BindingKind, Delivery, DeliveryState, OutcomeClass, Subscription
from bindings.probe_subscription import probe_subscription
from bindings.redrive import cancel, redrive
from bindings.replay_events import replay_events
from bindings.signing_secrets import replace_signing_secret
from ingestion.admin.linked_rows import list_link
from ingestion.admin.unfold_admin import ModelAdmin, display
from ingestion.errors import IngestionError

SECRETS = ("auth_secret", "headers", "signing_secret")


@admin.register(Subscription)
class SubscriptionAdmin(ModelAdmin[Subscription]):
    """Subscribers by name. Secrets are not even read: a page opens although one is broken."""

    form = SubscriptionForm
    list_display = ("name", "kind", "event_types_text", "is_enabled", "health", "deliveries_link")
    list_filter = ("kind", "is_enabled")
    search_fields = ("name", "url")
    filter_horizontal = ("spaces",)
    readonly_fields = ("health_text", "disabled_reason", "deliveries_link", "created_at")
    actions = ("probe", "replace_secret", "redrive_dead", "cancel_pending", "replay_last_day")
    fieldsets = (
        (None, {"fields": (("name", "kind"), "is_enabled")}),
        (
            "Is told",
            {
                "fields": (
                    "event_types",
                    "all_spaces",
                    "spaces",
                    "provider_pattern",
                    ("modalities", "calling_ae_titles"),
                    "sop_classes",
                )
            },
        ),
        (
            "Where",
            {
                "fields": (
                    "url",
                    ("application_entity", "asks_for_commitment"),
                    ("auth_kind", "auth_user_name", "new_auth_secret"),
                    "new_headers",
                    "content_mode",
                    "ca_certificates",
                )
            },
        ),
        ("How long", {"fields": ("timeout_seconds", ("attempts_max", "age_max_hours"))}),
    )
    state = (
        "State",
        {"fields": ("health_text", "disabled_reason", "deliveries_link", "created_at")},
    )

    def get_fieldsets(self, request: HttpRequest, obj: Subscription | None = None) -> Any:
        """Whoever is not subscribed yet has no state."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj is None else (*fieldsets, self.state)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Subscription]":
        """Without the secrets."""
        return super().get_queryset(request).defer(*SECRETS)

    def has_delete_permission(self, request: HttpRequest, obj: Subscription | None = None) -> bool:
        """Only one that was never owed anything; the others are disabled instead."""
        is_deletable = obj is not None and not obj.deliveries.exists()
        return is_deletable and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Subscription, form: Any, change: Any) -> None:
        """Save; a new webhook gets a signing secret, shown this once."""
        if obj.is_enabled:
            obj.disabled_reason = ""
        super().save_model(request, obj, form, change)
        if not change and obj.kind == BindingKind.WEBHOOK:
            self._show_new_secret(request, obj)

    @admin.action(description="Send a test", permissions=["change"])
    def probe(self, request: HttpRequest, queryset: "QuerySet[Subscription]") -> None:
        """Say of each chosen subscriber whether it answers."""
        for subscription in queryset:
            try:
                outcome = probe_subscription(subscription)
            except IngestionError as error:
                self.message_user(request, f"{subscription}: {error}", messages.ERROR)
                continue
            is_well = outcome.outcome == OutcomeClass.DELIVERED
            self.message_user(
                request,
                f"{subscription}: {outcome.text}",
                messages.SUCCESS if is_well else messages.ERROR,
            )

    @admin.action(description="Make a new signing secret", permissions=["change"])
    def replace_secret(self, request: HttpRequest, queryset: "QuerySet[Subscription]") -> None:
        """Give each chosen webhook a new secret and show it, once."""
        for subscription in queryset.filter(kind=BindingKind.WEBHOOK):
            self._show_new_secret(request, subscription)

    @admin.action(description="Owe all dead letters anew", permissions=["change"])
    def redrive_dead(self, request: HttpRequest, queryset: "QuerySet[Subscription]") -> None:
        """Redrive the dead letters of the chosen."""
        dead = Delivery.objects.filter(
            subscription__in=list(queryset.values_list("pk", flat=True)), state=DeliveryState.DEAD
        )
        self.message_user(request, f"{redrive(dead)} deliveries are owed anew.", messages.SUCCESS)

    @admin.action(description="Cancel all that is owed", permissions=["change"])
    def cancel_pending(self, request: HttpRequest, queryset: "QuerySet[Subscription]") -> None:
        """Cancel what the chosen are owed."""
        owed = Delivery.objects.filter(subscription__in=list(queryset.values_list("pk", flat=True)))
        self.message_user(request, f"{cancel(owed)} deliveries are cancelled.", messages.SUCCESS)

    @admin.action(description="Owe what was missed in the last day", permissions=["change"])
    def replay_last_day(self, request: HttpRequest, queryset: "QuerySet[Subscription]") -> None:
        """Owe the chosen what they select of the last 24 hours and were never owed."""
        until = timezone.now()
        for subscription in queryset:
            owed = replay_events(subscription, since=until - timedelta(days=1), until=until)
            self.message_user(
                request, f"{subscription}: {owed} deliveries are owed.", messages.SUCCESS
            )

    @display(description="Events")
    def event_types_text(self, subscription: Subscription) -> str:
        """Which kinds of events."""
        return ", ".join(subscription.event_types)

    @display(description="Health", label={"works": "success", "left alone": "danger"})
    def health(self, subscription: Subscription) -> tuple[str, str]:
        """Whether the circuit is closed."""
        if subscription.opened_until is None or subscription.opened_until <= timezone.now():
            failures = subscription.consecutive_failures
            return "works", "works" if not failures else f"{failures} failures in a row"
        return "left alone", f"left alone until {subscription.opened_until:%Y-%m-%d %H:%M:%S} UTC"

    @display(description="Health")
    def health_text(self, subscription: Subscription) -> str:
        """The same in words alone."""
        return self.health(subscription)[1]

    @display(description="Deliveries")
    def deliveries_link(self, subscription: Subscription) -> SafeString:
        """What it is and was owed."""
        return list_link(Delivery, "Deliveries", subscription=subscription.pk)

    def _show_new_secret(self, request: HttpRequest, subscription: Subscription) -> None:
        secret = replace_signing_secret(subscription)
        self.message_user(
            request,
            f"The signing secret of {subscription.name} is {secret} — copy it now, it is never"
            " shown again.",
            messages.WARNING,
        )
