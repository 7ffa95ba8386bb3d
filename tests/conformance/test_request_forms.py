"""Requests as foreign programs put them on the wire, sent byte for byte over a socket.

Sources: OHIF 3 and its dicomweb-client for browsers, cornerstone's image loader, Weasis, dcm4che's
stowrs and wadors, 3D Slicer by dicomweb-client for Python, Alvearie's STOW binding.
"""

import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from pydicom.dataset import Dataset

from ingestion.models import Backend
from tests.builders import build_ct, new_uid, part10_bytes
from tests.integration.dicomweb.web_client import make_token
from tests.integration.dicomweb.web_process import RunningWeb
from tests.receipts import make_space

EXPLICIT = "1.2.840.10008.1.2.1"
STUDY_LIST_FIELDS = "00081030%2C00080060%2C00080090%2C00100030"
# Sent when the caller of Java's HttpURLConnection sets no Accept.
JAVA_ACCEPT = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
BROWSER_IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers["Content-Type"].partition(";")[0]

    def data_sets(self) -> list[dict[str, dict[str, object]]]:
        assert self.media_type == "application/dicom+json"
        found: list[dict[str, dict[str, object]]] = json.loads(self.body)
        return found

    def first_part(self) -> tuple[str, bytes]:
        """The first part's headers and body, as dcmjs takes them: from the body alone."""
        line, _, rest = self.body.partition(b"\r\n")
        assert line.startswith(b"--")
        head, _, content = rest.partition(b"\r\n\r\n")
        assert len(head) < 1000
        return head.decode(), content.partition(b"\r\n" + line)[0]


@dataclass(frozen=True, slots=True)
class Wire:
    """The server, an open token, and one stored study of two instances."""

    server: RunningWeb
    token: str
    instances: tuple[Dataset, Dataset]

    @property
    def study(self) -> str:
        return f"/dicomweb/studies/{self.instances[0].StudyInstanceUID}"

    @property
    def series(self) -> str:
        return f"{self.study}/series/{self.instances[0].SeriesInstanceUID}"

    @property
    def instance(self) -> str:
        return f"{self.series}/instances/{self.instances[0].SOPInstanceUID}"

    def send(self, request_line: str, *headers: str, body: bytes = b"") -> Answer:
        """Send exactly these bytes, with a Host that has no port, as dicomweb-client does."""
        place = urlsplit(self.server.url)
        lines = [request_line, "Host: 127.0.0.1", f"Authorization: Bearer {self.token}", *headers]
        with socket.create_connection(("127.0.0.1", place.port or 0), timeout=30) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            response = HTTPResponse(connection, method=request_line.split(maxsplit=1)[0])
            response.begin()
            return Answer(response.status, response.headers, response.read())

    def get(self, target: str, *headers: str) -> Answer:
        return self.send(f"GET {target} HTTP/1.1", *headers)


@pytest.fixture
def wire(transactional_db: None, server: RunningWeb, tmp_path: Path) -> Wire:
    make_space("main", backend=Backend.FILESYSTEM, options={"root": str(tmp_path / "main")})
    study, series = new_uid(), new_uid()
    first, second = (
        build_ct(
            study_instance_uid=study,
            series_instance_uid=series,
            extra=[(0x00200013, "IS", number), (0x00081030, "LO", "CT abdomen")],
        )
        for number in ("1", "2")
    )
    wire = Wire(server, make_token(may_store=True, all_spaces=True), (first, second))
    assert stow_of_ohif(wire, first, second).status == 200
    return wire


def stow_of_ohif(wire: Wire, *datasets: Dataset) -> Answer:
    """dcmjs: quoted type and boundary, no Accept header."""
    boundary = "8b2bc1a4-1c9c-4a44-9ac2-5a4d5d0f6b5f"
    body = b"".join(
        f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        + part10_bytes(dataset)
        # dcmjs closes each part so
        + b"\r\n"
        for dataset in datasets
    )
    body += f"--{boundary}--".encode()
    return wire.send(
        "POST /dicomweb/studies HTTP/1.1",
        f'Content-Type: multipart/related; type="application/dicom"; boundary="{boundary}"',
        f"Content-Length: {len(body)}",
        body=body,
    )


def values(data_set: dict[str, dict[str, object]], tag: str) -> object:
    return data_set[tag].get("Value")


# OHIF


