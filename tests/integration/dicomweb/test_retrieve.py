"""WADO-RS through the views (PS3.18 10.4): the same bytes come back, and their headers."""

import json
from io import BytesIO
from pathlib import Path

import pydicom.data
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import MPEG2MPML, RLELossless

from ingestion.models import Backend, Instance, StorageSpace
from ingestion.use_cases.retrieve_instances import BATCH
from tests.builders import build_ct, new_uid, part10_bytes
from tests.integration.dicomweb.paths import instance_path, study_path
from tests.integration.dicomweb.web_client import WebClient, content, make_token, multipart, parts
from tests.receipts import make_space

EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
FOLDER = Path(pydicom.data.__file__).parent / "test_files"


@pytest.fixture
def study(web: WebClient) -> list[Dataset]:
    """Two series; instances stored against the order of their numbers."""
    study, first, second = new_uid(), new_uid(), new_uid()
    datasets = [
        build_ct(
            study_instance_uid=study,
            series_instance_uid=series,
            extra=[(0x00200011, "IS", str(number)), (0x00200013, "IS", str(instance))],
        )
        for series, number, instance in ((second, 2, 1), (first, 1, 2), (first, 1, 1))
    ]
    datasets[1].compress(RLELossless, generate_instance_uid=False)
    web.store(*datasets)
    return list(reversed(datasets))


@pytest.mark.parametrize(
    "accept",
    [
        'multipart/related;type="application/dicom";transfer-syntax=*',
        'multipart/related; type="application/dicom"; transfer-syntax="*"',
        'text/html, multipart/related; type="application/dicom"; transfer-syntax=*; q=.2',
    ],
)
def test_a_study_comes_back_in_order_byte_for_byte(
    web: WebClient, study: list[Dataset], accept: str
) -> None:
    response = web.get(study_path(study[0]), accept=accept)
    assert response.status_code == 200
    assert response["Content-Type"].startswith('multipart/related; type="application/dicom"; ')
    found = parts(response)
    assert [body for _, body in found] == [part10_bytes(dataset) for dataset in study]
    assert [headers["Content-Type"] for headers, _ in found] == [
        f"application/dicom; transfer-syntax={dataset.file_meta.TransferSyntaxUID}"
        for dataset in study
    ]
    assert [headers["Content-Location"] for headers, _ in found] == [
        "http://testserver" + instance_path(dataset).replace("/dicomweb/", "/dicomweb/spaces/main/")
        for dataset in study
    ]


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        'multipart/related; type="application/dicom"',
        "multipart/related; type=application/dicom",
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    ],
)
def test_who_names_no_transfer_syntax_gets_explicit_vr_little_endian(
    web: WebClient, study: list[Dataset], accept: str | None
) -> None:
    """PS3.18 8.7.3.4."""
    found = parts(web.get(study_path(study[0]), accept=accept))
    for (headers, body), dataset in zip(found, study, strict=True):
        assert headers["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
        sent = dcmread(BytesIO(body))
        assert sent.file_meta.TransferSyntaxUID == EXPLICIT
        assert (sent.pixel_array == dataset.pixel_array).all()
    assert found[0][1] == part10_bytes(study[0])


def test_lossy_pixels_are_not_decoded_unasked(web: WebClient) -> None:
    lossy = (FOLDER / "SC_rgb_jpeg_dcmtk.dcm").read_bytes()
    dataset = dcmread(BytesIO(lossy))
    assert web.post(multipart(lossy)).status_code == 200
    ((_, body),) = parts(web.get(instance_path(dataset)))
    assert body == lossy


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/dicom; transfer-syntax=*", EXPLICIT),
        ("application/dicom", EXPLICIT),
        (f"application/dicom; transfer-syntax={BIG_ENDIAN}", BIG_ENDIAN),
    ],
)
def test_big_endian_is_for_who_names_it(web: WebClient, accept: str, expected: str) -> None:
    stored = (FOLDER / "MR_small_bigendian.dcm").read_bytes()
    dataset = dcmread(BytesIO(stored))
    assert web.post(multipart(stored)).status_code == 200
    body = content(web.get(instance_path(dataset), accept=accept))
    sent = dcmread(BytesIO(body))
    assert sent.file_meta.TransferSyntaxUID == expected
    assert (sent.pixel_array == dataset.pixel_array).all()


