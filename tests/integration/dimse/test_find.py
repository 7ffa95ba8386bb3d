"""C-FIND: levels, information models, matches. Source: PS3.4 C.4.1, C.6."""

from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset

from ingestion.models import StorageSpace
from tests.builders import build_ct, part10_bytes
from tests.held_instances import hold
from tests.integration.dimse.conftest import Start
from tests.integration.dimse.find_client import (
    PATIENT_ROOT,
    PENDING,
    SUCCESS,
    associate,
    find,
    query,
)
from tests.scripted_peer import ScriptedPeer

A, B, C = "1.2.3.1", "1.2.3.2", "1.2.3.3"


def keep(space: StorageSpace, study: str, series: str, sop: str, **values: object) -> None:
    dataset = build_ct(study_instance_uid=study, series_instance_uid=series, sop_instance_uid=sop)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    hold(space, part10_bytes(dataset))


@pytest.fixture
def held(space: StorageSpace) -> StorageSpace:
    """Two studies of one patient, one of another."""
    jane = {"PatientName": "Doe^Jane", "PatientID": "P1"}
    keep(space, A, f"{A}.1", f"{A}.1.1", **jane, StudyDate="20260101", InstanceNumber=1)
    keep(space, A, f"{A}.1", f"{A}.1.2", **jane, StudyDate="20260101", InstanceNumber=2)
    keep(space, A, f"{A}.2", f"{A}.2.1", **jane, StudyDate="20260101", Modality="MR")
    keep(space, B, f"{B}.1", f"{B}.1.1", **jane, StudyDate="20260201")
    keep(space, C, f"{C}.1", f"{C}.1.1", PatientName="Roe^Jim", PatientID="P2")
    return space


@pytest.fixture
def peer(held: StorageSpace, start_service: Start) -> Iterator[ScriptedPeer]:
    with start_service().connect() as peer:
        yield associate(peer)


def values(matches: list[Dataset], keyword: str) -> list[object]:
    return [match.get(keyword) for match in matches]


def test_studies_are_found_with_what_was_asked(peer: ScriptedPeer) -> None:
    answer = find(
        peer,
        query(
            "STUDY",
            PatientID="P1",
            PatientName="",
            StudyDate="",
            StudyInstanceUID="",
            ModalitiesInStudy="",
            NumberOfStudyRelatedSeries=None,
            NumberOfStudyRelatedInstances=None,
            AccessionNumber="",
        ),
    )
    assert (answer.status, answer.pending) == (SUCCESS, {PENDING})
    assert values(answer.matches, "StudyInstanceUID") == [B, A]
    found = answer.matches[1]
    assert sorted(element.keyword for element in found) == sorted(
        [
            "QueryRetrieveLevel",
            "RetrieveAETitle",
            "InstanceAvailability",
            "PatientID",
            "PatientName",
            "StudyDate",
            "StudyInstanceUID",
            "ModalitiesInStudy",
            "NumberOfStudyRelatedSeries",
            "NumberOfStudyRelatedInstances",
            "AccessionNumber",
        ]
    )
    assert found.QueryRetrieveLevel == "STUDY"
    assert found.RetrieveAETitle == "INGEST"
    assert found.InstanceAvailability == "ONLINE"
    assert found.PatientName == "Doe^Jane"
    assert found.ModalitiesInStudy == ["CT", "MR"]
    assert (found.NumberOfStudyRelatedSeries, found.NumberOfStudyRelatedInstances) == (2, 3)


def test_patients_are_found_once_with_their_counts(peer: ScriptedPeer) -> None:
    answer = find(
        peer,
        query(
            "PATIENT",
            PatientID="",
            PatientName="",
            NumberOfPatientRelatedStudies=None,
            NumberOfPatientRelatedSeries=None,
            NumberOfPatientRelatedInstances=None,
        ),
        model=PATIENT_ROOT,
    )
    assert (answer.status, answer.pending) == (SUCCESS, {PENDING})
    assert [
        (
            found.PatientID,
            found.PatientName,
            found.NumberOfPatientRelatedStudies,
            found.NumberOfPatientRelatedSeries,
            found.NumberOfPatientRelatedInstances,
        )
        for found in answer.matches
    ] == [("P1", "Doe^Jane", 2, 3, 4), ("P2", "Roe^Jim", 1, 1, 1)]
