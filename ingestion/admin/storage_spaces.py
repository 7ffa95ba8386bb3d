"""Storage spaces: where objects rest and by which policies. Their secrets are never shown."""

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ingestion.admin.linked_rows import RowsTable, list_link
from ingestion.admin.unfold_admin import ModelAdmin, display
from ingestion.errors import IngestionError, Misconfigured
from ingestion.models import LocalApplicationEntity, StorageSpace, Study
from ingestion.use_cases.storage_spaces import (
    loses_its_objects,
    open_space_store,
    space_in_the_same_place,
)

# Everything else may be a secret.
SHOWN_OPTIONS = {"root", "bucket", "region", "endpoint_url", "addressing_style", "BACKEND"}
HIDDEN = "••••••••"


if TYPE_CHECKING:
    _SpaceModelForm = forms.ModelForm[StorageSpace]
    TextArea = forms.Textarea
else:
    from unfold.widgets import UnfoldAdminTextareaWidget as TextArea

    _SpaceModelForm = forms.ModelForm


class StorageSpaceForm(_SpaceModelForm):
    """Options go in and are not shown again; what is not given stays as it is."""

    new_options = forms.CharField(
        required=False,
        widget=TextArea(attrs={"rows": 4}),
        label="Set options",
        help_text=(
            'A JSON object, e.g. {"bucket": "…", "secret_key": "…"}. It is merged into the'
            ' options that are set; null removes one. For a folder: {"root": "/data/objects"}.'
        ),
    )

    class Meta:
        model = StorageSpace
        exclude = ("options",)  # the rest is meant to be edited

    def clean_new_options(self) -> dict[str, Any]:
        """The options given; none when empty."""
        try:
            options = json.loads(self.cleaned_data["new_options"] or "{}")
        except json.JSONDecodeError as error:
            raise ValidationError("This is not JSON.") from error
        if not isinstance(options, dict):
            raise ValidationError("Give a JSON object.")
        return options

    def clean(self) -> dict[str, Any] | None:
        """Refuse what does not make a store; the store itself is asked after saving."""
        cleaned = super().clean()
        changes = self.cleaned_data.get("new_options", {})
        merged = {**(self.instance.options or {}), **changes}
        self.instance.options = {key: value for key, value in merged.items() if value is not None}
        if self.errors:
            return cleaned
        candidate = StorageSpace(
            pk=self.instance.pk,
            backend=self.cleaned_data["backend"],
            prefix=self.cleaned_data["prefix"],
            options=self.instance.options,
        )
        try:
            open_space_store(candidate)
        except Misconfigured as error:
            raise ValidationError(f"No store can be made of these options: {error}") from error
        other = space_in_the_same_place(candidate)
        if other is not None:
            raise ValidationError(
                f"{other.name} keeps its objects in the same place: give another prefix."
            )
        if loses_its_objects(candidate):
            raise ValidationError(
                "Objects rest here, and the changed place does not lead to them: backend, prefix,"
                " root, bucket and container stay. Make another space for what is to come."
            )
        return cleaned


@admin.register(StorageSpace)
class StorageSpaceAdmin(ModelAdmin[StorageSpace]):
    """The spaces, and the test that each can write, read and delete."""

    form = StorageSpaceForm
    actions = ("test_store",)
    list_display = ("name", "slug", "backend", "duplicate_policy", "accepts_new_objects", "studies")
    fieldsets = (
        (None, {"fields": (("name", "slug"), "accepts_new_objects")}),
        ("Store", {"fields": ("backend", "prefix", "options_set", "new_options")}),
        (
            "Policies",
            {
                "fields": (
                    "duplicate_policy",
                    ("quiet_seconds", "max_wait_seconds"),
                    "retention_days",
                )
            },
        ),
        (
            "Told to subscribers",
            {"fields": ("wado_external_base_url", "wado_internal_base_url")},
        ),
        ("AE titles", {"fields": ("titles",)}),
    )
    readonly_fields = ("options_set", "titles")
    prepopulated_fields = {"slug": ("name",)}  # noqa: RUF012  # Django's own idiom

    def has_delete_permission(
        self,
        request: HttpRequest,  # noqa: ARG002
        obj: StorageSpace | None = None,  # noqa: ARG002
    ) -> bool:
        """Never: millions of rows may hang on a space. Let it refuse new objects instead."""
        return False

    def save_model(self, request: HttpRequest, obj: StorageSpace, form: Any, change: Any) -> None:
        """Save, then say whether the store works."""
        super().save_model(request, obj, form, change)
        self._report_store(request, obj)

    @admin.action(description="Test the store: write, read, delete", permissions=["change"])
    def test_store(self, request: HttpRequest, queryset: "QuerySet[StorageSpace]") -> None:
        """Say of each chosen space whether its store works."""
        for space in queryset:
            self._report_store(request, space)

    def _report_store(self, request: HttpRequest, space: StorageSpace) -> None:
        try:
            open_space_store(space).check()
        except IngestionError as error:
            self.message_user(request, f"{space}: {error} ({error.code})", messages.ERROR)
        else:
            self.message_user(request, f"{space}: the store works.", messages.SUCCESS)

    @display(description="Options that are set")
    def options_set(self, space: StorageSpace) -> SafeString:
        """Their names; values only where they cannot be secrets."""
        options = space.options or {}
        rows = [(key, _shown(key, options[key])) for key in sorted(options)]
        return RowsTable("Options", ("Option", "Value"), rows).render()

    @display(description="Studies")
    def studies(self, space: StorageSpace) -> SafeString:
        """Its studies."""
        return list_link(Study, "Studies", storage_space__id__exact=space.pk)

    @display(description="AE titles")
    def titles(self, space: StorageSpace) -> str:
        """AE titles whose objects rest here."""
        found = LocalApplicationEntity.objects.filter(storage_space=space)
        return ", ".join(found.values_list("ae_title", flat=True)) or "None"


def _shown(key: str, value: object) -> str:
    if key not in SHOWN_OPTIONS or (key == "endpoint_url" and "@" in urlsplit(str(value)).netloc):
        return HIDDEN
    return str(value)
