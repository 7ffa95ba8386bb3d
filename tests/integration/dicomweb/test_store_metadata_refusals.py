"""STOW-RS of metadata and bulk data that cannot be stored: each data set fails by itself.

The reasons are those of PS3.18 Table I.2-2.
"""

import json
from typing import Any

import pytest
from pytest_django import Settings

from ingestion.models import Instance
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
    uid_of,
    xml_part,
)
from tests.integration.dicomweb.web_client import BOUNDARY, WebClient, value

C000, C122, A700, A900 = 0xC000, 0xC122, 0xA700, 0xA900


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (metadata(x7FE00010=bulk("nowhere", "OW")), C000),
        (metadata(x00420011=bulk("nowhere")), C000),
        (metadata(x7FE00010=bulk("tiff")), C122),
        (metadata(x7FE00010=bulk("png")), C000),
        (metadata(x7FE00010=bulk("no jpeg")), C000),
        (metadata(x7FE00010=bulk("jpeg"), x00280008={"vr": "IS", "Value": [2]}), C000),
        (metadata(x00880200={"vr": "SQ", "Value": [{"7FE00010": bulk("jpeg")}]}), C122),
        (metadata(x00280010={"vr": "US", "Value": ["many"]}), C000),
        (metadata(x0020000D=None), C000),
        (metadata(x0020000D={"vr": "UI", "Value": ["../../etc"]}), C000),
        (metadata(x7FE00010=bulk("large", "OW")), A700),
        (metadata(x7FE00010=bulk("empty jpeg")), C000),
    ],
    ids=["pixels missing", "document missing", "tiff", "png", "no jpeg", "frames differ",
         "nested jpeg", "wrong value", "no study", "no UID", "too large", "empty frame"],
)  # fmt: skip
def test_a_data_set_that_cannot_be_stored_fails_alone(
    web: WebClient, settings: Settings, wrong: dict[str, Any], reason: int
) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"instance_bytes_max": 20_000})
    good, _, pixels = ct_metadata("a")
    parts = {
        "a": RawPart(pixels),
        "tiff": RawPart(b"II*\0", "image/tiff"),
        "png": RawPart(b"\x89PNG", "image/png"),
        "no jpeg": RawPart(b"no image", "image/jpeg"),
        "empty jpeg": RawPart(b"", "image/dicom-rle"),
        "jpeg": RawPart(jpeg("L"), "image/jpeg"),
        "large": RawPart(b"x" * 19_999),
    }
    sent = [
        RawPart(part.content, part.content_type, name)
        for name, part in parts.items()
        if f'"{name}"' in json.dumps([wrong, good])
    ]
    response = web.post(body(json_part(wrong, good), *sent), content_type=JSON_TYPE)
    assert response.status_code == 202
    module = json.loads(response.content)
    (failed,) = module["00081198"]["Value"]
    assert value(failed, "00081155") == uid_of(wrong)
    assert value(failed, "00081197") == reason
    assert "0008119A" not in module
    (kept,) = module["00081199"]["Value"]
    assert value(kept, "00081155") == uid_of(good)
    assert Instance.objects.count() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"00080018": {"vr": "UI", "Value": ["no UID"]}},
        {"x": {}},
        {"00080018": "1.2"},
        {"00080016": {"vr": "UI", "Value": ["1.2"]}},
    ],
)
def test_a_data_set_without_identifiers_is_an_other_failure(
    web: WebClient, wrong: dict[str, Any]
) -> None:
    response = web.post(body(json_part(metadata(), wrong)), content_type=JSON_TYPE)
    assert response.status_code == 202
    module = json.loads(response.content)
    assert [value(item, "00081197") for item in module["0008119A"]["Value"]] == [C000]
    assert "00081198" not in module


@pytest.mark.parametrize(
    "wrong",
    [
        b"<NativeDicomModel>",
        b'<!DOCTYPE a [<!ENTITY b "b">]><NativeDicomModel>&b;</NativeDicomModel>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><NativeDicomModel/>',
    ],
)
def test_a_broken_document_of_xml_fails_alone(web: WebClient, wrong: bytes) -> None:
    parts = (RawPart(wrong, "application/dicom+xml"), xml_part(metadata()))
    response = web.post(body(*parts), content_type=XML_TYPE)
    assert response.status_code == 202
    assert [value(i, "00081197") for i in json.loads(response.content)["0008119A"]["Value"]] == [
        C000
    ]
    assert Instance.objects.count() == 1


