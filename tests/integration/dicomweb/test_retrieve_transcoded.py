"""WADO-RS in transfer syntaxes that the client names (PS3.18 8.7.3.5.2, 8.7.8.2)."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pytest_django import DjangoAssertNumQueries

from tests.builders import build_ct, new_uid, part10_bytes
from tests.integration.dicomweb.paths import instance_path, study_path
from tests.integration.dicomweb.web_client import WebClient, content, multipart, parts

IMPLICIT, EXPLICIT, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"
RLE, JPEG_LS, JPEG_2000 = (
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
)
MPEG2 = "1.2.840.10008.1.2.4.100"

PIXELS = np.arange(1600, dtype="<u2").tobytes()  # of 12 bits
FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.fixture
def study(web: WebClient) -> list[Dataset]:
    """A native image, a compressed one and an instance without pixels, in this order."""
    study, series = new_uid(), new_uid()
    datasets = [
        build_ct(
            study_instance_uid=study,
            series_instance_uid=series,
            rows=40,
            columns=40,
            extra=[(0x00200013, "IS", str(number)), (0x7FE00010, "OW", PIXELS)],
        )
        for number in range(3)
    ]
    datasets[1].compress(RLE, generate_instance_uid=False)
    del datasets[2].PixelData
    web.store(*datasets)
    return datasets


def files(*transfer_syntax_uids: str) -> str:
    """An Accept header for parts."""
    return ", ".join(
        f'multipart/related; type="application/dicom"; transfer-syntax={uid}'
        for uid in transfer_syntax_uids
    )


def syntaxes(response: object) -> Iterator[str]:
    """What the file meta information says, which the part's type repeats."""
    for headers, body in parts(response):  # type: ignore[arg-type]  # any response of the client
        uid = str(dcmread(BytesIO(body)).file_meta.TransferSyntaxUID)
        assert headers["Content-Type"] == f"application/dicom; transfer-syntax={uid}"
        yield uid


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (files(EXPLICIT), [EXPLICIT, EXPLICIT, EXPLICIT]),
        (files(IMPLICIT), [IMPLICIT, IMPLICIT, IMPLICIT]),
        (files(DEFLATED), [DEFLATED, DEFLATED, DEFLATED]),
        (files(JPEG_LS, EXPLICIT), [EXPLICIT, JPEG_LS, EXPLICIT]),
        (files(RLE, IMPLICIT), [RLE, RLE, IMPLICIT]),
        (files(IMPLICIT, RLE), [IMPLICIT, RLE, IMPLICIT]),
        (f"{files(IMPLICIT)};q=0.1, {files(JPEG_2000)}", [JPEG_2000, JPEG_2000, IMPLICIT]),
        (files(MPEG2, EXPLICIT), [EXPLICIT, EXPLICIT, EXPLICIT]),
        (files(JPEG_LS, "*"), [EXPLICIT, RLE, EXPLICIT]),
    ],
)
def test_each_instance_comes_as_stored_or_in_the_best_that_can_be_made(
    web: WebClient, study: list[Dataset], accept: str, expected: list[str]
) -> None:
    response = web.get(study_path(study[0]), accept=accept)
    assert response.status_code == 200
    assert list(syntaxes(response)) == expected


def test_pixels_and_identity_stay(web: WebClient, study: list[Dataset]) -> None:
    for stored, (_, body) in zip(
        study, parts(web.get(study_path(study[0]), accept=files(EXPLICIT))), strict=True
    ):
        made = dcmread(BytesIO(body))
        assert made.SOPInstanceUID == stored.SOPInstanceUID
        assert made.file_meta.MediaStorageSOPInstanceUID == stored.SOPInstanceUID
        assert made.PatientName == stored.PatientName
        if "PixelData" in stored:
            assert np.array_equal(made.pixel_array, stored.pixel_array)


@pytest.mark.parametrize("uid", [JPEG_2000, MPEG2, "1.2.3", "nonsense"])
def test_406_names_what_could_be_made_of_all(
    web: WebClient, study: list[Dataset], uid: str
) -> None:
    """The instance without pixels cannot be JPEG 2000."""
    response = web.get(study_path(study[0]), accept=files(uid))
    assert response.status_code == 406
    detail = response.json()["detail"]
    assert EXPLICIT in detail
    assert JPEG_2000 not in detail


def test_an_instance_alone_has_its_length_ranges_and_validator(
    web: WebClient, study: list[Dataset]
) -> None:
    accept = f"application/dicom; transfer-syntax={EXPLICIT}"
    path = instance_path(study[1])
    whole = web.get(path, accept=accept)
    body = content(whole)
    assert whole["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert whole["Content-Length"] == str(len(body))
    stored = web.get(path, accept="application/dicom; transfer-syntax=*", method="HEAD")
    assert whole["ETag"] != stored["ETag"]
    some = web.get(path, accept=accept, headers={"Range": "bytes=100-299"})
    assert (some.status_code, content(some)) == (206, body[100:300])
    again = web.get(path, accept=accept, headers={"If-None-Match": whole["ETag"]})
    assert (again.status_code, content(again)) == (304, b"")
    head = web.get(path, accept=accept, method="HEAD")
    assert (head.status_code, content(head), head["ETag"]) == (200, b"", whole["ETag"])


def test_broken_pixel_data_is_406_alone_and_as_stored_among_others(web: WebClient) -> None:
    study, series = new_uid(), new_uid()
    good, broken = (
        build_ct(
            study_instance_uid=study,
            series_instance_uid=series,
            transfer_syntax_uid=syntax,
            extra=[(0x00200013, "IS", number)],
        )
        for number, syntax in (("1", EXPLICIT), ("2", RLE))
    )
    web.store(good, broken)
    assert web.get(instance_path(broken), accept=files(EXPLICIT)).status_code == 406
    alone = f"application/dicom; transfer-syntax={EXPLICIT}"
    assert web.get(instance_path(broken), accept=alone).status_code == 406
    response = web.get(study_path(good), accept=files(EXPLICIT))
    assert [body for _, body in parts(response)] == [part10_bytes(good), part10_bytes(broken)]


@pytest.mark.parametrize("name", ["MR_small_RLE.dcm", "JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm"])
def test_received_compressed_and_sent_uncompressed(web: WebClient, name: str) -> None:
    content_stored = (FOLDER / name).read_bytes()
    assert web.post(multipart(content_stored)).status_code == 200
    stored = dcmread(BytesIO(content_stored))
    ((_, body),) = parts(web.get(instance_path(stored), accept=files(EXPLICIT)))
    assert np.array_equal(dcmread(BytesIO(body)).pixel_array, stored.pixel_array)


def test_statements_do_not_grow_with_the_instances(
    web: WebClient, study: list[Dataset], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    """Token, spaces, instances, where they rest, their headers, those they belong to, the space."""
    with django_assert_max_num_queries(8):
        content(web.get(study_path(study[0]), accept=files(EXPLICIT)))