@pytest.mark.parametrize(
    "filter_text",
    [
        "",
        "&PatientName=*doe*",
        "&00100020=*1001*",
        "&AccessionNumber=*2002*",
        "&StudyDescription=*abdomen*",
        "&ModalitiesInStudy=CT%2CMR",
        "&ModalitiesInStudy=CT%5CMR",
        "&StudyDate=20260101-20261231",
    ],
)
def test_ohif_lists_studies(wire: Wire, filter_text: str) -> None:
    answer = wire.get(
        "/dicomweb/studies?limit=101&offset=0&fuzzymatching=false"
        f"&includefield={STUDY_LIST_FIELDS}{filter_text}",
        "Accept: application/dicom+json",
    )
    (found,) = answer.data_sets()
    for tag in (
        *("0020000D", "00080020", "00080030", "00080050", "00100020", "00100010", "00100030"),
        *("00201208", "00081030", "00080061", "00080090"),
    ):
        assert tag in found
    assert values(found, "00201208") == [2]


@pytest.mark.parametrize("separator", ["%5C", "%2C", ","])
def test_ohif_asks_for_several_studies_by_uid(wire: Wire, separator: str) -> None:
    uids = separator.join([new_uid(), wire.instances[0].StudyInstanceUID, new_uid()])
    answer = wire.get(f"/dicomweb/studies?StudyInstanceUID={uids}")
    assert len(answer.data_sets()) == 1


def test_ohif_lists_series(wire: Wire) -> None:
    answer = wire.get(f"{wire.study}/series?includefield=0008103E%2C00080021")
    (found,) = answer.data_sets()
    assert values(found, "00201209") == [2]
    assert values(found, "00200011") == [3]
    assert "0008103E" in found


APPENDED = (
    "Accept: application/dicom+json, multipart/related; type=application/octet-stream;"
    " transfer-syntax=*"
)


def test_a_header_that_xhr_appended_to_still_gets_json(wire: Wire) -> None:
    metadata = wire.get(f"{wire.series}/metadata", APPENDED)
    assert len(metadata.data_sets()) == 2
    assert len(wire.get("/dicomweb/studies", APPENDED).data_sets()) == 1


def test_elements_without_a_value_have_no_value(wire: Wire) -> None:
    bare = build_ct(extra=[(0x00080050, "SH", ""), (0x00081030, "LO", None)])
    stow_of_ohif(wire, bare)
    path = f"/dicomweb/studies?StudyInstanceUID={bare.StudyInstanceUID}&includefield=00081030"
    (found,) = wire.get(path).data_sets()
    assert "Value" not in found["00080050"]
    assert b"null" not in wire.get(path).body


# cornerstone


@pytest.mark.parametrize(
    "accept",
    [
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
        'multipart/related; type="application/octet-stream"; transfer-syntax=*',
        'multipart/related; type="application/octet-stream"; transfer-syntax="*"',
        "multipart/related;type=application/octet-stream;transfer-syntax=*",
        'multipart/related; type="*/*"',
        f'multipart/related; type="application/octet-stream"; transfer-syntax={EXPLICIT}',
    ],
)
def test_cornerstone_reads_a_frame(wire: Wire, accept: str) -> None:
    answer = wire.get(f"{wire.instance}/frames/1", f"Accept: {accept}")
    assert answer.status == 200
    header, frame = answer.first_part()
    assert f"Content-Type: application/octet-stream; transfer-syntax={EXPLICIT}" in header
    assert frame == wire.instances[0].PixelData
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_a_frame_by_query_parameter_and_byte_range(wire: Wire) -> None:
    target = f"{wire.instance}/frames/1?accept=application/octet-stream"
    answer = wire.get(target, "Range: bytes=0-63", "Accept: */*")
    assert answer.status == 206
    assert answer.headers["Content-Range"] == "bytes 0-63/128"
    assert answer.body == wire.instances[0].PixelData[:64]


@pytest.mark.parametrize("level", ["study", "series", "instance"])
@pytest.mark.parametrize("resource", ["thumbnail", "rendered"])
@pytest.mark.parametrize("accept", ["image/jpeg", BROWSER_IMAGE])
def test_ohif_shows_a_thumbnail(wire: Wire, level: str, resource: str, accept: str) -> None:
    answer = wire.get(f"{getattr(wire, level)}/{resource}", f"Accept: {accept}")
    assert answer.status == 200
    if level == "instance" or resource == "thumbnail":
        assert answer.media_type == "image/jpeg"
        assert answer.body.startswith(b"\xff\xd8")


# Weasis


