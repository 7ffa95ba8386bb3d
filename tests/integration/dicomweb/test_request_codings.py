"""Requests in a content coding, which origin servers support (PS3.18 Tables 10.5.1-2, 11.4.1-2)."""

import gzip
import json
import zlib
from collections.abc import Callable

import pytest

from ingestion.models import Instance
from tests.builders import build_ct, part10_bytes
from tests.integration.dicomweb.web_client import WebClient, multipart
from tests.workitems import build_workitem


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("X-GZip", gzip.compress),
        ("deflate", zlib.compress),
        ("Identity", bytes),
    ],
)
def test_an_encoded_body_is_stored(
    web: WebClient, coding: str, encode: Callable[[bytes], bytes]
) -> None:
    body = encode(multipart(part10_bytes(build_ct()), part10_bytes(build_ct())))
    response = web.post(body, headers={"Content-Encoding": coding})
    assert response.status_code == 200, response.content
    assert Instance.objects.count() == 2


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "compress"])
def test_another_coding_is_415(web: WebClient, coding: str) -> None:
    response = web.post(multipart(part10_bytes(build_ct())), headers={"Content-Encoding": coding})
    assert response.status_code == 415
    assert json.loads(response.content)["code"] == "unsupported-media-type"


def test_a_body_that_is_not_in_its_coding_is_400(web: WebClient) -> None:
    response = web.post(multipart(part10_bytes(build_ct())), headers={"Content-Encoding": "gzip"})
    assert response.status_code == 400


def test_complete_parts_of_an_encoded_body_that_is_cut_off_are_kept(web: WebClient) -> None:
    encoded = gzip.compress(multipart(part10_bytes(build_ct()), part10_bytes(build_ct())), 0)
    response = web.post(encoded[:-1000], headers={"Content-Encoding": "gzip"})
    assert response.status_code == 400
    assert b"1 complete part" in response.content
    assert Instance.objects.count() == 1


def test_an_encoded_workitem_is_created(web: WebClient) -> None:
    body = gzip.compress(json.dumps([build_workitem()]).encode())
    response = web.post(
        body,
        path="/dicomweb/workitems",
        content_type="application/dicom+json",
        headers={"Content-Encoding": "gzip"},
    )
    assert response.status_code == 201, response.content