def test_deep_json_is_refused_alone(web: WebClient) -> None:
    def nested(depth: int) -> bytes:
        begin, end = b'{"00081140":{"vr":"SQ","Value":[', b"]}}"
        return begin * depth + b"{}" + end * depth

    good = json.dumps(metadata()).encode()
    for depth in (65, 5000):
        document = b"[" + nested(depth) + b"," + good + b"]"
        response = web.post(
            body(RawPart(document, "application/dicom+json")), content_type=JSON_TYPE
        )
        assert response.status_code == 202
    assert Instance.objects.count() == 1


def test_bulk_data_that_nothing_refers_to_is_told(web: WebClient) -> None:
    parts = (json_part(metadata()), RawPart(b"x", location="a"), RawPart(b"y", location="b"))
    response = web.post(body(*parts), content_type=JSON_TYPE)
    assert response.status_code == 202
    module = json.loads(response.content)
    assert [value(item, "00081197") for item in module["0008119A"]["Value"]] == [C000, C000]


def test_bulk_data_alone_is_409(web: WebClient) -> None:
    response = web.post(body(RawPart(b"x", location="a")), content_type=JSON_TYPE)
    assert response.status_code == 409


def test_a_study_that_is_not_addressed_is_refused(web: WebClient) -> None:
    data_set = metadata()
    response = web.post(
        body(json_part(data_set)), path="/dicomweb/studies/1.2.3", content_type=JSON_TYPE
    )
    assert response.status_code == 409
    (failed,) = json.loads(response.content)["00081198"]["Value"]
    assert value(failed, "00081197") == A900


@pytest.mark.parametrize("document", [b"", b"nothing", b"[", b"[]", b"[1]", b"[{},", b"[{}}]"])
def test_what_is_no_array_of_data_sets_is_400(web: WebClient, document: bytes) -> None:
    parts = (RawPart(document, "application/dicom+json"),)
    response = web.post(body(*parts), content_type=JSON_TYPE)
    assert response.status_code == 400
    assert json.loads(response.content)["code"] in ("invalid-document", "invalid-multipart")


def test_metadata_that_breaks_off_keeps_what_came_before(web: WebClient) -> None:
    good = json.dumps(metadata()).encode()
    response = web.post(
        body(RawPart(b"[" + good + b", {", "application/dicom+json")), content_type=JSON_TYPE
    )
    assert response.status_code == 400
    assert Instance.objects.count() == 1


def test_frames_that_are_cut_off_never_make_an_instance(web: WebClient) -> None:
    data_set = metadata(x7FE00010=bulk("a"))
    frames = [RawPart(jpeg("L"), "image/jpeg", "a") for _ in range(3)]
    sent = body(json_part(data_set), *frames, is_closed=False)
    broken = sent + f"--{BOUNDARY}\r\nno colon\r\n\r\n".encode()
    assert web.post(broken, content_type=JSON_TYPE).status_code == 400
    assert not Instance.objects.exists()


@pytest.mark.parametrize(
    ("limit", "status"),
    [
        ("metadata_bytes_max", 413),
        ("header_bytes_max", 202),
        ("instance_bytes_max", 202),
        ("request_bytes_max", 413),
    ],
)
def test_each_limit_says_that_it_was_hit(
    web: WebClient, settings: Settings, limit: str, status: int
) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={limit: 30_000})
    good, _, pixels = ct_metadata("a")
    large = metadata(x00104000={"vr": "LT", "Value": ["x" * 30_000]})
    document, _, _ = ct_metadata("b", rows=200, columns=100)
    sent = {
        "metadata_bytes_max": (json_part(good, large),),
        "header_bytes_max": (json_part(good, large),),
        "instance_bytes_max": (json_part(good, document), RawPart(b"x" * 40_000, location="b")),
        "request_bytes_max": (json_part(good, document), RawPart(b"x" * 40_000, location="b")),
    }
    response = web.post(body(*sent[limit], RawPart(pixels, location="a")), content_type=JSON_TYPE)
    assert response.status_code == status
    assert status == 202 or limit in json.loads(response.content)["detail"]
    assert Instance.objects.count() == int(status == 202)


def test_a_full_spool_is_503(web: WebClient, settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"spool_free_bytes_min": 1 << 60})
    response = web.post(body(RawPart(b"x", location="a")), content_type=JSON_TYPE)
    assert response.status_code == 503
