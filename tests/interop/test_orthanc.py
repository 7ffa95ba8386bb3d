"""Orthanc and the product as neighbours: each echoes, sends to, asks and has the other send."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.builders import build_ct, new_uid, part10_bytes
from tests.eventually import eventually
from tests.interop.conftest import Site
from tests.interop.orthanc import AE_TITLE, Orthanc, run_orthanc

US = "/modalities/ingest"
STUDY_INSTANCE_UID, SOP_INSTANCE_UID = "0020000D", "00080018"
INTRODUCTION = """
from ingestion.models import RemoteApplicationEntity
RemoteApplicationEntity.objects.create(
    ae_title={ae_title!r}, host="127.0.0.1", port={port}, may_call_all=True
)
"""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The product and an Orthanc that know each other."""

    site: Site
    orthanc: Orthanc

    def store_with_us(self, *datasets: Dataset) -> None:
        """Have Orthanc take them in and send them to us by C-STORE."""
        names = [self.orthanc.store(part10_bytes(dataset)) for dataset in datasets]
        self.orthanc.ask(f"{US}/store", names)
        self.wait_until_held(*datasets)

    def wait_until_held(self, *datasets: Dataset) -> None:
        """Return when all of them, which are of one study, can be searched with us."""
        expected = {dataset.SOPInstanceUID for dataset in datasets}
        path = f"/studies/{datasets[0].StudyInstanceUID}/instances"
        eventually(lambda: expected <= set(self.held(path)))

    def held(self, path: str) -> list[str]:
        """The SOP Instance UIDs that a search finds with us."""
        return [found[SOP_INSTANCE_UID]["Value"][0] for found in self.site.search(path)]

    def query(self, level: str, **keys: str) -> str:
        """Have Orthanc ask us by C-FIND; returns the path of what it found."""
        path: str = self.orthanc.ask(f"{US}/query", {"Level": level, "Query": keys})["Path"]
        return path

    def answers(self, query: str) -> list[dict[str, str]]:
        """What a query found, by keyword."""
        return [
            self.orthanc.ask(f"{query}/answers/{number}/content?simplify")
            for number in self.orthanc.ask(f"{query}/answers")
        ]


@pytest.fixture(scope="module")
def running(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighbours]:
    dimse = site.endpoints["dimse"]
    modalities = {"ingest": [dimse["ae_title"], dimse["host"], dimse["port"]]}
    with run_orthanc(tmp_path_factory.mktemp("orthanc") / "run", modalities=modalities) as orthanc:
        script = INTRODUCTION.format(ae_title=AE_TITLE, port=orthanc.dicom_port)
        site.manage("shell", "--no-imports", "-c", script)
        yield Neighbours(site, orthanc)


@pytest.fixture
def neighbours(running: Neighbours) -> Neighbours:
    """With nothing in Orthanc; what we hold stays."""
    running.orthanc.delete_everything()
    return running


def a_study(amount: int, **options: object) -> list[Dataset]:
    study, series = new_uid(), new_uid()
    return [
        build_ct(study_instance_uid=study, series_instance_uid=series, **options)  # type: ignore[arg-type]
        for _ in range(amount)
    ]


def test_orthanc_echoes_us(neighbours: Neighbours) -> None:
    assert neighbours.orthanc.ask(f"{US}/echo", {}) == {}


def test_orthanc_stores_with_us(neighbours: Neighbours) -> None:
    datasets = a_study(5)
    neighbours.store_with_us(*datasets)
    study = datasets[0].StudyInstanceUID
    assert len(neighbours.site.search(f"/studies/{study}/instances")) == 5


@pytest.mark.parametrize(
    ("level", "amount"), [("Patient", 1), ("Study", 1), ("Series", 1), ("Instance", 3)]
)
def test_orthanc_finds_at_every_level(neighbours: Neighbours, level: str, amount: int) -> None:
    datasets = a_study(3)
    neighbours.store_with_us(*datasets)
    first = datasets[0]
    keys = {
        "Patient": {"PatientID": first.PatientID},
        "Study": {"StudyInstanceUID": first.StudyInstanceUID},
        "Series": {
            "StudyInstanceUID": first.StudyInstanceUID,
            "SeriesInstanceUID": first.SeriesInstanceUID,
        },
        "Instance": {
            "StudyInstanceUID": first.StudyInstanceUID,
            "SeriesInstanceUID": first.SeriesInstanceUID,
        },
    }[level]
    answers = neighbours.answers(neighbours.query(level, **keys))
    assert len(answers) == amount
    for keyword, value in keys.items():
        assert {answer[keyword] for answer in answers} == {value}