def test_weasis_lists_studies_series_and_instances(wire: Wire) -> None:
    accept = "Accept: application/dicom+json"
    fields = "00080020,00080030,00080050,00080061,00081030,00081190,00100010,00100020,00200010"
    (study,) = wire.get(f"/dicomweb/studies?includefield={fields}", accept).data_sets()
    assert values(study, "00081190")
    uid = wire.instances[0].SeriesInstanceUID
    (series,) = wire.get(
        f"{wire.study}/series?0020000E={uid}&includefield=00201209", accept
    ).data_sets()
    assert values(series, "0020000E") == [uid]
    page = f"{wire.series}/instances?includefield=00080016,00080018,00200013&offset=1&limit=1"
    (instance,) = wire.get(page, accept).data_sets()
    assert values(instance, "00200013") == [2]


def test_weasis_reads_a_series_in_order(wire: Wire) -> None:
    answer = wire.get(
        wire.series, 'Accept: multipart/related;type="application/dicom";transfer-syntax=*'
    )
    assert answer.status == 200
    first, second = (answer.body.find(part10_bytes(one)[-200:]) for one in wire.instances)
    assert 0 < first <= second
    assert answer.first_part()[1] == part10_bytes(wire.instances[0])


def test_weasis_shows_thumbnails_in_its_size(wire: Wire) -> None:
    answer = wire.get(f"{wire.series}/thumbnail?viewport=96%2C96", "Accept: image/jpeg")
    assert (answer.status, answer.media_type) == (200, "image/jpeg")
    answer = wire.get(f"{wire.instance}/rendered?viewport=96%2C96", "Accept: image/jpeg")
    assert (answer.status, answer.media_type) == (200, "image/jpeg")


def test_weasis_stores_and_reads_xml(wire: Wire) -> None:
    dataset = build_ct()
    body = (
        b"\r\n--mimeTypeBoundary\r\nContent-Type: application/dicom\r\n\r\n"
        + part10_bytes(dataset)
        + b"\r\n--mimeTypeBoundary--"
    )
    answer = wire.send(
        "POST /dicomweb/studies HTTP/1.1",
        "Accept: application/dicom+xml",
        'Content-Type: multipart/related; type="application/dicom"; boundary=mimeTypeBoundary',
        f"Content-Length: {len(body)}",
        body=body,
    )
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/dicom+xml"
    assert dataset.SOPInstanceUID in answer.body.decode()
    ET.fromstring(answer.body)


# dcm4che


def test_dcm4che_stowrs_stores_files(wire: Wire) -> None:
    dataset = build_ct()
    body = (
        b"\r\n--myboundary\r\nContent-Type: application/dicom; transfer-syntax="
        + f"{EXPLICIT}\r\n\r\n".encode()
        + part10_bytes(dataset)
        + b"\r\n--myboundary--\r\n"
    )
    answer = wire.send(
        "POST /dicomweb/studies HTTP/1.1",
        'Content-Type: multipart/related; type="application/dicom"; boundary=myboundary',
        "Accept: application/dicom+xml",
        f"Content-Length: {len(body)}",
        body=body,
    )
    assert (answer.status, answer.media_type) == (200, "application/dicom+xml")


def _xml_metadata(dataset: Dataset) -> bytes:
    attributes = "".join(
        f'<DicomAttribute tag="{tag}" vr="{vr}"><Value number="1">{text}</Value></DicomAttribute>'
        for tag, vr, text in (
            ("00080016", "UI", "1.2.840.10008.5.1.4.1.1.104.1"),
            ("00080018", "UI", dataset.SOPInstanceUID),
            ("00080060", "CS", "DOC"),
            ("0020000D", "UI", dataset.StudyInstanceUID),
            ("0020000E", "UI", dataset.SeriesInstanceUID),
            ("00420012", "LO", "application/pdf"),
        )
    )
    bulk = '<DicomAttribute tag="00420011" vr="OB"><BulkData uri="bulk0"/></DicomAttribute>'
    return (
        '<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel xml:space="preserve">'
        f"{attributes}{bulk}</NativeDicomModel>"
    ).encode()


def _json_metadata(dataset: Dataset) -> bytes:
    document = {
        "00080016": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.104.1"]},
        "00080018": {"vr": "UI", "Value": [dataset.SOPInstanceUID]},
        "00080060": {"vr": "CS", "Value": ["DOC"]},
        "0020000D": {"vr": "UI", "Value": [dataset.StudyInstanceUID]},
        "0020000E": {"vr": "UI", "Value": [dataset.SeriesInstanceUID]},
        "00420011": {"vr": "OB", "BulkDataURI": "bulk0"},
        "00420012": {"vr": "LO", "Value": ["application/pdf"]},
    }
    return json.dumps([document]).encode()


