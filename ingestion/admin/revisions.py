"""Revisions: the settled states of studies, with their change sets."""

from collections.abc import Sequence

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ingestion.admin.filters import PeriodFilter
from ingestion.admin.large_tables import UID_PREFIX, LargeRecordAdmin, SearchTerm
from ingestion.admin.linked_rows import ROWS_MAX, RowsTable, change_link
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
    fields = ("study_link", ("number", "created_at"))
    readonly_fields = ("study_link",)

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

    def tables(self, record: StudyRevision) -> Sequence[RowsTable]:
        """The change set."""
        return (
            _changes_table("Additions", record.additions),
            _changes_table("Modifications", record.modifications),
            _changes_table("Deletions", record.deletions),
        )


def _changes_table(title: str, changes: Sequence[str]) -> RowsTable:
    """A change is written `<Series Instance UID>/<SOP Instance UID>`."""
    return RowsTable(
        title,
        ("Series Instance UID", "SOP Instance UID"),
        [change.partition("/")[::2] for change in changes[: ROWS_MAX + 1]],
    )
