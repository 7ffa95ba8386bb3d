"""`manage.py dimse_find`: what a peer has, in a table or as DICOM JSON."""

import json
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from ingestion.models import AssociationRecord, StorageSpace
from tests.builders import new_uid
from tests.dicom_peers import finding, listening_peer
from tests.integration.commands.dimse_commands import register, run, write_files
from tests.integration.dimse.conftest import Start

Capture = pytest.CaptureFixture[str]
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture
def archive(start_service: Start, tmp_path: Path, capsys: Capture) -> tuple[str, str]:
    """Our service with two studies; whom to call, and the UID of the study of Roe."""
    service = start_service(dimse_any_calling_ae_from_loopback=True)
    destination, study = f"INGEST@127.0.0.1:{service.port}", new_uid()
    write_files(tmp_path / "doe", 2, patient_name="Doe^Jane")
    write_files(tmp_path / "roe", 3, patient_name="Roe^Rüdiger", study_instance_uid=study)
    run(capsys, "dimse_send", destination, tmp_path / "doe", tmp_path / "roe")
    register()
    return destination, study


def match(**attributes: str) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "STUDY"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def test_studies_are_shown_in_a_table(archive: tuple[str, str], capsys: Capture) -> None:
    destination, study = archive
    words = ("-k", "PatientName=ROE*", "-k", "NumberOfStudyRelatedInstances")
    ended = run(capsys, "dimse_find", destination, *words)
    assert ended.status == 0, ended
    assert "Roe^Rüdiger" in ended.told
    assert study in ended.told
    assert "NumberOfStudyRelatedInstances" in ended.told
    assert "Doe^Jane" not in ended.told
    assert "1 match" in ended.told


def test_instances_come_as_json(archive: tuple[str, str], capsys: Capture) -> None:
    destination, study = archive
    words = ("--level", "IMAGE", "-k", f"StudyInstanceUID={study}", "--json")
    series = run(
        capsys, "dimse_find", destination, "--level", "SERIES", "--json",
        "-k", f"StudyInstanceUID={study}",
    )  # fmt: skip
    found = {one["0020000E"]["Value"][0] for one in json.loads(series.told)}
    instances = []
    for uid in found:
        ended = run(capsys, "dimse_find", destination, *words, "-k", f"SeriesInstanceUID={uid}")
        instances += json.loads(ended.told)
    assert len(instances) == 3
    assert instances[0]["00080052"]["Value"] == ["IMAGE"]


def test_nothing_found_is_an_answer(archive: tuple[str, str], capsys: Capture) -> None:
    ended = run(capsys, "dimse_find", archive[0], "-k", "PatientID=nobody", "--json")
    assert (ended.status, json.loads(ended.told)) == (0, [])
    ended = run(capsys, "dimse_find", archive[0], "-k", "PatientID=nobody")
    assert "0 matches" in ended.told


def test_patients_are_found_by_patient_root(archive: tuple[str, str], capsys: Capture) -> None:
    ended = run(capsys, "dimse_find", archive[0], "--level", "PATIENT")
    assert ended.status == 0, ended
    assert "P-1001" in ended.told  # of both studies
    assert "1 match" in ended.told


def test_query_is_cancelled_at_the_limit(space: StorageSpace, capsys: Capture) -> None:
    matches = [match(StudyInstanceUID=f"1.2.{number}") for number in range(200)]
    with listening_peer(contexts={STUDY_ROOT: [EXPLICIT]}, handlers=[finding(matches)]) as port:
        ended = run(capsys, "dimse_find", f"PEER@127.0.0.1:{port}", "--limit", 5)
    assert ended.status == 0, ended
    assert "5 matches, and there are more" in ended.told
    assert "1.2.5" not in ended.told


def test_attributes_of_sequences_are_asked_for_and_shown(
    space: StorageSpace, capsys: Capture
) -> None:
    answer = match(StudyInstanceUID="1.2.3")
    answer.RequestAttributesSequence = [match(), Dataset()]
    answer.RequestAttributesSequence[0].RequestedProcedureID = "RP-1"
    with listening_peer(contexts={STUDY_ROOT: [EXPLICIT]}, handlers=[finding([answer])]) as port:
        key = "RequestAttributesSequence.RequestedProcedureID=RP-1"
        ended = run(capsys, "dimse_find", f"PEER@127.0.0.1:{port}", "-k", key)
    assert "RP-1" in ended.told
    assert "RequestAttributesSequence.RequestedProcedureID" in ended.told


def test_keys_that_the_peer_does_without_are_told(
    archive: tuple[str, str], capsys: Capture
) -> None:
    words = ("-k", "ScheduledProcedureStepSequence.Modality=MR")
    ended = run(capsys, "dimse_find", archive[0], *words)
    assert "3 matches" in ended.told
    assert "does not support some of the keys (FF01)" in ended.error
    assert "FF01" not in run(capsys, "dimse_find", archive[0]).error
    ended = run(capsys, "dimse_find", archive[0], *words, "--json")
    assert len(json.loads(ended.told)) == 3
    assert "FF01" in ended.error


def test_failure_is_told_in_words(space: StorageSpace, capsys: Capture) -> None:
    handlers = [finding([], last=0xA900)]
    with listening_peer(contexts={STUDY_ROOT: [EXPLICIT]}, handlers=handlers) as port:
        ended = run(capsys, "dimse_find", f"PEER@127.0.0.1:{port}")
    assert ended.status == 1
    assert "C-FIND with status A900 data set does not match SOP Class" in ended.error
    assert AssociationRecord.objects.get().outcome == "released"


def test_peer_without_queries_is_told(space: StorageSpace, capsys: Capture) -> None:
    with listening_peer() as port:
        ended = run(capsys, "dimse_find", f"PEER@127.0.0.1:{port}")
    assert ended.status == 1
    assert "not the query: SOP Class not supported" in ended.error
    assert AssociationRecord.objects.get().outcome == "released"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-k", "NoSuchKeyword=1"), "NoSuchKeyword"),
        (("-k", "PatientID.PatientName=1"), "no sequence"),
        (("-k", "RequestAttributesSequence=1"), "is a sequence"),
        (("-k", "Rows=many"), "wants a number"),
        (("--limit", "-1"), "--limit must not be below 0"),
    ],
)
def test_mistakes_are_told(
    space: StorageSpace, capsys: Capture, words: tuple[str, ...], told: str
) -> None:
    ended = run(capsys, "dimse_find", "PEER@127.0.0.1:1", *words)
    assert ended.status == 2
    assert told in ended.error
