"""The admin class that every screen builds on, with types that unfold does not ship."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from django.http import HttpRequest

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    def display(
        *,
        description: str,
        boolean: bool | None = None,
        empty_value: str | None = None,
        label: bool | Mapping[str, str] | None = None,
    ) -> Callable[[F], F]:
        """Name a column; `label` paints its values, by value."""

    def page_action(*, description: str, permissions: list[str]) -> Callable[[F], F]:
        """Name a button of a page."""

else:
    from unfold.admin import ModelAdmin as UnfoldModelAdmin
    from unfold.decorators import action as page_action
    from unfold.decorators import display

    class ModelAdmin(UnfoldModelAdmin):
        """unfold's ModelAdmin; the type parameter means something to type checkers only."""

        def __class_getitem__(cls, _: object) -> type["ModelAdmin"]:
            return cls


__all__ = ["ModelAdmin", "ReadOnly", "display", "page_action"]


class ReadOnly:
    """Mixed in before the admin class: records that nobody adds, edits or deletes by hand."""

    actions: Any = ()

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Nobody adds such a record."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody edits such a record."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        """Nobody deletes such a record."""
        return False
