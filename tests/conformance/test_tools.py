"""Requests of tools as they put them on the wire.

dcm4che's stowrs and wadors, 3D Slicer by dicomweb-client for Python, Alvearie's STOW binding.
"""

import json
from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from tests.builders import build_ct, part10_bytes
from tests.conformance.wire import Wire

EXPLICIT = "1.2.840.10008.1.2.1"
# Sent when the caller of Java's HttpURLConnection sets no Accept.
JAVA_ACCEPT = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


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
