"""Studies: what is held of each, its series, conflicts and revisions; never edited by hand."""

import re
from collections.abc import Sequence
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ingestion.admin.delete_studies import delete_studies, may_delete_studies
from ingestion.admin.display_values import date_text, person_name_text, size_text, time_text
from ingestion.admin.filters import StudyDateFilter
from ingestion.admin.large_tables import UID_PREFIX, LargeRecordAdmin, SearchTerm
from ingestion.admin.linked_rows import ROWS_MAX, RowsTable, change_link, list_link
from ingestion.admin.unfold_admin import display
from ingestion.dicom.person_names import normalized
from ingestion.models import AttributeConflict, Event, Series, Study, StudyRevision

# Trigrams need three letters to narrow anything down.
NAME = re.compile(r"(?=.*[^\W\d_]{3}).{3,64}")
MODALITIES = ("CT", "MR", "US", "DX", "CR", "MG", "NM", "PT", "XA", "RF", "SR", "OT")


class ModalityFilter(SimpleListFilter):
    """Studies that contain a modality; a fixed list, since asking the table would scan it."""

    title = "modality"
    parameter_name = "modality"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """The common modalities (PS3.3 C.7.3.1.1.1)."""
        return [(modality, modality) for modality in MODALITIES]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Study]") -> "QuerySet[Study]":  # noqa: ARG002
        """Studies with the chosen modality."""
        modality = self.value()
        return queryset.filter(modalities__contains=[modality]) if modality else queryset


STATES = {
    "settling": lambda studies: studies.filter(settles_at__isnull=False),
    "conflicting": lambda studies: studies.filter(
        Exists(AttributeConflict.objects.filter(study=OuterRef("pk")))
    ),
}


