"""Searches by attributes that no column holds, through the views (PS3.18 8.3.4.1)."""

import json
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydicom.dataset import Dataset
from pytest_django import Settings

from tests.builders import build_ct
from tests.integration.dicomweb.web_client import WebClient, value


def _code(code_value: str, scheme: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = code_value, scheme, "x"
    return code


def _referenced_series(series_instance_uid: str, sop_instance_uid: str) -> Dataset:
    instance, series = Dataset(), Dataset()
    instance.ReferencedSOPInstanceUID = sop_instance_uid
    series.SeriesInstanceUID = series_instance_uid
    series.ReferencedInstanceSequence = [instance]
    return series


@pytest.fixture
def held(web: WebClient) -> dict[str, str]:
    """Two studies of one instance each, `a` and `b`."""
    a = build_ct(
        extra=[
            (0x00081032, "SQ", [_code("1", "A"), _code("2", "B")]),
            (0x0008002A, "DT", "20260102101530.5+0100"),
            (0x00081115, "SQ", [_referenced_series("1.2.3", "1.2.3.4")]),
            (0x00090010, "LO", "ACME"),
            (0x00091001, "LO", "Kit"),
            (0x00101010, "AS", "045Y"),
            (0x00101030, "DS", "71.5"),
            (0x00104000, "LT", "left\\right, up"),
            (0x00181030, "LO", "Head"),
        ]
    )
    b = build_ct(
        extra=[
            (0x00081032, "SQ", [_code("2", "A")]),
            (0x0008002A, "DT", "20260103"),
            (0x00101010, "AS", "046Y"),
            (0x00101030, "DS", "72"),
            (0x00104000, "LT", "left"),
            (0x00181030, "LO", "Neck"),
        ]
    )
    web.store(a, b)
    return {a.StudyInstanceUID: "a", b.StudyInstanceUID: "b"}


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("studies", {"PatientAge": "045Y"}, "a"),
        ("studies", {"00101010": "045Y,046Y"}, "a b"),
        ("studies", {"PatientWeight": "71.50"}, "a"),
        ("studies", {"PatientComments": "left\\right, up"}, "a"),
        ("studies", {"PatientComments": "left*"}, "a b"),
        ("studies", {"ProcedureCodeSequence.CodeValue": "2"}, "a b"),
        ("studies", {"00081032.00080100": "2", "00081032.00080102": "A"}, "b"),
        ("studies", {"ProcedureCodeSequence": '""', "emptyvaluematching": "true"}, ""),
        ("studies", {"MedicalAlerts": '""', "emptyvaluematching": "true"}, "a b"),
        ("studies", {"00090010": "ACME", "00091001": "Kit"}, "a"),
        ("studies", {"00090011": "ACME", "00091101": "Kit"}, "a"),
        ("studies", {"00090010": "OTHER", "00091001": "Kit"}, ""),
        ("series", {"00090010": "ACME"}, "a"),
        ("series", {"ProtocolName": "Head"}, "a"),
        ("series", {"ProtocolName": "H?ad", "PatientAge": "045Y"}, "a"),
        ("series", {"ProtocolName": "Head", "PatientAge": "046Y"}, ""),
        ("series", {"RequestAttributesSequence.AccessionNumber": "A"}, ""),
        ("instances", {"AcquisitionDateTime": "20260102-20260103"}, "a b"),
        ("instances", {"AcquisitionDateTime": "2026010209+0000"}, "a"),
        ("instances", {"AcquisitionDateTime": "20260102101530.6-"}, "b"),
        ("instances", {"00091001": "Kit", "00090010": "ACME"}, "a"),
        ("instances", {"00091001": "Kat"}, ""),
        ("instances", {"ImagePositionPatient": "42.75"}, "a b"),
        ("instances", {"00081115.00081199.00081155": "1.2.3.4"}, ""),
        ("instances", {"00081115.0008114A.00081155": "1.2.3.4,1.2"}, "a"),
        ("instances", {"00081115.0008114a.00081155": "1.2.3.4", "00081115.0020000E": "1.2"}, ""),
    ],
)
def test_any_attribute_is_matched(
    web: WebClient, held: dict[str, str], path: str, query: dict[str, str], expected: str
) -> None:
    found = web.json(f"/dicomweb/{path}?{urlencode(query)}")
    assert {held[value(item, "0020000D")] for item in found} == set(expected.split())