def test_a_series_and_an_instance_are_parts_too(web: WebClient, study: list[Dataset]) -> None:
    path = instance_path(study[0])
    assert len(parts(web.get(path.partition("/instances")[0]))) == 2
    ((_, body),) = parts(web.get(path))
    assert dcmread(BytesIO(body)).SOPInstanceUID == study[0].SOPInstanceUID


@pytest.mark.parametrize(
    ("accept", "query"),
    [
        ("application/dicom; transfer-syntax=*", ""),
        (
            "application/dicom; transfer-syntax=*, multipart/related; type=application/dicom; q=.5",
            "",
        ),
        ("text/html", "?accept=application/dicom%3Btransfer-syntax%3D*"),
    ],
)
def test_an_instance_comes_alone_with_its_length_when_accepted(
    web: WebClient, study: list[Dataset], accept: str, query: str
) -> None:
    response = web.get(instance_path(study[1]) + query, accept=accept)
    body = content(response)
    assert body == part10_bytes(study[1])
    assert response["Content-Type"] == f"application/dicom; transfer-syntax={RLELossless}"
    assert response["Content-Length"] == str(len(body))
    assert response["Content-Location"].endswith(f"/instances/{study[1].SOPInstanceUID}")


@pytest.mark.parametrize(
    "accept",
    [
        "image/jpeg",
        "application/dicom+json",
        "nonsense",
        f'multipart/related; type="application/dicom"; transfer-syntax={MPEG2MPML}',
    ],
)
def test_what_cannot_be_made_is_406(web: WebClient, study: list[Dataset], accept: str) -> None:
    assert web.get(instance_path(study[0]), accept=accept).status_code == 406


def test_the_stored_syntax_may_be_named(web: WebClient, study: list[Dataset]) -> None:
    named = f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'
    ((_, body),) = parts(web.get(instance_path(study[0]), accept=named))
    assert body == part10_bytes(study[0])


def test_metadata_is_the_header_of_each_instance(web: WebClient, study: list[Dataset]) -> None:
    found = web.json(f"{study_path(study[0])}/metadata")
    assert [item["00080018"]["Value"][0] for item in found] == [
        dataset.SOPInstanceUID for dataset in study
    ]
    expected = study[0].to_json_dict()
    del expected["7FE00010"]
    address = "http://testserver" + instance_path(study[0]).replace(
        "/dicomweb/", "/dicomweb/spaces/main/"
    )
    pixel_data = found[0].pop("7FE00010")
    assert pixel_data == {"vr": "OW", "BulkDataURI": f"{address}/bulkdata/7FE00010"}
    assert found[0] == expected


@pytest.mark.parametrize(
    "accept", [None, "*/*", "application/dicom+json", "application/json", "application/dicom+json,"]
)
def test_metadata_is_json(web: WebClient, study: list[Dataset], accept: str | None) -> None:
    response = web.get(instance_path(study[0]) + "/metadata", accept=accept)
    assert response["Content-Type"] == "application/dicom+json"
    assert len(json.loads(content(response))) == 1


def test_values_that_look_like_references_stay_as_they_are(web: WebClient) -> None:
    text = '"BulkDataURI":"bulkdata/7FE00010"'
    dataset = build_ct(extra=[(0x00204000, "LT", text)])
    web.store(dataset)
    (found,) = web.json(instance_path(dataset) + "/metadata")
    assert found["00204000"]["Value"] == [text]


def test_more_instances_than_a_batch_come_complete(web: WebClient) -> None:
    study, series = new_uid(), new_uid()
    count = BATCH + 3
    datasets = [
        build_ct(
            study_instance_uid=study,
            series_instance_uid=series,
            rows=1,
            columns=1,
            extra=[(0x00200013, "IS", str(number))],
        )
        for number in range(count)
    ]
    web.store(*datasets)
    found = web.json(f"/dicomweb/studies/{study}/metadata")
    assert [item["00200013"]["Value"][0] for item in found] == list(range(count))
    assert len(parts(web.get(f"/dicomweb/studies/{study}"))) == count


