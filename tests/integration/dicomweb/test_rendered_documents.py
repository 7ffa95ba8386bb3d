"""Reports, encapsulated documents and films as rendered resources (PS3.18 8.7.4)."""

import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from tests.builders import build_ct
from tests.integration.dicomweb.images import BASIC_TEXT_SR, picture, without_pixels
from tests.integration.dicomweb.paths import instance_path, study_path
from tests.integration.dicomweb.web_client import WebClient, content, parts

H264 = "1.2.840.10008.1.2.4.102"
MPEG2 = "1.2.840.10008.1.2.4.100"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
ENCAPSULATED_CDA = "1.2.840.10008.5.1.4.1.1.104.2"


@pytest.fixture
def report(web: WebClient) -> Dataset:
    finding = Dataset()
    finding.ValueType, finding.TextValue = "TEXT", "<b>Nothing</b> is wrong"
    dataset = without_pixels(
        BASIC_TEXT_SR,
        (0x00080060, "CS", "SR"),
        (0x0040A040, "CS", "CONTAINER"),
        (0x0040A730, "SQ", [finding]),
    )
    web.store(dataset)
    return dataset


@pytest.mark.parametrize(
    ("accept", "content_type", "shown"),
    [
        (None, "text/html; charset=utf-8", b"&lt;b&gt;Nothing&lt;/b&gt; is wrong"),
        ("text/html", "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ("text/plain", "text/plain; charset=utf-8", b"<b>Nothing</b> is wrong"),
        ("text/xml", "text/xml; charset=utf-8", b"<NativeDicomModel"),
    ],
)
def test_a_report_is_a_page(
    web: WebClient, report: Dataset, accept: str | None, content_type: str, shown: bytes
) -> None:
    response = web.get(f"{instance_path(report)}/rendered", accept=accept)
    assert response["Content-Type"] == content_type
    assert shown in content(response)
    assert response["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_a_report_is_no_picture(web: WebClient, report: Dataset) -> None:
    assert web.get(f"{instance_path(report)}/rendered", accept="image/jpeg").status_code == 406
    assert web.get(f"{instance_path(report)}/frames/1/rendered").status_code == 404


@pytest.mark.parametrize("entity", ["study", "series"])
def test_reports_without_pictures_are_pages_in_parts_or_one_of_them(
    web: WebClient, report: Dataset, entity: str
) -> None:
    path = instance_path(report).partition("/series" if entity == "study" else "/instances")[0]
    response = web.get(f"{path}/rendered")
    assert response["Content-Type"].startswith('multipart/related; type="text/html"')
    ((headers, body),) = parts(response)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Location"].endswith(
        f"{instance_path(report)}/rendered".partition("/s")[2]
    )
    assert body == content(web.get(f"{instance_path(report)}/rendered"))
    plain = web.get(f"{path}/rendered", accept="text/plain")
    assert plain["Content-Type"] == "text/plain; charset=utf-8"
    tag = {"If-None-Match": response["ETag"]}
    assert web.get(f"{path}/rendered", headers=tag).status_code == 304
    other = web.get(f"{path}/rendered", headers=tag, accept='multipart/related; type="text/plain"')
    assert other.status_code == 200
    assert web.get(f"{path}/rendered", accept="image/jpeg").status_code == 406


def test_a_study_of_a_pdf_is_the_pdf(web: WebClient) -> None:
    dataset = without_pixels(
        ENCAPSULATED_PDF, (0x00420011, "OB", b"%PDF-1"), (0x00420012, "LO", "application/pdf")
    )
    web.store(dataset)
    response = web.get(f"{study_path(dataset)}/rendered")
    assert response["Content-Type"] == "application/pdf"
    assert content(response) == b"%PDF-1"


@pytest.mark.parametrize("size", [100, 5001])
def test_a_pdf_is_given_as_it_is(web: WebClient, size: int) -> None:
    """Whether it is in the header or bulk data, and without the byte that made it even."""
    body = b"%PDF-1.7 " + bytes(index % 251 for index in range(size - 9))
    dataset = without_pixels(
        ENCAPSULATED_PDF,
        (0x00420011, "OB", body + b"\0" * (size % 2)),
        (0x00420012, "LO", "application/pdf"),
        (0x00420015, "UL", size),
    )
    web.store(dataset)
    response = web.get(f"{instance_path(dataset)}/rendered")
    assert response["Content-Type"] == "application/pdf"
    assert content(response) == body
    piece = web.get(f"{instance_path(dataset)}/rendered", headers={"Range": "bytes=2-8"})
    assert (piece.status_code, content(piece)) == (206, body[2:9])


def test_xml_runs_nothing_and_other_documents_are_406(web: WebClient) -> None:
    cda = without_pixels(
        ENCAPSULATED_CDA, (0x00420011, "OB", b"<a/>"), (0x00420012, "LO", "text/XML")
    )
    page = without_pixels(
        ENCAPSULATED_PDF, (0x00420011, "OB", b"<script>"), (0x00420012, "LO", "text/html")
    )
    empty = without_pixels(ENCAPSULATED_PDF)
    web.store(cda, page, empty)
    response = web.get(f"{instance_path(cda)}/rendered")
    assert content(response) == b"<a/>"
    assert response["Content-Security-Policy"].startswith("sandbox")
    assert web.get(f"{instance_path(page)}/rendered").status_code == 406
    assert web.get(f"{instance_path(empty)}/rendered").status_code == 406


MP4_FILE = b"\0\0\0\x18ftypmp42" + bytes(500)


@pytest.mark.parametrize(
    ("syntax", "stream", "expected"),
    [
        (H264, MP4_FILE, "video/mp4"),
        (H264, b"\0\0\0\1\x67" + bytes(500), None),
        (MPEG2, b"\0\0\1\xba" + bytes(500), "video/mpeg"),
    ],
)
def test_films(web: WebClient, syntax: str, stream: bytes, expected: str | None) -> None:
    dataset = build_ct(transfer_syntax_uid=syntax)
    dataset.PixelData = encapsulate([stream])
    dataset.NumberOfFrames = 100
    web.store(dataset)
    response = web.get(f"{instance_path(dataset)}/rendered")
    assert response.status_code == (200 if expected else 406)
    if expected:
        assert response["Content-Type"] == expected
        assert content(response).startswith(stream)
    assert picture(web.get(f"{instance_path(dataset)}/thumbnail")).size == (128, 128)
