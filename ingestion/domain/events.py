"""What subscribers are told: the original's field names first, then ours.

`DicomAvailableEvent` is `{provider, endpoint}`, `StudyRevisionEvent` is `{revision, study,
changeSet}`; references in change sets are `<series UID>/<SOP UID>`. `DicomDeletedEvent` is ours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Provider:
    """A storage space as subscribers know it: its name and its DICOMweb roots."""

    name: str
    internal_root: str
    external_root: str


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """The attributes of a study that a revision tells. Text, empty when absent."""

    study_instance_uid: str
    study_date: str
    accession_number: str
    modalities: str
    referring_physician_name: str
    patient_name: str
    study_description: str
    patient_id: str
    patient_birth_date: str
    patient_sex: str


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """An instance as a revision tells it."""

    sop_instance_uid: str
    sop_class_uid: str
    number: int | None


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """A series as a revision tells it."""

    series_instance_uid: str
    number: int | None
    modality: str
    description: str
    performed_procedure_step_start_date: str
    performed_procedure_step_start_time: str
    instances: tuple[InstanceFacts, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """The study, series or instance that an event is about; UIDs below its level are ''."""

    study_instance_uid: str
    series_instance_uid: str = ""
    sop_instance_uid: str = ""

    @property
    def path(self) -> str:
        """Its resource below a DICOMweb root."""
        uids = (self.study_instance_uid, self.series_instance_uid, self.sop_instance_uid)
        names = ("studies", "series", "instances")
        return "".join(f"/{name}/{uid}" for name, uid in zip(names, uids, strict=True) if uid)


def subject_data(provider: Provider, subject: Subject, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a `DicomAvailableEvent` or `DicomDeletedEvent`: where it is or was, and facts."""
    uids = {
        "studyInstanceUID": subject.study_instance_uid,
        "seriesInstanceUID": subject.series_instance_uid,
        "sopInstanceUID": subject.sop_instance_uid,
    }
    return {
        "provider": provider.name,
        "endpoint": provider.internal_root + subject.path,
        "externalEndpoint": provider.external_root + subject.path,
        **{name: uid for name, uid in uids.items() if uid},
        **facts,
    }


def study_snapshot(study: StudyFacts, series: Iterable[SeriesFacts]) -> dict[str, Any]:
    """The `study` of a `StudyRevisionEvent`, without the endpoints, which may change."""
    return {
        "studyInstanceUID": study.study_instance_uid,
        "studyDate": study.study_date or None,
        "attributes": _elements(
            ("0008", "0050", "SH", study.accession_number),
            ("0008", "0061", "CS", study.modalities),
            ("0008", "0090", "PN", study.referring_physician_name),
            ("0008", "1030", "LO", study.study_description),
            ("0010", "0010", "PN", study.patient_name),
            ("0010", "0020", "LO", study.patient_id),
            ("0010", "0030", "DA", study.patient_birth_date),
            ("0010", "0040", "CS", study.patient_sex),
        ),
        "series": [_series(item) for item in series],
    }


def revision_data(
    provider: Provider,
    *,
    number: int,
    snapshot: Mapping[str, Any],
    additions: list[str],
    modifications: list[str],
    deletions: list[str],
) -> dict[str, Any]:
    """The data of a `StudyRevisionEvent`."""
    root = f"{provider.external_root}/studies/{snapshot['studyInstanceUID']}"
    series = [
        {
            **item,
            "endpoint": f"{root}/series/{item['seriesInstanceUID']}",
            "providerName": provider.name,
        }
        for item in snapshot["series"]
    ]
    return {
        "revision": number,
        "study": {**snapshot, "series": series, "endpoint": root},
        "changeSet": {
            "additions": additions,
            "deletions": deletions,
            "modifications": modifications,
        },
    }


def _series(series: SeriesFacts) -> dict[str, Any]:
    return {
        "seriesInstanceUID": series.series_instance_uid,
        "number": series.number,
        "modality": series.modality or None,
        "attributes": _elements(
            ("0008", "103E", "LO", series.description),
            ("0040", "0244", "DA", series.performed_procedure_step_start_date),
            ("0040", "0245", "TM", series.performed_procedure_step_start_time),
        ),
        "instances": [
            {
                "sopInstanceUID": instance.sop_instance_uid,
                "sopClassUID": instance.sop_class_uid,
                "number": instance.number,
            }
            for instance in series.instances
        ],
    }


def _elements(*elements: tuple[str, str, str, str]) -> list[dict[str, str]]:
    return [
        {"group": group, "element": element, "vr": vr, "value": value}
        for group, element, vr, value in elements
        if value
    ]
