"""WADO-URI: one instance by query parameters, as clients have asked since 2004."""

import io
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RLELossless,
)

from ingestion.models import StorageSpace
from tests.builders import build_ct, part10_bytes
from tests.integration.dicomweb.web_client import WebClient, content, make_token, multipart

pytestmark = pytest.mark.django_db

FRAMES = 3
PDF = b"%PDF-1.4 invented"


def uri(dataset: Dataset, root: str = "/wado", **query: object) -> str:
    names = {
        "requestType": "WADO",
        "studyUID": dataset.StudyInstanceUID,
        "seriesUID": dataset.SeriesInstanceUID,
        "objectUID": dataset.SOPInstanceUID,
    }
    return f"{root}?{urlencode(names | query)}"


def told(response: Any) -> str:
    """The media type of a successful answer, which is read to its end."""
    assert content(response), "there is a body"
    assert response.status_code == 200
    return str(response["Content-Type"])


def picture(response: Any) -> Image.Image:
    assert response.status_code == 200, content(response)
    return Image.open(io.BytesIO(content(response)))


@pytest.fixture
def ct(web: WebClient) -> Dataset:
    """One image, 12 columns wide and 16 rows high."""
    dataset = build_ct(rows=16, columns=12)
    web.store(dataset)
    return dataset


@pytest.fixture
def loop(web: WebClient) -> Dataset:
    """Three frames, each brighter than the one before."""
    dataset = build_ct(
        extra=[
            (0x00080016, "UI", MultiFrameGrayscaleWordSecondaryCaptureImageStorage),
            (0x00280008, "IS", str(FRAMES)),
            (0x00281052, "DS", None),
            (0x00281053, "DS", None),
        ]
    )
    dataset.PixelData = b"".join((value).to_bytes(2, "little") * 64 for value in (100, 500, 900))
    web.store(dataset)
    return dataset


def document(sop_class_uid: str, modality: str) -> Dataset:
    """An instance without pixels."""
    dataset = build_ct(extra=[(0x00080016, "UI", sop_class_uid), (0x00080060, "CS", modality)])
    del dataset.PixelData
    return dataset


@pytest.mark.parametrize(
    "root", ["/wado", "/wado/", "/dicomweb/wado", "/dicomweb/spaces/main/wado", "/wado-rs/wado"]
)
@pytest.mark.parametrize("accept", [None, "*/*"])
def test_a_single_frame_is_a_jpeg_unless_said_otherwise(
    web: WebClient, ct: Dataset, root: str, accept: str | None
) -> None:
    response = web.get(uri(ct, root), accept=accept)
    assert response["Content-Type"] == "image/jpeg"
    assert picture(response).size == (12, 16)


@pytest.mark.parametrize(
    ("media_type", "form"), [("image/png", "PNG"), ("image/gif", "GIF"), ("image/jpeg", "JPEG")]
)
def test_content_type_chooses_and_stands_in_for_accept(
    web: WebClient, ct: Dataset, media_type: str, form: str
) -> None:
    for query, accept in (({"contentType": media_type}, "text/html"), ({}, media_type)):
        response = web.get(uri(ct, **query), accept=accept)
        assert response["Content-Type"] == media_type
        assert picture(response).format == form


def test_content_types_may_be_a_list_with_preferences(web: WebClient, ct: Dataset) -> None:
    wanted = "image/jp2, image/jpeg;q=0.5, image/png;q=0.9"
    assert told(web.get(uri(ct, contentType=wanted))) == "image/png"


def test_the_file_comes_as_it_was_stored(web: WebClient, ct: Dataset) -> None:
    for syntax in ({}, {"transferSyntax": "*"}, {"transferSyntax": ExplicitVRLittleEndian}):
        response = web.get(uri(ct, contentType="application/dicom", **syntax))
        assert response.status_code == 200
        assert response["Content-Type"].startswith("application/dicom")
        assert dcmread(io.BytesIO(content(response))) == ct


def test_the_file_comes_in_the_transfer_syntax_that_is_named(web: WebClient, loop: Dataset) -> None:
    response = web.get(uri(loop, contentType="application/dicom", transferSyntax=RLELossless))
    file = dcmread(io.BytesIO(content(response)))
    assert file.file_meta.TransferSyntaxUID == RLELossless
    assert (file.pixel_array == loop.pixel_array).all()


def test_a_media_type_may_name_the_transfer_syntax(web: WebClient, loop: Dataset) -> None:
    rle = f"application/dicom; transfer-syntax={RLELossless}"
    assert web.get(uri(loop), accept=rle)["Content-Type"] == rle
    assert web.get(uri(loop, contentType=rle))["Content-Type"] == rle
    both = uri(loop, contentType=rle, transferSyntax=ExplicitVRLittleEndian)
    response = web.get(both)
    assert dcmread(io.BytesIO(content(response))) == loop
    assert response["Content-Type"].endswith(ExplicitVRLittleEndian)


