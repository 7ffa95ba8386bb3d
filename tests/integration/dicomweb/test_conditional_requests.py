"""Conditions and ranges of a single file, in the order of RFC 9110 13.2.2."""

import json
from typing import Any

import pytest
from pydicom.dataset import Dataset

from ingestion.models import StorageSpace
from tests.builders import build_ct, part10_bytes
from tests.integration.dicomweb.web_client import WebClient, content

pytestmark = pytest.mark.django_db


class File:
    """A stored file, asked for alone."""

    def __init__(self, web: WebClient, dataset: Dataset) -> None:
        self._web = web
        self._path = (
            f"/dicomweb/studies/{dataset.StudyInstanceUID}"
            f"/series/{dataset.SeriesInstanceUID}/instances/{dataset.SOPInstanceUID}"
        )
        self.bytes = part10_bytes(dataset)

    def get(self, method: str = "GET", **headers: str) -> Any:
        """The answer, with its `body`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self._web.get(self._path, accept="application/dicom", method=method, headers=named)
        answer.body = content(answer)
        return answer


@pytest.fixture
def file(web: WebClient, space: StorageSpace) -> File:
    dataset = build_ct()
    web.store(dataset)
    return File(web, dataset)


@pytest.mark.parametrize(
    ("asked", "first", "stop"),
    [("bytes=0-9", 0, 10), ("BYTES=-4", -4, None), ("bytes = 8-", 8, None), ("bytes=0-", 0, None)],
)
def test_a_range_is_206(file: File, asked: str, first: int, stop: int | None) -> None:
    response = file.get(Range=asked)
    assert response.status_code == 206
    assert response.body == file.bytes[first:stop]


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,4-5", "bytes=x", "lines=0-1", "bytes"])
def test_what_is_no_single_range_is_ignored(file: File, asked: str) -> None:
    response = file.get(Range=asked)
    assert (response.status_code, response.body) == (200, file.bytes)


def test_a_range_behind_the_end_is_416_with_the_size(file: File) -> None:
    response = file.get(Range=f"bytes={len(file.bytes)}-")
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(file.bytes)}"
    assert json.loads(response.content)["code"] == "range-not-satisfiable"


def test_conditions_come_before_ranges(file: File) -> None:
    etag = file.get("HEAD")["ETag"]
    for asked in ("bytes=0-9", f"bytes={len(file.bytes)}-"):
        unchanged = file.get(Range=asked, If_None_Match=etag)
        assert (unchanged.status_code, unchanged.body) == (304, b"")
        assert file.get(Range=asked, If_Match='"other"').status_code == 412


def test_a_failed_condition_says_so(file: File) -> None:
    response = file.get(If_Match='"other"')
    assert response.status_code == 412
    assert json.loads(response.content)["code"] == "precondition-failed"
    assert response["ETag"] == file.get("HEAD")["ETag"]


@pytest.mark.parametrize("name", ["If_Modified_Since", "If_Unmodified_Since"])
@pytest.mark.parametrize("year", [1999, 2099])
def test_without_a_date_of_modification_dates_are_ignored(file: File, name: str, year: int) -> None:
    response = file.get(**{name: f"Sun, 22 Nov {year} 13:59:19 GMT"})
    assert response.status_code == 200


def test_unchanged_has_the_headers_of_the_whole_but_no_length(file: File) -> None:
    whole = file.get()
    unchanged = file.get(If_None_Match=whole["ETag"])
    assert unchanged.status_code == 304
    for name in ("ETag", "Cache-Control", "Content-Location", "Vary"):
        assert unchanged[name] == whole[name]
    assert "Content-Length" not in unchanged


def test_head_has_the_headers_of_get(file: File) -> None:
    got, headed = (dict(file.get(method).headers) for method in ("GET", "HEAD"))
    for headers in (got, headed):
        del headers["X-Request-ID"]
    assert headed == got
    assert "Content-Disposition" not in got, "what the store calls the file concerns nobody"


def test_a_cache_must_not_show_one_token_what_another_got(file: File) -> None:
    assert {"Accept", "Authorization"} <= set(file.get()["Vary"].split(", "))