@pytest.mark.parametrize(
    ("kind", "metadata"),
    [("application/dicom+xml", _xml_metadata), ("application/dicom+json", _json_metadata)],
)
def test_dcm4che_stowrs_stores_a_pdf_by_metadata_and_bulk_data(
    wire: Wire, kind: str, metadata: Callable[[Dataset], bytes]
) -> None:
    dataset, pdf = build_ct(), b"%PDF-1.4 invented\n%%EOF\n"
    body = (
        f"\r\n--myboundary\r\nContent-Type: {kind}; transfer-syntax={EXPLICIT}\r\n\r\n".encode()
        + metadata(dataset)
        + b"\r\n--myboundary\r\nContent-Type: application/pdf\r\nContent-Location: bulk0\r\n\r\n"
        + pdf
        + b"\r\n--myboundary--\r\n"
    )
    answer = wire.send(
        "POST /dicomweb/studies HTTP/1.1",
        f'Content-Type: multipart/related; type="{kind}"; boundary=myboundary',
        "Accept: application/dicom+xml",
        f"Content-Length: {len(body)}",
        body=body,
    )
    assert answer.status == 200, answer.body
    path = (
        f"/dicomweb/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}/rendered"
    )
    assert wire.get(path, "Accept: application/pdf").body.startswith(pdf)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*", "multipart/related"),
        ("multipart/related%3Btype%3D%22application/dicom%22", "multipart/related"),
        ("application/dicom%2Bjson", "application/dicom+json"),
        ("application/dicom%2Bxml", "multipart/related"),
    ],
)
def test_dcm4che_wadors_accepts_by_query(wire: Wire, accept: str, media_type: str) -> None:
    path = f"{wire.study}/metadata" if "%2B" in accept else wire.study
    answer = wire.get(f"{path}?accept={accept}", f"Accept: {JAVA_ACCEPT}")
    assert (answer.status, answer.media_type) == (200, media_type)


# 3D Slicer, and Alvearie's clients


def test_slicer_finds_a_series_and_reads_it_whole(wire: Wire) -> None:
    json_accept = "Accept: application/dicom+json, application/json"
    assert len(wire.get(f"{wire.study}/series", json_accept).data_sets()) == 1
    assert len(wire.get(f"{wire.series}/metadata", json_accept).data_sets()) == 2
    answer = wire.get(wire.series, 'Accept: multipart/related; type="application/dicom"')
    boundary = answer.headers["Content-Type"].partition("boundary=")[2].strip('"')
    assert ";" not in boundary
    assert answer.body.count(f"--{boundary}".encode()) == 3


def test_alvearie_reads_json_and_files(wire: Wire) -> None:
    answer = wire.get(f"{wire.instance}/metadata", "Accept: application/json")
    assert len(json.loads(answer.body)) == 1
    root = wire.instance.replace("/dicomweb", "/wado-rs")
    answer = wire.get(root, "Accept: multipart/related;type=application/dicom")
    assert answer.first_part()[1] == part10_bytes(wire.instances[0])


def test_slashes_may_be_repeated(wire: Wire) -> None:
    assert len(wire.get("//dicomweb//studies").data_sets()) == 1


@pytest.mark.parametrize("suffix", ["", "/metadata", "/rendered", "/thumbnail", "/frames/1"])
def test_head_tells_what_get_would_send(wire: Wire, suffix: str) -> None:
    answer = wire.send(f"HEAD {wire.instance}{suffix} HTTP/1.1", "Accept: */*")
    assert answer.status == 200
    assert answer.body == b""
    get = wire.get(wire.instance + suffix, "Accept: */*")
    assert answer.media_type == get.media_type


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /dicomweb/nowhere HTTP/1.1", 404),
        ("GET /dicomweb/studies?(0010,0010)=x HTTP/1.1", 400),
        ("PUT /dicomweb/studies HTTP/1.1", 405),
    ],
)
def test_errors_may_be_read_by_other_origins(wire: Wire, request_line: str, status: int) -> None:
    answer = wire.send(request_line, "Origin: https://viewer.example")
    assert answer.status == status
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", "https://viewer.example")
    for name in ("Content-Range", "ETag", "Location", "Warning", "Content-Location"):
        assert name in answer.headers["Access-Control-Expose-Headers"]


def test_a_preflight_needs_no_token(wire: Wire) -> None:
    wire = Wire(wire.server, "", wire.instances)
    answer = wire.send(
        "OPTIONS /dicomweb/studies HTTP/1.1",
        "Origin: https://viewer.example",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Headers: authorization,range",
    )
    assert (answer.status, answer.body) == (204, b"")
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
        assert method in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    for name in ("authorization", "accept", "content-type", "range", "if-none-match"):
        assert name in allowed
    assert answer.headers["Access-Control-Max-Age"] == "86400"
