"""Addresses, queries and headers that no client would send, of every resource.

A value is tolerated, or refused with a reason; it is never a fault of ours.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders import build_ct
from tests.integration.dicomweb.routes import DICOMWEB
from tests.integration.dicomweb.web_client import WebClient, content

# Views are the same below every root.
ROUTES = [route for route in DICOMWEB if route.startswith("dicomweb/spaces/")]

NAMES = (
    *("%00", "1.2%00", "%ff", "%ed%a0%80", "%F0%9F%98%80", "%0a", "1.2%0a", "'", '"', "%25s"),
    *("..", "%2e%2e", "1." * 500 + "1", "1,2,", "-1", "0", "1-0", "999999999"),
    *("7FE00010", "00100010/0/x"),
)
QUERIES = (
    *(
        "%00=%00",
        "PatientID=%00",
        "%ff=%ff",
        "PatientName=%ff%fe",
        "PatientName=%ed%a0%80",
        "&&=&==",
    ),
    *(
        "accept=%00",
        "accept=%ff/%ff",
        "accept=*/*;q=NaN",
        "accept=*/*;q=1e999",
        "accept=" + "," * 500,
    ),
    *("limit=-1", "limit=1e9", "limit=" + "9" * 5000, "offset=%D9%A1", "offset=" + "9" * 5000),
    *(
        "includefield=" + "0" * 3000,
        "includefield=%00",
        "fuzzymatching=%00",
        "fuzzymatching=true&x=1",
    ),
    *("StudyDate=99999999-00000000", "StudyTime=-", "StudyDate=%00-", "PatientName=" + "*" * 2000),
    *("StudyInstanceUID=" + "1.2," * 1500, "&".join(f"a{number}=1" for number in range(1500))),
    *(
        "viewport=0,0",
        "viewport=NaN,1",
        "viewport=1,1,,,,",
        "viewport=1e308,1",
        "viewport=1,1,9e99,,,",
    ),
    *("window=NaN,1", "window=1e308,1e308,sigmoid", "window=0,1e-308,sigmoid", "quality=%D9%A3"),
    *("viewport=8192,8192,0,0,1e-9,1e-9", "viewport=1,8192", "annotation=%00", "iccprofile=%00"),
)
WADO_URI = "requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={instance}&"
URI_QUERIES = (
    *("rows=0", "rows=99999999999", "rows=-1&columns=1", "columns=%D9%A1", "frameNumber=0"),
    *("frameNumber=" + "9" * 5000, "region=0,0,0,0", "region=1,1,0,0", "region=NaN,0,1,1"),
    *(
        "region=0,0,1e-300,1",
        "windowCenter=1",
        "windowCenter=NaN&windowWidth=NaN",
        "windowWidth=1e999",
    ),
    *("imageQuality=0", "contentType=%00", "contentType=" + "a/b," * 500, "transferSyntax=%00"),
    *("annotation=%ff", "anonymize=yes", "presentationUID=1&presentationSeriesUID=1"),
    *("contentType=application/dicom&transferSyntax=1.2", "rows=1&rows=2", "studyUID=1.2"),
)
HEADERS: tuple[dict[str, str], ...] = (
    {"Range": "bytes=" + "9" * 30 + "-"},
    {"Range": "bytes=-0"},
    {"Range": "bytes=5-1"},
    {"Range": "bytes=0-0,2-3," + "4-5," * 300},
    {"Range": "bytes=-" + "9" * 18},
    {"Range": "lines=1-2"},
    {"Range": "bytes=\u0661-"},
    {"If-Range": '"x', "Range": "bytes=0-1"},
    {"If-None-Match": '"' * 301},
    {"If-None-Match": "*"},
    {"If-Match": "W/"},
    {"If-Modified-Since": "Tue, 99 Foo 99999 99:99:99 GMT"},
    {"If-Unmodified-Since": "0"},
    {"Accept": "multipart/related; type=" + '"' * 99},
    {"Accept": "multipart/related; type=\"application/dicom\"; transfer-syntax='1.2'"},
    {"Accept": "a" * 5000},
    {"Accept": "*/*; q=" + "9" * 5000},
    {"Accept": "image/jpeg; q=0, */*; q=0"},
    {"Accept-Encoding": "gzip; q=NaN, *; q=\x00"},
    {"Accept-Charset": "\xff"},
    {"Content-Type": "multipart/related; boundary=" + "b" * 5000},
    {"Content-Encoding": "gzip"},
    {"Content-Length": "99999999999999999999"},
    {"Content-Length": "-1"},
    {"X-Forwarded-Host": "\x00", "X-Forwarded-Proto": "x"},
    {"Origin": "\x00"},
)


@pytest.fixture
def held(web: WebClient) -> dict[str, str]:
    """An image that is there, by the names of paths' variables."""
    dataset = build_ct()
    web.store(dataset)
    return {
        "space_slug": "main",
        "study_instance_uid": dataset.StudyInstanceUID,
        "series_instance_uid": dataset.SeriesInstanceUID,
        "sop_instance_uid": dataset.SOPInstanceUID,
        "frame_list": "1",
        "tag_path": "7FE00010",
        "workitem_uid": "1.2.3",
        "ae_title": "WATCHER",
    }


def filled(route: str, names: dict[str, str]) -> str:
    return "/" + re.sub(r"<\w+:(\w+)>", lambda found: names[found[1]], route)


def check(response: Any, asked: object) -> None:
    """A success, or a problem that says what is wrong."""
    body = content(response)
    assert response.status_code < 500, (asked, body)
    if response.status_code >= 400 and response.status_code != 416:
        assert json.loads(body)["detail"], asked


def hostile_paths(held: dict[str, str]) -> Iterator[str]:
    """Every route with its last variable replaced."""
    for route in ROUTES:
        last = re.findall(r"<\w+:(\w+)>", route)[-1]
        yield from (filled(route, held | {last: hostile}) for hostile in NAMES)


def test_names_that_are_none(web: WebClient, held: dict[str, str]) -> None:
    for path in hostile_paths(held):
        for method in ("GET", "POST", "PUT", "DELETE"):
            check(web.get(path, method=method), (method, path))


def test_queries_that_are_none(web: WebClient, held: dict[str, str]) -> None:
    for route in ROUTES:
        for query in QUERIES:
            path = f"{filled(route, held)}?{query}"
            check(web.get(path), path)


def test_uri_queries_that_are_none(web: WebClient, held: dict[str, str]) -> None:
    asked = WADO_URI.format(
        study=held["study_instance_uid"],
        series=held["series_instance_uid"],
        instance=held["sop_instance_uid"],
    )
    for query in (*QUERIES, *URI_QUERIES):
        check(web.get(f"/wado?{asked}{query}"), query)
    for query in ("", "requestType=", "requestType=WADO", f"{asked}objectUID="):
        assert web.get(f"/wado?{query}").status_code == 400, query
    assert web.get(f"/wado?{asked.replace('1', '%00')}").status_code == 404


def test_headers_that_are_none(web: WebClient, held: dict[str, str]) -> None:
    for route in ROUTES:
        for headers in HEADERS:
            for method in ("GET", "POST"):
                response = web.get(filled(route, held), headers=headers, method=method)
                check(response, (method, route, headers))
