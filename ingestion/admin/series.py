"""Series: their attributes and instances; never edited by hand."""

from collections.abc import Sequence

from django.contrib import admin
from django.utils.safestring import SafeString

from ingestion.admin.display_values import date_text, size_text, time_text
from ingestion.admin.filters import PeriodFilter
from ingestion.admin.large_tables import UID_PREFIX, LargeRecordAdmin, SearchTerm
from ingestion.admin.linked_rows import ROWS_MAX, RowsTable, change_link, list_link
from ingestion.admin.unfold_admin import display
from ingestion.models import Instance, Series, Study


@admin.register(Series)
class SeriesAdmin(LargeRecordAdmin[Series]):
    """The series list and the page of a series."""

    list_display = (
        "series_instance_uid",
        "modality",
        "series_number",
        "series_description",
        "body_part_examined",
        "number_of_instances",
        "study_link",
        "created_at",
    )
    list_select_related = ("study",)
    list_filter = (PeriodFilter,)
    search_terms = (SearchTerm("series_instance_uid__startswith", UID_PREFIX),)
    search_help_text = "Begin of Series Instance UID"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "study_link",
                    "series_instance_uid",
                    ("modality", "series_number", "body_part_examined"),
                    "series_description",
                    ("date", "time", "number_of_instances"),
                    ("created_at", "changed_at", "deleted_at"),
                )
            },
        ),
    )
    readonly_fields = ("study_link", "date", "time")

    @display(description="Study")
    def study_link(self, series: Series) -> SafeString:
        """Its study."""
        return change_link(Study, series.study_id, series.study.study_instance_uid)

    @display(description="Series date")
    def date(self, series: Series) -> str:
        """Series Date."""
        return date_text(series.series_date)

    @display(description="Series time")
    def time(self, series: Series) -> str:
        """Series Time."""
        return time_text(series.series_time)

    def tables(self, record: Series) -> Sequence[RowsTable]:
        """Its instances, in order of Instance Number."""
        found = Instance.objects.filter(series=record).order_by("instance_number", "pk")
        rows = [
            (
                "" if instance.instance_number is None else instance.instance_number,
                change_link(Instance, instance.pk, instance.sop_instance_uid),
                instance.number_of_frames or 1,
                f"{instance.rows} × {instance.columns}" if instance.rows else "",
                size_text(instance.size_bytes),
                "deleted" if instance.deleted_at else "",
            )
            for instance in found[: ROWS_MAX + 1]
        ]
        headers = ("Number", "SOP Instance UID", "Frames", "Rows × columns", "Size", "")
        more = list_link(Instance, "All instances", series__id__exact=record.pk)
        return (RowsTable("Instances", headers, rows, more),)
