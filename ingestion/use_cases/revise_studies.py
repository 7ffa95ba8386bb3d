"""Quiet studies become revisions: numbered without gaps, each change in exactly one.

The clock is a column. The study's row is locked while it is revised, and registration
writes that row first, so no change can slip between reading and numbering.
"""

from dataclasses import dataclass

import orjson
import structlog
import zstandard
from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from ingestion.domain.events import InstanceFacts, SeriesFacts, StudyFacts, study_snapshot
from ingestion.domain.revision_changes import Change, ChangeSet, Kind, change_set
from ingestion.errors import DatabaseUnavailable
from ingestion.models import (
    Event,
    EventType,
    Instance,
    InstanceChange,
    Series,
    Study,
    StudyRevision,
)
from ingestion.wakeups import Work, wake

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Selected:
    """What subscriptions select an event by."""

    modalities: set[str]
    sop_classes: set[str]


def revise_due_studies(*, limit: int = 100) -> int:
    """Revise studies past their quiet period. Returns how many; 0: nothing due.

    Raises `DatabaseUnavailable`; the rows stay due.
    """
    try:
        for revised in range(limit):
            if not _revise_next():
                return revised
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable("the database did not confirm") from error
    return limit


def _revise_next() -> bool:
    """Revise the study that is due longest. False: none is due."""
    with transaction.atomic():
        study = (
            Study.objects.select_for_update(skip_locked=True)
            .filter(settles_at__lte=Now())
            .order_by("settles_at")
            .first()
        )
        if study is None:
            return False
        _revise(study)
        transaction.on_commit(lambda: wake(Work.FAN_OUT), robust=True)
    return True


def _revise(study: Study) -> None:
    pending = InstanceChange.objects.filter(study=study, revision__isnull=True)
    rows = pending.order_by("id").values_list(
        "id", "series_instance_uid", "sop_instance_uid", "kind"
    )
    ids, changes = [], []
    for row_id, series_uid, sop_uid, kind in rows:
        ids.append(row_id)
        changes.append(Change(f"{series_uid}/{sop_uid}", Kind(kind)))
    net = change_set(changes)
    if net:
        revision = _write_revision(study, net)
        InstanceChange.objects.filter(pk__in=ids).update(revision=revision)
    else:  # what came and went within one quiet period was never told
        InstanceChange.objects.filter(pk__in=ids).delete()
    study.settles_at = study.changes_since = None
    study.save(update_fields=["settles_at", "changes_since", "latest_revision"])


def _write_revision(study: Study, net: ChangeSet) -> StudyRevision:
    """Append revision n+1 and its event. The study's row must be locked."""
    number = 0 if study.latest_revision is None else study.latest_revision + 1
    revision = StudyRevision.objects.create(
        study=study,
        number=number,
        additions=list(net.additions),
        modifications=list(net.modifications),
        deletions=list(net.deletions),
        snapshot=zstandard.compress(orjson.dumps(_snapshot(study)), 3),
    )
    selected_by = _selected_by(study, net)
    Event.objects.create(
        type=EventType.STUDY_REVISION,
        storage_space_id=study.storage_space_id,
        study_instance_uid=study.study_instance_uid,
        modalities=sorted(selected_by.modalities),
        sop_classes=sorted(selected_by.sop_classes),
        revision=revision,
    )
    study.latest_revision = number
    log.info(
        "study revised",
        study_instance_uid=study.study_instance_uid,
        revision=number,
        additions=len(net.additions),
        modifications=len(net.modifications),
        deletions=len(net.deletions),
    )
    return revision


def _selected_by(study: Study, net: ChangeSet) -> _Selected:
    """What subscriptions select the revision by: what is held, and what it tells as deleted."""
    modalities, sop_classes = set(study.modalities), set(study.sop_classes)
    if net.deletions:
        uids = [reference.partition("/")[2] for reference in net.deletions]
        deleted = Instance.objects.filter(
            storage_space_id=study.storage_space_id, sop_instance_uid__in=uids, series__study=study
        )
        for modality, sop_class in deleted.values_list("series__modality", "sop_class_uid"):
            modalities.add(modality)
            sop_classes.add(sop_class)
    return _Selected(modalities - {""}, sop_classes)


def _snapshot(study: Study) -> dict[str, object]:
    """The whole study as it is now, in two queries."""
    instances: dict[int, list[InstanceFacts]] = {}
    for series_id, sop_uid, class_uid, number in (
        Instance.objects.filter(series__study=study, deleted_at__isnull=True)
        .order_by("series_id", "instance_number", "id")
        .values_list("series_id", "sop_instance_uid", "sop_class_uid", "instance_number")
    ):
        instances.setdefault(series_id, []).append(InstanceFacts(sop_uid, class_uid, number))
    series = Series.objects.filter(study=study, deleted_at__isnull=True)
    return study_snapshot(
        StudyFacts(
            study_instance_uid=study.study_instance_uid,
            study_date=study.study_date,
            accession_number=study.accession_number,
            modalities="\\".join(study.modalities),
            referring_physician_name=study.referring_physician_name,
            patient_name=study.patient_name,
            study_description=study.study_description,
            patient_id=study.patient_id,
            patient_birth_date=study.patient_birth_date,
            patient_sex=study.patient_sex,
        ),
        (
            SeriesFacts(
                series_instance_uid=item.series_instance_uid,
                number=item.series_number,
                modality=item.modality,
                description=item.series_description,
                performed_procedure_step_start_date=item.performed_procedure_step_start_date,
                performed_procedure_step_start_time=item.performed_procedure_step_start_time,
                instances=tuple(instances.get(item.pk, ())),
            )
            for item in series.order_by("series_number", "id")
        ),
    )