class StateFilter(SimpleListFilter):
    """Studies that somebody may wait for or look into."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:  # noqa: ARG002
        """What can be asked for."""
        return [("settling", "Waiting for a revision"), ("conflicting", "Conflicting attributes")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Study]") -> "QuerySet[Study]":  # noqa: ARG002
        """Studies in the chosen state."""
        narrow = STATES.get(self.value() or "")
        return narrow(queryset) if narrow else queryset


@admin.register(Study)
class StudyAdmin(LargeRecordAdmin[Study]):
    """The study list and the page of a study."""

    list_display = (
        "patient",
        "patient_id",
        "date",
        "modalities_text",
        "study_description",
        "accession_number",
        "contents",
        "size",
        "state",
        "storage_space",
    )
    list_select_related = ("storage_space",)
    list_filter = ("storage_space", ModalityFilter, StudyDateFilter, StateFilter)
    search_terms = (
        SearchTerm("study_instance_uid__startswith", UID_PREFIX),
        SearchTerm("patient_id"),
        SearchTerm("accession_number"),
        SearchTerm("patient_name_normalized__contains", NAME, normalized),
    )
    search_help_text = "Patient name, Patient ID, Accession Number, or begin of Study Instance UID"
    actions = (delete_studies,)
    fieldsets = (
        (
            "Patient",
            {
                "fields": (
                    ("patient", "patient_id", "issuer_of_patient_id"),
                    ("birth_date", "patient_sex"),
                )
            },
        ),
        (
            "Study",
            {
                "fields": (
                    ("study_instance_uid", "viewer"),
                    ("date", "time", "study_id"),
                    ("accession_number", "study_description", "referring_physician"),
                )
            },
        ),
        (
            "Held",
            {
                "fields": (
                    ("contents", "size", "modalities_text"),
                    ("created_at", "changed_at", "state_text"),
                    ("storage_space", "events"),
                )
            },
        ),
    )
    readonly_fields = (
        "patient",
        "birth_date",
        "date",
        "time",
        "referring_physician",
        "modalities_text",
        "contents",
        "size",
        "state_text",
        "events",
        "viewer",
    )

    def has_deletion_permission(self, request: HttpRequest) -> bool:
        """Whether the user may delete what is held; rows themselves are never removed here."""
        return may_delete_studies(request)

    @display(description="Patient")
    def patient(self, study: Study) -> str:
        """Patient's Name, family name first."""
        return person_name_text(study.patient_name) or "(no name)"

    @display(description="Born")
    def birth_date(self, study: Study) -> str:
        """Patient's Birth Date."""
        return date_text(study.patient_birth_date)

    @display(description="Study date")
    def date(self, study: Study) -> SafeString:
        """Study Date, on one line."""
        return format_html('<span class="whitespace-nowrap">{}</span>', date_text(study.study_date))

    @display(description="Study time")
    def time(self, study: Study) -> str:
        """Study Time."""
        return time_text(study.study_time)

    @display(description="Referring physician")
    def referring_physician(self, study: Study) -> str:
        """Referring Physician's Name."""
        return person_name_text(study.referring_physician_name)

    @display(description="Modalities")
    def modalities_text(self, study: Study) -> str:
        """Modalities in Study."""
        return ", ".join(study.modalities)

    @display(description="Series / instances")
    def contents(self, study: Study) -> str:
        """How many of each are held."""
        return f"{study.number_of_series:,} / {study.number_of_instances:,}"

    @display(description="Size")
    def size(self, study: Study) -> str:
        """Bytes held."""
        return size_text(study.size_bytes)

    @display(
        description="State",
        label={"deleted": "danger", "settling": "warning", "settled": "success", "new": "info"},
    )
    def state(self, study: Study) -> tuple[str, str]:
        """Where the study is between its first instance and its latest revision."""
        if study.deleted_at:
            return "deleted", "Deleted"
        if study.settles_at:
            return "settling", "Settling"
        if study.latest_revision is None:
            return "new", "No revision yet"
        return "settled", f"Revision {study.latest_revision}"

    @display(description="State")
    def state_text(self, study: Study) -> str:
        """The state in words."""
        return self.state(study)[1]

    @display(description="Events")
    def events(self, study: Study) -> SafeString:
        """What was told of it."""
        return list_link(Event, "Events of this study", q=study.study_instance_uid)

    @display(description="Images")
    def viewer(self, study: Study) -> SafeString | str:
        """A link that opens the study in the viewer, where there is one."""
        if not (settings.VIEWER_FOLDER / "index.html").is_file():
            return ""
        query = urlencode({"StudyInstanceUIDs": study.study_instance_uid})
        address = f"{reverse('viewer')}viewer?{query}"
        return format_html('<a class="text-link" href="{}">Open in the viewer</a>', address)

    def tables(self, record: Study) -> Sequence[RowsTable]:
        """Its series, revisions and conflicts."""
        return (_series_of(record), _revisions_of(record), _conflicts_of(record))


def _series_of(study: Study) -> RowsTable:
    """In order of Series Number."""
    found = Series.objects.filter(study=study).order_by("series_number", "pk")[: ROWS_MAX + 1]
    return RowsTable(
        "Series",
        ("Number", "Modality", "Description", "Series Instance UID", "Instances", ""),
        [
            (
                "" if series.series_number is None else series.series_number,
                series.modality,
                series.series_description,
                change_link(Series, series.pk, series.series_instance_uid),
                series.number_of_instances,
                "deleted" if series.deleted_at else "",
            )
            for series in found
        ],
        list_link(Series, "All series", study__id__exact=study.pk),
    )


def _revisions_of(study: Study) -> RowsTable:
    """The latest first."""
    found = StudyRevision.objects.filter(study=study).defer("snapshot").order_by("-number")
    return RowsTable(
        "Revisions",
        ("Revision", "Made", "Additions", "Modifications", "Deletions"),
        [
            (
                change_link(StudyRevision, revision.pk, revision.number),
                revision.created_at,
                len(revision.additions),
                len(revision.modifications),
                len(revision.deletions),
            )
            for revision in found[: ROWS_MAX + 1]
        ],
        list_link(StudyRevision, "All revisions", study__id__exact=study.pk),
    )


def _conflicts_of(study: Study) -> RowsTable:
    """Values that instances of the study gave otherwise than the latest did."""
    found = AttributeConflict.objects.filter(study=study).order_by("keyword", "pk")
    return RowsTable(
        "Conflicting attributes",
        ("Attribute", "Also seen as", "First seen"),
        [(row.keyword, row.value, row.first_seen_at) for row in found[: ROWS_MAX + 1]],
    )
