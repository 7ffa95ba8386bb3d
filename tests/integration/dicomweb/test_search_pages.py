"""How answers of QIDO-RS are paged and represented (PS3.18 8.3.4.4, 10.6.3; RFC 8288)."""

import gzip
import json
import re
from xml.etree import ElementTree as ET

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from ingestion.models import StorageSpace, Study
from ingestion.use_cases.search_manifest import COUNTED_MAX
from tests.builders import build_ct
from tests.integration.dicomweb.web_client import WebClient, content, parts, value

NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
XML = 'multipart/related; type="application/dicom+xml"'


def make_studies(space: StorageSpace, number: int) -> None:
    Study.objects.bulk_create(
        Study(
            storage_space=space,
            study_instance_uid=f"1.2.{count}",
            study_date="20260101",
            patient_id=f"P-{count % 2}",
        )
        for count in range(number)
    )


def links(header: str) -> dict[str, str]:
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', header)
    return {relation: address.removeprefix("http://testserver") for address, relation in found}


def test_limit_returns_as_many_and_says_when_there_are_more(web: WebClient) -> None:
    for number in range(3):
        web.store(build_ct(extra=[(0x00080020, "DA", f"2026010{number + 1}")]))
    response = web.get("/dicomweb/studies?limit=2")
    assert [value(item, "00080020") for item in json.loads(response.content)] == [
        "20260103",
        "20260102",
    ]
    assert response["Warning"].startswith("299 http://testserver/dicomweb ")
    rest = web.get("/dicomweb/studies?limit=2&offset=2")
    assert [value(item, "00080020") for item in json.loads(rest.content)] == ["20260101"]
    assert "Warning" not in rest
    assert web.json("/dicomweb/studies?limit=0") == []
    assert web.json("/dicomweb/studies?offset=99") == []


def test_a_page_has_an_upper_limit(web: WebClient, settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"query_results_max": 1})
    web.store(build_ct(), build_ct())
    response = web.get("/dicomweb/studies?limit=100")
    assert len(json.loads(response.content)) == 1
    assert "299" in response["Warning"]


def test_links_lead_through_all_pages_and_back(web: WebClient, space: StorageSpace) -> None:
    make_studies(space, 5)
    first = "/dicomweb/studies?limit=2&PatientID=P-*&includefield=00081030%2C00080060"
    seen: list[str] = []
    address, previous = first, ""
    while address:
        response = web.get(address)
        found = links(response.headers.get("Link", ""))
        seen += [value(item, "0020000D") for item in json.loads(response.content)]
        assert response["X-Total-Count"] == "5"
        assert ("prev" in found) is bool(previous)
        if previous:
            assert web.json(found["prev"]) == web.json(previous)
        address, previous = found.get("next", ""), address
    assert sorted(seen) == [f"1.2.{count}" for count in range(5)]
    assert len(seen) == 5


def test_the_whole_answer_needs_no_link_and_no_count(web: WebClient, space: StorageSpace) -> None:
    make_studies(space, 3)
    web.get("/dicomweb/studies?limit=0")  # from now on the token is known
    with CaptureQueriesContext(connection) as captured:
        response = web.get("/dicomweb/studies")
    assert len(captured) == 2  # the spaces, the page
    assert response["X-Total-Count"] == "3"
    assert "Link" not in response
    with CaptureQueriesContext(connection) as captured:
        response = web.get("/dicomweb/studies?limit=2&offset=1")
    assert len(captured) == 2
    assert response["X-Total-Count"] == "3"
    assert list(links(response["Link"])) == ["prev"]


def test_a_page_that_is_not_all_costs_one_statement_more(
    web: WebClient, space: StorageSpace
) -> None:
    make_studies(space, 3)
    web.get("/dicomweb/studies?limit=0")  # from now on the token is known
    with CaptureQueriesContext(connection) as captured:
        response = web.get("/dicomweb/studies?limit=2&PatientID=P-0")
        assert response["X-Total-Count"] == "2"
        response = web.get("/dicomweb/studies?limit=1")
    assert len(captured) == 2 + 3
    assert response["X-Total-Count"] == "3"
    assert "There are 2 additional results" in response["Warning"]


def test_what_is_behind_the_end_is_counted_too(web: WebClient, space: StorageSpace) -> None:
    make_studies(space, 3)
    response = web.get("/dicomweb/studies?offset=9")
    assert (response.content, response["X-Total-Count"]) == (b"[]", "3")


