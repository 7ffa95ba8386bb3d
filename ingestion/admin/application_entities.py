"""Application entities: AE titles of ours, and the peers that we know."""

from django.contrib import admin

from ingestion.admin.unfold_admin import ModelAdmin, display
from ingestion.models import LocalApplicationEntity, RemoteApplicationEntity


@admin.register(LocalApplicationEntity)
class LocalApplicationEntityAdmin(ModelAdmin[LocalApplicationEntity]):
    """AE titles that we answer to, each with the space where its objects rest."""

    list_display = ("ae_title", "storage_space", "is_enabled", "description")
    list_select_related = ("storage_space",)
    search_fields = ("ae_title",)
    fields = (("ae_title", "storage_space"), "description", "is_enabled")


@admin.register(RemoteApplicationEntity)
class RemoteApplicationEntityAdmin(ModelAdmin[RemoteApplicationEntity]):
    """Peers: who may call us from where, and where we reach them."""

    list_display = (
        "ae_title",
        "addresses",
        "may_call_all",
        "destination",
        "is_enabled",
        "description",
    )
    search_fields = ("ae_title", "host")
    fieldsets = (
        (None, {"fields": ("ae_title", "description", "is_enabled")}),
        ("It calls us", {"fields": ("addresses", "may_call_all", "may_call")}),
        ("We call it", {"fields": (("host", "port"),)}),
    )
    filter_horizontal = ("may_call",)

    @display(description="We reach it at")
    def destination(self, entity: RemoteApplicationEntity) -> str:
        """Host and port, if both are known."""
        return f"{entity.host}:{entity.port}" if entity.host and entity.port else ""