@pytest.mark.parametrize("suffix", ["", "/metadata"])
@pytest.mark.parametrize(
    "path", ["studies/1.2", "studies/abc", "studies/1.2/series/1.3", "studies/..%2F..%2Fetc"]
)
def test_what_is_not_held_is_404(web: WebClient, path: str, suffix: str) -> None:
    assert web.get(f"/dicomweb/{path}{suffix}").status_code == 404


def test_an_instance_of_another_series_is_404(web: WebClient, study: list[Dataset]) -> None:
    wrong = instance_path(study[0]).replace(study[0].SeriesInstanceUID, study[2].SeriesInstanceUID)
    assert web.get(wrong).status_code == 404


@pytest.mark.parametrize("suffix", ["", "/metadata"])
def test_another_space_is_404(
    web: WebClient, study: list[Dataset], other_space: StorageSpace, suffix: str
) -> None:
    path = f"{instance_path(study[0])}{suffix}"
    assert web.get(path.replace("/dicomweb/", "/dicomweb/spaces/main/")).status_code == 200
    assert web.get(path.replace("/dicomweb/", "/dicomweb/spaces/other/")).status_code == 404
    assert WebClient(make_token(spaces=[other_space])).get(path).status_code == 404


def test_deleted_instances_are_404(web: WebClient, study: list[Dataset]) -> None:
    Instance.objects.update(deleted_at="2026-01-01T00:00:00Z")
    assert web.get(instance_path(study[0])).status_code == 404
    assert web.get(instance_path(study[0]) + "/metadata").status_code == 404


@pytest.mark.parametrize("accept", ["application/dicom", 'multipart/related; type="*/*"'])
def test_an_object_that_its_store_lost_is_an_error_not_an_empty_part(
    web: WebClient, study: list[Dataset], accept: str
) -> None:
    Instance.objects.update(location="gone/gone/gone.dcm")
    response = web.get(instance_path(study[0]), accept=accept)
    assert response.status_code == 500
    assert json.loads(response.content)["code"] == "object-missing"


@pytest.mark.parametrize("suffix", ["", "/metadata"])
def test_head_has_the_headers_and_no_body(
    web: WebClient, study: list[Dataset], suffix: str
) -> None:
    path = instance_path(study[0]) + suffix
    response = web.get(path, accept="*/*", method="HEAD")
    assert response.status_code == 200
    assert content(response) == b""
    assert response["Content-Type"]


def test_head_of_a_single_file_tells_its_length(web: WebClient, study: list[Dataset]) -> None:
    response = web.get(instance_path(study[0]), accept="application/dicom", method="HEAD")
    assert response["Content-Length"] == str(len(part10_bytes(study[0])))
    assert content(response) == b""


def test_a_store_without_local_files_serves_the_same(web: WebClient, tmp_path: Path) -> None:
    options = {"location": str(tmp_path / "remote")}
    make_space(
        "remote",
        backend=Backend.DJANGO_STORAGE,
        options={"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options},
    )
    dataset = build_ct()
    web.store(dataset, path="/dicomweb/spaces/remote/studies")
    response = web.get(instance_path(dataset), accept="application/dicom")
    assert content(response) == part10_bytes(dataset)
    ((_, body),) = parts(web.get(instance_path(dataset)))
    assert body == part10_bytes(dataset)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_octets_of_files_are_their_bulk_data(
    web: WebClient, study: list[Dataset], levels: int
) -> None:
    """PS3.18 Table 10.4.4-1, note 2: as if the resource of all bulk data were asked for."""
    path = "/".join(instance_path(study[0]).split("/")[: 2 + 2 * levels])
    accept = 'multipart/related; type="application/octet-stream"'
    found = parts(web.get(path, accept=accept))
    assert found == parts(web.get(f"{path}/bulkdata", accept=accept))
    assert found[0][1] == study[0].PixelData
