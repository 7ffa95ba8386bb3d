"""Store requests byte for byte as clients send them, and as nobody should."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.dicom.json_model import element
from ingestion.models import Instance
from tests.builders import build_ct, new_uid, part10_bytes
from tests.integration.dicomweb.store_requests import (
    JSON_TYPE,
    XML_TYPE,
    RawPart,
    body,
    bulk,
    ct_metadata,
    jpeg,
    json_part,
    metadata,
    xml_part,
)
from tests.integration.dicomweb.web_client import BOUNDARY, STOW_TYPE, WebClient, multipart

STATEMENTS_MAX = 5


@dataclass(frozen=True, slots=True)
class Form:
    """How a client writes a request around a DICOM file."""

    content_type: str
    before: str
    after: str
    accept: str = ""


HEAD = "Content-Type: application/dicom\r\n\r\n"
NEVER_CHANGING = "0f3cf5c0-70e0-41ef-baef-c6f9f65ec3e1"
CLIENTS = {
    "dcm4che stowrs": Form(
        'multipart/related; type="application/dicom"; boundary=myboundary',
        f"\r\n--myboundary\r\n{HEAD}",
        "\r\n--myboundary--\r\n",
        "application/dicom+xml",
    ),
    "dicomweb-client": Form(
        f'multipart/related; type="application/dicom"; boundary="{NEVER_CHANGING}"',
        f"\r\n--{NEVER_CHANGING}\r\n{HEAD}",
        f"\r\n--{NEVER_CHANGING}--",
        "*/*",
    ),
    "OHIF": Form(
        'multipart/related; type="application/dicom"; boundary="----dcmjs"',
        f"------dcmjs\r\n{HEAD}",
        "\r\n------dcmjs--\r\n",
    ),
    "Weasis": Form(
        'multipart/related;type="application/dicom";boundary=mimeTypeBoundary',
        f"--mimeTypeBoundary\r\n{HEAD}",
        "\r\n--mimeTypeBoundary--\r\n",
        "application/dicom+xml",
    ),
    "a notebook without type": Form(
        "multipart/related; boundary=DICOM DATA BOUNDARY",
        f"--DICOM DATA BOUNDARY\r\n{HEAD}",
        "\r\n--DICOM DATA BOUNDARY--",
        "application/dicom+json",
    ),
    "line feeds": Form(
        "multipart/related; type=application/dicom; boundary=b",
        "--b\nContent-Type: application/dicom\n\n",
        "\n--b--\n",
        "application/json",
    ),
    "a preamble, no part header": Form(
        "multipart/related; type=application/dicom; boundary=b",
        "This is a message of several parts.\r\n--b\r\n\r\n",
        "\r\n--b--\r\n",
    ),
    "no closing delimiter": Form(
        "multipart/related; type=application/dicom; boundary=b", f"--b\r\n{HEAD}", "\r\n--b\r\n"
    ),
    "nothing behind the part": Form(
        "multipart/related; type=application/dicom; boundary=b", f"--b\r\n{HEAD}", ""
    ),
    "curl --form with a type": Form(
        "multipart/related; type=application/dicom; boundary=------------------------a1b2",
        "--------------------------a1b2\r\n"
        'Content-Disposition: form-data; name="file"; filename="ct.dcm"\r\n'
        f"{HEAD}",
        "\r\n--------------------------a1b2--\r\n",
        "*/*",
    ),
    "curl --form without a type": Form(
        "multipart/related; type=application/dicom; boundary=------------------------a1b2",
        "--------------------------a1b2\r\n"
        'Content-Disposition: form-data; name="file"; filename="ct.dcm"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n",
        "\r\n--------------------------a1b2--\r\n",
        "*/*",
    ),
    "one file alone": Form("application/dicom", "", "", "*/*"),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_form_of_a_client_is_understood(web: WebClient, client: str) -> None:
    form = CLIENTS[client]
    sent = form.before.encode() + part10_bytes(build_ct()) + form.after.encode()
    headers = {"Accept": form.accept} if form.accept else {}
    response = web.post(sent, content_type=form.content_type, headers=headers)
    assert response.status_code == 200, response.content
    kind = "xml" if form.accept.endswith("xml") else "json"
    assert response["Content-Type"] == f"application/dicom+{kind}"
    assert Instance.objects.count() == 1


@pytest.mark.parametrize("path", ["/dicomweb//studies", "/stow-rs//studies/", "/wado-rs/studies"])
def test_slashes_too_many_are_joined(web: WebClient, path: str) -> None:
    assert web.post(multipart(part10_bytes(build_ct())), path=path).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        f"multipart/related; boundary={BOUNDARY}",
        f"multipart/related; type=application/dicom+json; boundary={BOUNDARY}",
        f'Multipart/Related; Type="APPLICATION/DICOM+JSON"; Boundary={BOUNDARY}',
        f'multipart/related; type="application/dicom+xml;charset=utf-8"; boundary={BOUNDARY}',
    ],
)
def test_types_of_metadata_are_taken_as_clients_write_them(
    web: WebClient, content_type: str
) -> None:
    document, _, pixels = ct_metadata("a")
    sent = body(json_part(document), RawPart(pixels, location="a"))
    assert web.post(sent, content_type=content_type).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", ""])
def test_parts_of_metadata_are_known_by_other_names(web: WebClient, content_type: str) -> None:
    sent = body(RawPart(json.dumps([metadata()]).encode(), content_type))
    assert web.post(sent, content_type=JSON_TYPE).status_code == 200


def test_a_request_takes_as_many_statements_for_many_instances_as_for_one(web: WebClient) -> None:
    def statements(count: int) -> int:
        study, series = new_uid(), new_uid()
        files = [
            part10_bytes(build_ct(study_instance_uid=study, series_instance_uid=series))
            for _ in range(count)
        ]
        data_sets = [
            metadata(x0020000D=element("UI", study), x0020000E=element("UI", series))
            for _ in range(count)
        ]
        parts = [RawPart(file, "application/dicom") for file in files]
        with CaptureQueriesContext(connection) as captured:
            response = web.post(body(*parts, json_part(*data_sets)))
        assert response.status_code == 200
        return len(captured)

    statements(1)  # a space's first request also reads what is cached afterwards
    assert statements(1) == statements(20) <= STATEMENTS_MAX


CONTENTS = st.sampled_from(
    [
        b"",
        part10_bytes(build_ct())[:-3],
        json_part(metadata(x7FE00010=bulk("a"))).content,
        json_part(metadata(), {"x": 1}).content,
        xml_part(metadata(x7FE00010=bulk("b", "OW"))).content,
        jpeg("L"),
        b"[{",
    ]
) | st.binary(max_size=60)
TYPES = st.sampled_from(
    [
        "application/dicom",
        "application/dicom+json",
        "application/dicom+xml",
        "application/octet-stream",
        "image/jpeg",
        "image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50",
        "image/jp2; transfer-syntax=*",
        "text/plain; x=",
        "nonsense",
        "",
    ]
)
PARTS = st.builds(RawPart, CONTENTS, TYPES, st.sampled_from(["", "a", "b", "http://[", " "]))


@settings(max_examples=60)
@given(
    st.lists(PARTS, max_size=5),
    st.sampled_from([STOW_TYPE, JSON_TYPE, XML_TYPE]),
    st.sampled_from(["\r\n", "\n"]),
    st.just(0) | st.integers(1, 400),
)
def test_any_parts_are_answered(
    web: WebClient, parts: list[RawPart], content_type: str, line_end: str, cut_bytes: int
) -> None:
    sent = body(*parts, line_end=line_end)
    response: Any = web.post(sent[: len(sent) - cut_bytes], content_type=content_type)
    assert response.status_code in (200, 202, 400, 409)
    assert isinstance(json.loads(response.content), dict)
