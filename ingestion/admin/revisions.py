"""Revisions: the settled states of studies, with their change sets."""

from collections.abc import Sequence

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ingestion.admin.filters import PeriodFilter
from ingestion.admin.large_tables import UID_PREFIX, LargeRecordAdmin, SearchTerm
from ingestion.admin.linked_rows import ROWS_MAX, change_link, rows_table
from ingestion.admin.unfold_admin import display
from ingestion.models import Study, StudyRevision


@admin.register(StudyRevision)
class StudyRevisionAdmin(LargeRecordAdmin[StudyRevision]):
    """The list of revisions and the page of one with what it changed."""

    list_display = ("study_link", "number", "created_at", "added", "modified", "deleted")
    list_select_related = ("study",)
    list_filter = (PeriodFilter,)
    search_terms = (SearchTerm("study__study_instance_uid__startswith", UID_PREFIX),)
    search_help_text = "Begin of Study Instance UID"
    fieldsets = (
        (None, {"fields": ("study_link", ("number", "created_at"))}),
        ("Additions", {"fields": ("additions_table",)}),
        ("Modifications", {"fields": ("modifications_table",)}),
        ("Deletions", {"fields": ("deletions_table",)}),
    )
    readonly_fields = ("study_link", "additions_table", "modifications_table", "deletions_table")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[StudyRevision]":
        """Without snapshots: they may be megabytes."""
        return super().get_queryset(request).defer("snapshot")

    @display(description="Study")
    def study_link(self, revision: StudyRevision) -> SafeString:
        """Its study."""
        return change_link(Study, revision.study_id, revision.study.study_instance_uid)

    @display(description="Additions")
    def added(self, revision: StudyRevision) -> int:
        """Number of added instances."""
        return len(revision.additions)

    @display(description="Modifications")
    def modified(self, revision: StudyRevision) -> int:
        """Number of modified instances."""
        return len(revision.modifications)

    @display(description="Deletions")
    def deleted(self, revision: StudyRevision) -> int:
        """Number of deleted instances."""
        return len(revision.deletions)

    @display(description="Added instances")
    def additions_table(self, revision: StudyRevision) -> SafeString:
        """The added instances."""
        return _changes_table(revision.additions)

    @display(description="Modified instances")
    def modifications_table(self, revision: StudyRevision) -> SafeString:
        """The modified instances."""
        return _changes_table(revision.modifications)

    @display(description="Deleted instances")
    def deletions_table(self, revision: StudyRevision) -> SafeString:
        """The deleted instances."""
        return _changes_table(revision.deletions)


def _changes_table(changes: Sequence[str]) -> SafeString:
    """A change is written `<Series Instance UID>/<SOP Instance UID>`."""
    return rows_table(
        ("Series Instance UID", "SOP Instance UID"),
        [change.partition("/")[::2] for change in changes[: ROWS_MAX + 1]],
    )