def test_a_transfer_syntax_that_cannot_be_made_is_406(web: WebClient, ct: Dataset) -> None:
    response = web.get(
        uri(ct, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.4.100")
    )
    assert response.status_code == 406


def test_ranges_and_head_of_a_file(web: WebClient, ct: Dataset) -> None:
    path = uri(ct, contentType="application/dicom")
    head = web.get(path, method="HEAD")
    assert (head.status_code, content(head)) == (200, b"")
    assert int(head["Content-Length"]) == len(content(web.get(path)))


def test_several_frames_are_a_file_unless_a_frame_or_a_picture_is_asked_for(
    web: WebClient, loop: Dataset
) -> None:
    assert told(web.get(uri(loop))).startswith("application/dicom")
    assert told(web.get(uri(loop, frameNumber=2))) == "image/jpeg"
    in_one_window = uri(loop, contentType="image/gif", windowCenter=500, windowWidth=1000)
    animation = picture(web.get(in_one_window))
    assert getattr(animation, "n_frames", 1) == FRAMES


def test_frames_are_numbered_from_one(web: WebClient, loop: Dataset) -> None:
    levels: list[Any] = []
    for number in range(1, FRAMES + 1):
        response = web.get(
            uri(loop, contentType="image/png", frameNumber=number, windowCenter=500,
                windowWidth=1000)
        )  # fmt: skip
        levels.append(picture(response).convert("L").getextrema())
    assert levels == sorted(set(levels))
    assert web.get(uri(loop, frameNumber=FRAMES + 1)).status_code == 404


def test_windows_change_what_is_seen(web: WebClient, ct: Dataset) -> None:
    dark, light = (
        picture(web.get(uri(ct, contentType="image/png", windowCenter=center, windowWidth=200)))
        for center in (100_000, -100_000)
    )
    assert dark.convert("L").getextrema() == (0, 0)
    assert light.convert("L").getextrema() == (255, 255)


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ({"rows": 8}, (6, 8)),
        ({"columns": 24}, (24, 32)),
        ({"rows": 8, "columns": 3}, (3, 4)),
        ({"region": "0.5,0,1,1"}, (6, 16)),
        ({"region": "0,0,0.5,0.25", "rows": 8}, (12, 8)),
    ],
)
def test_rows_columns_and_region(
    web: WebClient, ct: Dataset, query: dict[str, Any], size: tuple[int, int]
) -> None:
    assert picture(web.get(uri(ct, **query))).size == size


def test_a_report_is_a_page(web: WebClient) -> None:
    dataset = document(BasicTextSRStorage, "SR")
    web.store(dataset)
    assert told(web.get(uri(dataset))) == "text/html; charset=utf-8"
    assert told(web.get(uri(dataset, contentType="text/plain"))).startswith("text/plain")
    assert told(web.get(uri(dataset, contentType="application/dicom"))).startswith("application/d")
    assert web.get(uri(dataset, contentType="image/jpeg")).status_code == 406


def test_an_encapsulated_document_is_a_file_or_the_document(web: WebClient) -> None:
    dataset = document(EncapsulatedPDFStorage, "DOC")
    dataset.add_new(0x00420011, "OB", PDF + b"\0")
    dataset.add_new(0x00420012, "LO", "application/pdf")
    dataset.add_new(0x00420015, "UL", len(PDF))
    web.store(dataset)
    assert told(web.get(uri(dataset))).startswith("application/dicom")
    response = web.get(uri(dataset, contentType="application/pdf"))
    assert (response["Content-Type"], content(response)) == ("application/pdf", PDF)
    assert web.get(uri(dataset, contentType="text/xml")).status_code == 406


def test_compressed_images_are_rendered_too(web: WebClient) -> None:
    dataset = build_ct(rows=16, columns=12)
    dataset.compress(RLELossless)
    web.store(dataset)
    assert picture(web.get(uri(dataset))).size == (12, 16)


@pytest.mark.parametrize(
    "query",
    [
        {"requestType": "QIDO"},
        {"objectUID": ""},
        {"anonymize": "yes"},
        {"presentationUID": "1.2"},
        {"frameNumber": "none"},
        {"region": "1,1,0,0"},
    ],
)
def test_what_is_not_understood_is_400(web: WebClient, ct: Dataset, query: dict[str, str]) -> None:
    response = web.get(uri(ct, **query))
    assert response.status_code == 400
    assert response["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("uid", ["1.2.3", "not-a-uid", "1" * 65])
def test_what_is_not_held_is_404(web: WebClient, ct: Dataset, uid: str) -> None:
    for name in ("studyUID", "seriesUID", "objectUID"):
        assert web.get(uri(ct, **{name: uid})).status_code == 404


def test_unacceptable_is_406(web: WebClient, ct: Dataset) -> None:
    assert web.get(uri(ct, contentType="video/mp4")).status_code == 406


def test_tokens_and_spaces_decide_as_everywhere(
    web: WebClient, ct: Dataset, other_space: StorageSpace
) -> None:
    assert WebClient("").get(uri(ct)).status_code == 401
    stranger = WebClient(make_token(spaces=[other_space]))
    assert stranger.get(uri(ct)).status_code == 404
    assert stranger.get(uri(ct, "/dicomweb/spaces/main/wado")).status_code == 404
    writer = WebClient(make_token(may_read=False, may_store=True, all_spaces=True))
    assert writer.get(uri(ct)).status_code == 403
    assert web.post(multipart(part10_bytes(ct)), path="/wado").status_code == 405


def test_an_unchanged_picture_is_304(web: WebClient, ct: Dataset) -> None:
    etag = web.get(uri(ct))["ETag"]
    again = web._client.get(uri(ct), headers=web._headers | {"If-None-Match": etag})
    assert again.status_code == 304
