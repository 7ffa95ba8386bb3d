"""Performed procedure steps as modalities report them, and what they let expect of studies."""

from collections.abc import Sequence

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ingestion.admin.data_set_tree import data_set_tree
from ingestion.admin.display_values import date_text, person_name_text
from ingestion.admin.filters import PeriodFilter
from ingestion.admin.large_tables import UID_PREFIX, LargeRecordAdmin, SearchTerm, is_list
from ingestion.admin.linked_rows import ROWS_MAX, RowsTable, change_link
from ingestion.admin.unfold_admin import display
from ingestion.models import (
    CompletenessHint,
    PerformedProcedureStep,
    ProcedureStepStatus,
    Study,
)


@admin.register(PerformedProcedureStep)
class PerformedProcedureStepAdmin(LargeRecordAdmin[PerformedProcedureStep]):
    """The list of steps and the page of one."""

    list_display = (
        "sop_instance_uid",
        "status_label",
        "modality",
        "modality_ae_title",
        "performed_procedure_step_id",
        "patient",
        "started",
        "changed_at",
        "storage_space",
    )
    list_select_related = ("storage_space",)
    list_filter = ("status", PeriodFilter, "storage_space")
    search_terms = (
        SearchTerm("sop_instance_uid__startswith", UID_PREFIX),
        SearchTerm("study_instance_uids__contains", UID_PREFIX, lambda text: [text]),
        SearchTerm("patient_id"),
    )
    search_help_text = "Begin of SOP Instance UID, Study Instance UID, or Patient ID"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "sop_instance_uid",
                    ("status", "modality", "modality_ae_title"),
                    ("performed_procedure_step_id", "started"),
                    ("patient", "patient_id"),
                    ("created_at", "changed_at"),
                    "storage_space",
                )
            },
        ),
        ("Attributes", {"fields": ("attributes",)}),
    )
    readonly_fields = ("patient", "started", "attributes")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[PerformedProcedureStep]":
        """Lists do without the data sets."""
        rows = super().get_queryset(request)
        return rows.defer("data_set") if is_list(request) else rows

    @display(
        description="Status",
        label={
            ProcedureStepStatus.IN_PROGRESS.value: "warning",
            ProcedureStepStatus.COMPLETED.value: "success",
            ProcedureStepStatus.DISCONTINUED.value: "danger",
        },
    )
    def status_label(self, step: PerformedProcedureStep) -> tuple[str, str]:
        """Performed Procedure Step Status."""
        return step.status, step.get_status_display()

    @display(description="Patient")
    def patient(self, step: PerformedProcedureStep) -> str:
        """Patient's Name."""
        return person_name_text(step.patient_name)

    @display(description="Started on")
    def started(self, step: PerformedProcedureStep) -> str:
        """Performed Procedure Step Start Date."""
        return date_text(step.started_on)

    @display(description="Attributes")
    def attributes(self, step: PerformedProcedureStep) -> SafeString:
        """The whole step."""
        return data_set_tree(step.data_set)

    def tables(self, record: PerformedProcedureStep) -> Sequence[RowsTable]:
        """Its studies, and what it told of their completeness."""
        return (_studies_of(record), _hints_of(record))


def _studies_of(step: PerformedProcedureStep) -> RowsTable:
    held = Study.objects.filter(
        storage_space=step.storage_space_id, study_instance_uid__in=step.study_instance_uids
    )
    known = {study.study_instance_uid: study for study in held[: ROWS_MAX + 1]}
    rows: list[tuple[object, ...]] = []
    for uid in step.study_instance_uids[: ROWS_MAX + 1]:
        study = known.get(uid)
        link = uid if study is None else change_link(Study, study.pk, uid)
        rows.append((link, "not here" if study is None else study.number_of_instances))
    return RowsTable("Studies", ("Study Instance UID", "Instances held"), rows)


def _hints_of(step: PerformedProcedureStep) -> RowsTable:
    hints = CompletenessHint.objects.filter(
        storage_space=step.storage_space_id, source_uid=step.sop_instance_uid
    ).annotate(instances=F("sop_instance_uids__len"))
    return RowsTable(
        "Completeness",
        ("Study Instance UID", "Instances", "Told", "All here", "Waits until"),
        [
            (
                hint.study_instance_uid,
                hint.instances,
                hint.told_at,
                hint.fulfilled_at or "not yet",
                hint.expires_at,
            )
            for hint in hints.defer("sop_instance_uids")[: ROWS_MAX + 1]
        ],
    )