def test_a_page_without_room_counts(web: WebClient, space: StorageSpace) -> None:
    make_studies(space, 3)
    response = web.get("/dicomweb/studies?limit=0&PatientID=P-0")
    assert (response.content, response["X-Total-Count"]) == (b"[]", "2")
    assert "Link" not in response


@pytest.mark.parametrize("accept", ["application/dicom+json", XML])
def test_results_are_compressed_for_clients_that_accept_it(
    web: WebClient, space: StorageSpace, accept: str
) -> None:
    make_studies(space, 10)
    plain = web.get("/dicomweb/studies", accept=accept)
    assert "Accept-Encoding" in plain["Vary"]
    assert "Content-Encoding" not in plain
    small = web.get("/dicomweb/studies", accept=accept, headers={"Accept-Encoding": "gzip"})
    assert small["Content-Encoding"] == "gzip"
    assert len(gzip.decompress(content(small))) == len(content(plain))


def test_many_are_not_counted(web: WebClient, space: StorageSpace) -> None:
    make_studies(space, COUNTED_MAX + 1)
    response = web.get("/dicomweb/studies?limit=5")
    assert "X-Total-Count" not in response
    assert "additional results" in response["Warning"]
    half = web.get("/dicomweb/studies?limit=5&PatientID=P-0")
    assert half["X-Total-Count"] == str(COUNTED_MAX // 2 + 1)


def test_no_link_leads_beyond_the_largest_offset(
    web: WebClient, space: StorageSpace, settings: Settings
) -> None:
    make_studies(space, 3)
    settings.LIMITS = settings.LIMITS.model_copy(update={"query_offset_max": 1})
    assert "next" in web.get("/dicomweb/studies?limit=1")["Link"]
    assert "next" not in links(web.get("/dicomweb/studies?limit=1&offset=1")["Link"])


def test_links_are_below_the_resource_that_was_asked(web: WebClient) -> None:
    study = build_ct()
    web.store(study, build_ct(study_instance_uid=study.StudyInstanceUID))
    path = f"/dicomweb/spaces/main/studies/{study.StudyInstanceUID}/series"
    assert links(web.get(f"{path}/?limit=1")["Link"])["next"] == f"{path}?limit=1&offset=1"


@pytest.mark.parametrize(
    "accept",
    [
        XML,
        "multipart/related;type=application/dicom+xml",
        "multipart/related",
        "multipart/*",
        "application/dicom+xml",
    ],
)
def test_xml_has_one_part_per_result(web: WebClient, accept: str) -> None:
    web.store(build_ct(patient_name="Doe^Jane"), build_ct(patient_name="Roe^Jim"))
    response = web.get("/dicomweb/studies?PatientName=*", accept=accept)
    assert response.status_code == 200
    assert response["X-Total-Count"] == "2"
    found = parts(response)
    assert [fields["Content-Type"] for fields, _ in found] == ["application/dicom+xml"] * 2
    names = {
        ET.fromstring(body).findtext(
            f"{NATIVE}DicomAttribute[@keyword='PatientName']//{NATIVE}FamilyName"
        )
        for _, body in found
    }
    assert names == {"Doe", "Roe"}


def test_xml_says_what_json_says(web: WebClient) -> None:
    web.store(build_ct())
    query = "/dicomweb/instances?includefield=all"
    (data_set,) = web.json(query)
    ((_, body),) = parts(web.get(query, accept=XML))
    attributes = {item.get("tag"): item for item in ET.fromstring(body)}
    assert set(attributes) == set(data_set)
    for tag, item in data_set.items():
        assert attributes[tag].get("vr") == item["vr"]
        if item["vr"] in ("UI", "DA", "CS", "LO", "IS", "DS", "US"):
            texts = [node.text for node in attributes[tag].findall(f"{NATIVE}Value")]
            assert texts == [str(one) for one in item.get("Value", [])]


def test_no_match_in_xml_is_no_content(web: WebClient) -> None:
    response = web.get("/dicomweb/studies?PatientID=nobody", accept=XML)
    assert (response.status_code, content(response)) == (204, b"")
    assert "Content-Type" not in response
    assert response["X-Total-Count"] == "0"


def test_head_of_xml_has_no_body(web: WebClient) -> None:
    web.store(build_ct())
    assert content(web.get("/dicomweb/studies", accept=XML, method="HEAD")) == b""


@pytest.mark.parametrize(
    "accept",
    ["image/jpeg", "multipart/related; type=application/octet-stream", "text/html"],
)
def test_what_is_not_made_is_406(web: WebClient, accept: str) -> None:
    assert web.get("/dicomweb/studies", accept=accept).status_code == 406
