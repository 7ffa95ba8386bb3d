"""Retired objects: bytes that wait for the end of their retention."""

from django.contrib import admin

from ingestion.admin.display_values import size_text
from ingestion.admin.filters import RetiredFilter
from ingestion.admin.large_tables import UID_PREFIX, LargeRecordAdmin, SearchTerm
from ingestion.admin.unfold_admin import display
from ingestion.models import RetiredObject


@admin.register(RetiredObject)
class RetiredObjectAdmin(LargeRecordAdmin[RetiredObject]):
    """The list of what will be removed, and when."""

    list_display = (
        "sop_instance_uid",
        "reason",
        "size",
        "storage_space",
        "retired_at",
        "removable_at",
    )
    list_select_related = ("storage_space",)
    list_filter = ("reason", RetiredFilter, "storage_space")
    search_terms = (SearchTerm("sop_instance_uid__startswith", UID_PREFIX),)
    search_help_text = "Begin of SOP Instance UID"
    fields = (
        "sop_instance_uid",
        ("reason", "retired_at", "removable_at"),
        "storage_space",
        "location",
        ("size", "sha256"),
    )
    readonly_fields = ("size", "sha256")

    @display(description="Size")
    def size(self, retired: RetiredObject) -> str:
        """Bytes of the stored object."""
        return size_text(retired.size_bytes)

    @display(description="SHA-256 of the data set")
    def sha256(self, retired: RetiredObject) -> str:
        """The hash as hexadecimal digits."""
        return bytes(retired.data_set_sha256).hex()
