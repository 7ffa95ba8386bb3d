"""Application entities: AE titles of ours, and the peers that we know."""

from collections.abc import Callable
from typing import TypeVar

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ingestion.admin.application_entity_forms import (
    RULES,
    LocalApplicationEntityForm,
    RemoteApplicationEntityForm,
)
from ingestion.admin.linked_rows import list_link
from ingestion.admin.unfold_admin import ModelAdmin, display, page_action
from ingestion.models import AssociationRecord, LocalApplicationEntity, RemoteApplicationEntity
from ingestion.use_cases.echo_application_entities import EchoReport, echo_local, echo_remote

ENTITIES_TESTED_MAX = 10  # at once: somebody waits for all of them

E = TypeVar("E", LocalApplicationEntity, RemoteApplicationEntity)


class ApplicationEntityAdmin(ModelAdmin[E]):
    """What the screens of both kinds share: the test of the connection, and the log."""

    actions = ("test_connections",)
    echo: Callable[[E], EchoReport]

    @admin.action(description="Test the connection (C-ECHO)", permissions=["view"])
    def test_connections(self, request: HttpRequest, queryset: "QuerySet[E]") -> None:
        """Say of each chosen one whether it answers."""
        for entity in queryset[:ENTITIES_TESTED_MAX]:
            self._report(request, entity)
        if queryset.count() > ENTITIES_TESTED_MAX:
            self.message_user(
                request, f"Only the first {ENTITIES_TESTED_MAX} were tested.", messages.WARNING
            )

    @display(description="Associations")
    def associations(self, entity: E) -> SafeString:
        """Its entries in the log."""
        return list_link(AssociationRecord, "Associations", q=entity.ae_title)

    def _report(self, request: HttpRequest, entity: E) -> None:
        report = type(self).echo(entity)
        level = messages.SUCCESS if report.is_well else messages.ERROR
        self.message_user(request, f"{entity}: {report.text}.", level)


@admin.register(LocalApplicationEntity)
class LocalApplicationEntityAdmin(ApplicationEntityAdmin[LocalApplicationEntity]):
    """AE titles that we answer to, each with the space where its objects rest."""

    form = LocalApplicationEntityForm
    echo = staticmethod(echo_local)
    list_display = ("ae_title", "storage_space", "is_enabled", "description", "associations")
    list_select_related = ("storage_space",)
    search_fields = ("ae_title",)
    fieldsets = (
        (None, {"fields": (("ae_title", "storage_space"), "description", "is_enabled")}),
        ("Who may call", {"fields": ("user_identity",)}),
        ("What it may be used for", {"fields": RULES}),
    )


@admin.register(RemoteApplicationEntity)
class RemoteApplicationEntityAdmin(ApplicationEntityAdmin[RemoteApplicationEntity]):
    """Peers: who may call us from where, and where we reach them."""

    form = RemoteApplicationEntityForm
    actions_submit_line = ("save_and_test",)
    echo = staticmethod(echo_remote)
    list_display = (
        "ae_title",
        "addresses",
        "may_call_all",
        "destination",
        "is_enabled",
        "description",
        "associations",
    )
    search_fields = ("ae_title", "host")
    fieldsets = (
        (None, {"fields": ("ae_title", "description", "is_enabled")}),
        ("It calls us", {"fields": ("addresses", "must_use_tls", "may_call_all", "may_call")}),
        ("What it may do", {"fields": RULES}),
        (
            "We call it",
            {
                "fields": (
                    "host",
                    ("port", "uses_tls"),
                    ("connect_timeout_seconds", "response_timeout_seconds"),
                    "associations_max",
                    "commitment_reports",
                )
            },
        ),
    )
    filter_horizontal = ("may_call",)

    @page_action(description="Save and test the connection", permissions=["change"])
    def save_and_test(self, request: HttpRequest, entity: RemoteApplicationEntity) -> None:
        """Say whether this one answers, once it is saved."""
        transaction.on_commit(lambda: self._report(request, entity))

    @display(description="We reach it at")
    def destination(self, entity: RemoteApplicationEntity) -> str:
        """Host and port, if both are known."""
        return f"{entity.host}:{entity.port}" if entity.host and entity.port else ""