def test_what_is_matched_is_returned(web: WebClient, held: dict[str, str]) -> None:
    (study,) = web.json("/dicomweb/studies?PatientAge=045Y")
    assert study["00101010"] == {"vr": "AS", "Value": ["045Y"]}
    (instance,) = web.json("/dicomweb/instances?00091001=Kit")
    assert value(instance, "00091001") == "Kit"
    assert value(instance, "00090010") == "ACME"


def test_private_attributes_are_found_in_whichever_block_they_stand(
    web: WebClient, held: dict[str, str]
) -> None:
    # PS3.18 10.6.1.2.1 has such requests; PS3.5 7.8.1.
    for path in ("studies", "series", "instances"):
        (found,) = web.json(f"/dicomweb/spaces/main/{path}?00090020=ACME&includefield=00092001")
        assert (value(found, "00090020"), value(found, "00092001")) == ("ACME", "Kit")
        assert "00091001" not in found


def test_pages_are_parts_of_one_order(web: WebClient) -> None:
    for day in range(1, 8):
        age = "045Y" if day % 2 else "046Y"
        web.store(build_ct(extra=[(0x00080020, "DA", f"2026010{day}"), (0x00101010, "AS", age)]))
    found = []
    for offset in range(4):
        response = web.get(f"/dicomweb/studies?PatientAge=045Y&limit=1&offset={offset}")
        found += [value(item, "00080020") for item in json.loads(response.content)]
        assert ("next" in response.headers.get("Link", "")) is (offset < 3)
    assert found == ["20260107", "20260105", "20260103", "20260101"]
    assert response["X-Total-Count"] == "4"


def test_a_search_ends_at_the_limit_of_headers_and_says_so(
    web: WebClient, settings: Settings
) -> None:
    for day in range(1, 5):
        web.store(build_ct(extra=[(0x00080020, "DA", f"2026010{day}"), (0x00101010, "AS", "045Y")]))
    settings.LIMITS = settings.LIMITS.model_copy(update={"query_documents_max": 3})
    response = web.get("/dicomweb/studies?PatientAge=045Y")
    assert len(json.loads(response.content)) == 3
    assert "before all stored headers were read" in response["Warning"]
    assert "X-Total-Count" not in response
    assert "Link" not in response
    narrowed = web.get("/dicomweb/studies?PatientAge=045Y&StudyDate=-20260103")
    assert len(json.loads(narrowed.content)) == 3
    assert "Warning" not in narrowed


def test_a_search_ends_when_its_time_is_over_and_says_so(
    web: WebClient, held: dict[str, str], settings: Settings
) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"database_statement_seconds_max": 0}
    )
    response = web.get("/dicomweb/studies?PatientAge=045Y")
    assert response.content == b"[]"
    assert "before all stored headers were read" in response["Warning"]


def test_headers_are_read_in_one_statement(web: WebClient, held: dict[str, str]) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert len(web.json("/dicomweb/studies?PatientAge=045Y")) == 1
    statements = [item["sql"] for item in captured if "SAVEPOINT" not in item["sql"]]
    assert len(statements) == 2, statements  # the other one asks for the spaces


def test_a_path_narrows_what_is_matched(web: WebClient, held: dict[str, str]) -> None:
    (study,) = web.json("/dicomweb/studies?PatientAge=045Y")
    path = f"/dicomweb/studies/{value(study, '0020000D')}"
    assert len(web.json(f"{path}/series?ProtocolName=Head")) == 1
    assert web.json(f"{path}/series?ProtocolName=Neck") == []
