"""Access tokens: who may use the web's interfaces. The token itself is shown once."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from ingestion.admin.unfold_admin import ModelAdmin, display
from ingestion.models import AccessToken
from ingestion.use_cases.issue_access_token import issue_access_token


@admin.register(AccessToken)
class AccessTokenAdmin(ModelAdmin[AccessToken]):
    """Tokens by name; adding one makes the secret and shows it in a message."""

    list_display = (
        "name",
        "scopes",
        "spaces_text",
        "expires_at",
        "is_enabled",
        "created_at",
    )
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "is_enabled", "expires_at")}),
        ("May", {"fields": (("may_read", "may_store", "may_delete"),)}),
        ("In", {"fields": ("all_spaces", "spaces")}),
    )
    filter_horizontal = ("spaces",)

    def get_queryset(self, request: HttpRequest) -> Any:
        """With the spaces of each."""
        return super().get_queryset(request).prefetch_related("spaces")

    def save_model(self, request: HttpRequest, obj: AccessToken, form: Any, change: Any) -> None:
        """Save changes; issue a token when it is new."""
        if change:
            super().save_model(request, obj, form, change)
            return
        token = issue_access_token(obj)
        self.message_user(
            request,
            f"The token of {obj.name} is {token} — copy it now, it is never shown again.",
            messages.WARNING,
        )

    @display(description="May")
    def scopes(self, token: AccessToken) -> str:
        """Its permissions in words."""
        granted = {
            "read": token.may_read,
            "store": token.may_store,
            "delete": token.may_delete,
        }
        return ", ".join(name for name, is_granted in granted.items() if is_granted)

    @display(description="Storage spaces")
    def spaces_text(self, token: AccessToken) -> str:
        """Where it may."""
        return "all" if token.all_spaces else ", ".join(space.name for space in token.spaces.all())