def test_orthanc_finds_nothing_where_nothing_is(neighbours: Neighbours) -> None:
    assert neighbours.answers(neighbours.query("Study", StudyInstanceUID=new_uid())) == []


def test_orthanc_has_us_send_what_it_found(neighbours: Neighbours) -> None:
    datasets = a_study(4)
    neighbours.store_with_us(*datasets)
    neighbours.orthanc.delete_everything()
    query = neighbours.query("Study", StudyInstanceUID=datasets[0].StudyInstanceUID)
    neighbours.orthanc.ask(f"{query}/retrieve", {"TargetAet": AE_TITLE, "Synchronous": True})
    expected = {dataset.SOPInstanceUID for dataset in datasets}
    assert neighbours.orthanc.sop_instance_uids() == expected


def storage_commitment(neighbours: Neighbours, datasets: list[Dataset]) -> dict[str, Any]:
    """What Orthanc knows once we reported on what it asked us to commit to."""
    names = [[dataset.SOPClassUID, dataset.SOPInstanceUID] for dataset in datasets]
    path = neighbours.orthanc.ask(f"{US}/storage-commitment", {"DicomInstances": names})["Path"]
    eventually(lambda: neighbours.orthanc.ask(path)["Status"] != "Pending", within_seconds=60)
    report: dict[str, Any] = neighbours.orthanc.ask(path)
    return report


def test_orthanc_is_promised_storage_of_what_we_hold(neighbours: Neighbours) -> None:
    datasets = a_study(2)
    neighbours.store_with_us(*datasets)
    report = storage_commitment(neighbours, datasets)
    assert report["Status"] == "Success"
    assert {one["SOPInstanceUID"] for one in report["Success"]} == {
        dataset.SOPInstanceUID for dataset in datasets
    }


def test_orthanc_is_told_what_we_do_not_hold(neighbours: Neighbours) -> None:
    (held, strange) = a_study(2)
    neighbours.store_with_us(held)
    report = storage_commitment(neighbours, [held, strange])
    assert report["Status"] == "Failure"
    assert [one["SOPInstanceUID"] for one in report["Success"]] == [held.SOPInstanceUID]
    assert [one["SOPInstanceUID"] for one in report["Failures"]] == [strange.SOPInstanceUID]


def test_we_echo_orthanc(neighbours: Neighbours) -> None:
    assert "success" in neighbours.site.manage("dimse_echo", AE_TITLE)


def test_we_find_with_orthanc(neighbours: Neighbours) -> None:
    (dataset,) = a_study(1)
    neighbours.orthanc.store(part10_bytes(dataset))
    key = f"PatientID={dataset.PatientID}"
    found = json.loads(neighbours.site.manage("dimse_find", AE_TITLE, "--json", "-k", key))
    assert [one[STUDY_INSTANCE_UID]["Value"][0] for one in found] == [dataset.StudyInstanceUID]


def test_we_have_orthanc_send_to_us(neighbours: Neighbours) -> None:
    datasets = a_study(3)
    for dataset in datasets:
        neighbours.orthanc.store(part10_bytes(dataset))
    us, study = neighbours.site.endpoints["dimse"]["ae_title"], datasets[0].StudyInstanceUID
    neighbours.site.manage("dimse_move", AE_TITLE, "--to", us, "--study", study)
    neighbours.wait_until_held(*datasets)


def test_we_send_to_orthanc(neighbours: Neighbours, tmp_path: Path) -> None:
    datasets = a_study(3)
    for number, dataset in enumerate(datasets):
        (tmp_path / f"{number}.dcm").write_bytes(part10_bytes(dataset))
    neighbours.site.manage("dimse_send", AE_TITLE, str(tmp_path))
    expected = {dataset.SOPInstanceUID for dataset in datasets}
    assert neighbours.orthanc.sop_instance_uids() == expected
