"""A study, a series or an instance as a ZIP file with a DICOMDIR (PS3.12 Annex V, PS3.10 8.6).

The DICOMDIR is read by pydicom, which knows nothing of ours.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

from tests.builders import build_ct, new_uid, part10_bytes
from tests.integration.dicomweb.paths import study_path
from tests.integration.dicomweb.web_client import WebClient, content, multipart

EXPLICIT, RLE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"
FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.fixture
def study(web: WebClient) -> list[Dataset]:
    """Two series of an image each, and a report and private objects in the first."""
    study, first, second = new_uid(), new_uid(), new_uid()
    datasets = [
        build_ct(
            study_instance_uid=study,
            series_instance_uid=series,
            character_set="ISO_IR 192",
            patient_name="Äöü^Ünal",
            extra=[
                (0x00080016, "UI", sop_class),
                (0x00200011, "IS", number),
                (0x00200013, "IS", instance),
            ],
        )
        for series, number, instance, sop_class in (
            (first, "1", "1", "1.2.840.10008.5.1.4.1.1.2"),
            (first, "1", "2", "1.2.840.10008.5.1.4.1.1.88.11"),
            (first, "1", "3", "1.2.840.10008.5.1.4.1.1.2"),
            (second, "2", "1", "1.2.840.10008.5.1.4.1.1.4"),
        )
    ]
    datasets[2].compress(RLE, generate_instance_uid=False)
    web.store(*datasets)
    return datasets


@contextmanager
def unpacked(body: bytes, folder: Path) -> Iterator[FileSet]:
    """The file-set in an archive whose checksums are right."""
    with zipfile.ZipFile(BytesIO(body)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    file_set = FileSet(folder / "DICOMDIR")
    yield file_set
    file_set._stage["t"].cleanup()  # a folder that pydicom leaves to the garbage collector


@pytest.mark.parametrize(
    ("accept", "query"), [("application/zip", ""), ("text/html, */*", "?accept=application/zip")]
)
def test_a_study_is_a_file_set(
    web: WebClient, study: list[Dataset], tmp_path: Path, accept: str, query: str
) -> None:
    response = web.get(study_path(study[0]) + query, accept=accept)
    assert response["Content-Type"] == "application/zip"
    name = f"{study[0].StudyInstanceUID}.zip"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    with unpacked(content(response), tmp_path) as file_set:
        assert file_set.find_values("PatientName") == ["Äöü^Ünal"]
        assert file_set.find_values("StudyDescription") == ["CT abdomen"]
        assert sorted(file_set.find_values("SeriesNumber")) == [1, 2]
        found = {item.SOPInstanceUID: item for item in file_set}
    assert set(found) == {dataset.SOPInstanceUID for dataset in study}
    for dataset in study:
        item = found[dataset.SOPInstanceUID]
        assert Path(item.path).read_bytes() == part10_bytes(dataset), "the bytes as received"
        assert item.TransferSyntaxUID == dataset.file_meta.TransferSyntaxUID
        assert item.InstanceNumber == dataset.InstanceNumber
    kinds = {found[item.SOPInstanceUID].DirectoryRecordType for item in study[:2]}
    assert kinds == {"IMAGE", "SR DOCUMENT"}


def test_names_are_those_of_media(web: WebClient, study: list[Dataset]) -> None:
    """PS3.10 8.2: eight capital letters or digits, at most eight components, no extension."""
    body = content(web.get(study_path(study[0]), accept="application/zip"))
    names = zipfile.ZipFile(BytesIO(body)).namelist()
    assert names == [
        "PT000000/ST000000/SE000000/IM000000",
        "PT000000/ST000000/SE000000/SR000001",
        "PT000000/ST000000/SE000000/IM000002",
        "PT000000/ST000000/SE000001/IM000000",
        "DICOMDIR",
    ]


def test_a_series_and_an_instance_too(web: WebClient, study: list[Dataset], tmp_path: Path) -> None:
    series = f"{study_path(study[0])}/series/{study[0].SeriesInstanceUID}"
    instance = f"{series}/instances/{study[0].SOPInstanceUID}"
    for path, count in ((series, 3), (instance, 1)):
        body = content(web.get(path, accept="application/zip"))
        with unpacked(body, tmp_path / str(count)) as file_set:
            assert len(file_set) == count


def test_the_transfer_syntax_may_be_named(
    web: WebClient, study: list[Dataset], tmp_path: Path
) -> None:
    accept = f"application/zip; transfer-syntax={EXPLICIT}"
    body = content(web.get(study_path(study[0]), accept=accept))
    with unpacked(body, tmp_path) as file_set:
        assert {item.TransferSyntaxUID for item in file_set} == {EXPLICIT}
        made = [dcmread(item.path) for item in file_set]
    assert {dataset.file_meta.TransferSyntaxUID for dataset in made} == {EXPLICIT}


def test_the_same_instances_are_the_same_bytes_and_have_a_validator(
    web: WebClient, study: list[Dataset]
) -> None:
    path = study_path(study[0])
    first, second = (web.get(path, accept="application/zip") for _ in range(2))
    assert content(first) == content(second)
    again = web.get(path, accept="application/zip", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    head = web.get(path, accept="application/zip", method="HEAD")
    assert (head.status_code, content(head), head["ETag"]) == (200, b"", first["ETag"])


@pytest.mark.parametrize(
    "name",
    ["rtplan.dcm", "rtdose_1frame.dcm", "test-SR.dcm", "waveform_ecg.dcm", "reportsi.dcm"],
)
def test_every_kind_of_instance_has_a_record(web: WebClient, name: str, tmp_path: Path) -> None:
    stored = dcmread(FOLDER / name)
    stored.file_meta.MediaStorageSOPInstanceUID = stored.SOPInstanceUID
    stored.file_meta.MediaStorageSOPClassUID = stored.SOPClassUID
    assert web.post(multipart(part10_bytes(stored))).status_code == 200
    body = content(web.get(study_path(stored), accept="application/zip"))
    with unpacked(body, tmp_path) as file_set:
        (item,) = file_set
    assert item.SOPInstanceUID == stored.SOPInstanceUID
    assert item.SOPClassUID == stored.SOPClassUID


def test_attributes_that_are_missing_or_wrong_spoil_nothing(web: WebClient, tmp_path: Path) -> None:
    dataset = build_ct(
        extra=[
            (0x00100020, "LO", None),
            (0x00080020, "DA", None),
            (0x00200010, "SH", None),
            (0x00200013, "IS", None),
            (0x00100010, "PN", "\\\\"),
        ]
    )
    web.store(dataset)
    body = content(web.get(study_path(dataset), accept="application/zip"))
    with unpacked(body, tmp_path) as file_set:
        (item,) = file_set
    assert item.SOPInstanceUID == dataset.SOPInstanceUID


def test_statements_grow_with_batches_only(web: WebClient) -> None:
    study, series = new_uid(), new_uid()

    def statements(count: int) -> int:
        web.store(
            *(
                build_ct(study_instance_uid=study, series_instance_uid=series, rows=1, columns=1)
                for _ in range(count)
            )
        )
        with CaptureQueriesContext(connection) as captured:
            content(web.get(f"/dicomweb/studies/{study}", accept="application/zip"))
        return len(captured)

    assert statements(2) == statements(10)
