"""Search for workitems (PS3.18 11.9): keys of columns, of the data set, of sequences."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from ingestion.models import StorageSpace
from tests.integration.dicomweb.web_client import content, make_token, parts
from tests.integration.dicomweb.workitem_client import LOCK as PERFORMER
from tests.integration.dicomweb.workitem_client import WorklistClient
from tests.workitems import build_workitem, code, performed, text

pytestmark = pytest.mark.django_db

LOCK = "1.2.99"
RETURNED_EMPTY = {"0020000D": {"vr": "UI"}, "00404034": {"vr": "SQ"}}


def station(value: str, meaning: str = "Station") -> dict[str, object]:
    return {"vr": "SQ", "Value": [code(value, "99HOSPITAL", meaning)]}


@pytest.fixture
def worklist(space: StorageSpace) -> WorklistClient:
    """Four workitems: 1.1 is done first, 1.2 is in progress, 1.4 has an offset from UTC."""
    client = WorklistClient(make_token(may_store=True, all_spaces=True))
    client.create("1.3", t00404005="20260103", t00100020="P3", t00741200="LOW")
    client.create("1.1", t00404005="20260101080000", t00404025=station("CT1"))
    client.create(
        "1.2",
        t00404005="20260102080000",
        t00100010=text("PN", {"Alphabetic": "Müller^Jörg", "Ideographic": "木^光"}),
    )
    client.create(
        "1.4",
        t00404005="20260104003000+0200",
        t00404025=text("SQ", code("CT1", "99OTHER", "x"), code("CT2", "99HOSPITAL", "x")),
        t0040A370=text(
            "SQ",
            {
                "00080050": text("SH", "A1"),
                "0020000D": text("UI", "1.2.840.1"),
                "00401001": text("SH", "R1"),
            },
        ),
    )
    client.change_state("IN PROGRESS", uid="1.2", lock=LOCK)
    return client


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "1.1 1.2 1.3 1.4"),
        ("SOPInstanceUID=1.2,1.4", "1.2 1.4"),
        ("00080018=1.3", "1.3"),
        ("SOPInstanceUID=1.2%5C1.1", "1.1 1.2"),
        ("ProcedureStepState=SCHEDULED", "1.1 1.3 1.4"),
        ("ProcedureStepState=IN%20PROGRESS", "1.2"),
        ("00741000=IN%20PROGRESS,COMPLETED", "1.2"),
        ("ProcedureStepState=S*", "1.1 1.3 1.4"),
        ("ScheduledProcedureStepPriority=LOW", "1.3"),
        ("PatientID=P3", "1.3"),
        ("PatientID=P*", "1.1 1.2 1.3 1.4"),
        ("PatientID=p3", ""),
        ("PatientName=doe*", "1.1 1.3 1.4"),
        ("PatientName=MULLER*", "1.2"),
        ("fuzzymatching=true&PatientName=jorg mul", "1.2"),
        ("ProcedureStepLabel=*heart", "1.1 1.2 1.3 1.4"),
        ("WorklistLabel=Contouring", "1.1 1.2 1.3 1.4"),
        ("ScheduledProcedureStepStartDateTime=20260102", "1.2"),
        ("ScheduledProcedureStepStartDateTime=20260101120000-20260103", "1.2 1.3"),
        ("ScheduledProcedureStepStartDateTime=-20260102", "1.1 1.2"),
        ("ScheduledProcedureStepStartDateTime=20260103-", "1.3 1.4"),
        ("ScheduledProcedureStepStartDateTime=20260103220000%2B0000-20260103230000%2B0000", "1.4"),
        ("00404005=0001-9999", "1.1 1.2 1.3 1.4"),
        ("ScheduledStationNameCodeSequence.CodeValue=CT1", "1.1 1.4"),
        (
            "00404025.CodeValue=CT1&00404025.CodingSchemeDesignator=99HOSPITAL",
            "1.1",  # of 1.4 the two are in different items
        ),
        ("ReferencedRequestSequence.AccessionNumber=A1", "1.4"),
        ("0040A370.0020000D=1.2.840.1,1.2.840.2", "1.4"),
        ("ReferencedRequestSequence.RequestedProcedureID=R2", ""),
        (
            "ProcedureStepState=SCHEDULED&PatientID=P1&ScheduledStationNameCodeSequence.CodeValue=C*",
            "1.1 1.4",
        ),
        ("emptyvaluematching=true&ReferencedRequestSequence.AccessionNumber=%22%22", "1.1 1.2 1.3"),
        ("PatientSex=", "1.1 1.2 1.3 1.4"),
        ("StudyInstanceUID=1.2", ""),
    ],
)
def test_keys(worklist: WorklistClient, query: str, found: str) -> None:
    assert worklist.found(query) == found.split()


def test_pages(worklist: WorklistClient) -> None:
    assert worklist.found("limit=2") == ["1.1", "1.2"]
    assert worklist.found("limit=2&offset=2") == ["1.3", "1.4"]
    assert worklist.found("limit=2&offset=4") == []
    assert worklist.found("limit=0") == []
    assert worklist.found("limit=1&offset=1&ProcedureStepState=SCHEDULED") == ["1.3"]
    assert "additional results" in worklist.send("GET", "/workitems?limit=3").headers["Warning"]
    assert "Warning" not in worklist.send("GET", "/workitems?limit=4").headers


def test_pages_are_linked(worklist: WorklistClient) -> None:
    response = worklist.send("GET", "/workitems?limit=1&PatientID=P*&offset=1")
    root = "http://testserver/dicomweb/workitems?limit=1&PatientID=P%2A"
    assert response["Link"] == f'<{root}&offset=2>; rel="next", <{root}&offset=0>; rel="prev"'
    assert "Link" not in worklist.send("GET", "/workitems?limit=4")


def test_no_match_is_an_empty_list(worklist: WorklistClient) -> None:
    assert worklist.search("PatientID=nobody") == []
    xml = 'multipart/related; type="application/dicom+xml"'
    assert worklist.send("GET", "/workitems?PatientID=nobody", accept=xml).status_code == 204


@pytest.mark.parametrize(
    "accept", ['multipart/related; type="application/dicom+xml"', "application/dicom+xml"]
)
def test_results_in_xml_have_a_part_each(worklist: WorklistClient, accept: str) -> None:
    response = worklist.send("GET", "/workitems?limit=2", accept=accept)
    found = parts(response)
    assert [headers["Content-Type"] for headers, _ in found] == ["application/dicom+xml"] * 2
    assert all(b"NativeDicomModel" in part for _, part in found)


def test_what_is_returned(worklist: WorklistClient) -> None:
    extra = {"00401400": text("LT", "a comment")}
    worklist.send("POST", "/workitems?1.5", build_workitem(t00100020="P5") | extra)
    (usual,) = worklist.search("PatientID=P5")
    assert {"00080016", "00080018", "00741000", "00741200", "00404005", "00100020"} <= usual.keys()
    assert not {"00081195", "00401400", "00400400", "00741216"} & usual.keys()
    (included,) = worklist.search("PatientID=P5&includefield=00401400&includefield=00400400")
    assert included.keys() - usual.keys() == {"00401400", "00400400"}
    (matched,) = worklist.search("PatientID=P5&00401400=a*")
    assert matched.keys() - usual.keys() == {"00401400"}
    (everything,) = worklist.search("PatientID=P5&includefield=all")
    assert everything == worklist.retrieve("1.5") | RETURNED_EMPTY


def test_what_a_step_need_not_have_is_returned_empty(worklist: WorklistClient) -> None:
    # PS3.4 Table CC.2.5-3: Return Key Type 2, and no step has to be created with them.
    (found,) = worklist.search("PatientID=P3")
    assert {tag: found[tag] for tag in RETURNED_EMPTY} == RETURNED_EMPTY
    changes = {"0020000D": text("UI", "1.2.3")}
    assert worklist.send("POST", "/workitems/1.3", changes).status_code == 200
    (found,) = worklist.search("PatientID=P3")
    assert found["0020000D"] == text("UI", "1.2.3")


def test_who_performed_a_step_and_until_when_is_returned(worklist: WorklistClient) -> None:
    # PS3.4 Table CC.2.5-3: Return Key Type 1C "if set".
    performer = {"vr": "SQ", "Value": [{"00404037": text("PN", {"Alphabetic": "Roe^Jim"})}]}
    worklist.bring_to("IN PROGRESS", uid="1.9")
    change = performed(t00404035=performer)
    assert worklist.send("POST", f"/workitems/1.9?{PERFORMER}", change).status_code == 200
    (found,) = worklist.search("00080018=1.9")
    (item,) = found["00741216"]["Value"]
    assert item == {"00404035": performer, "00404051": text("DT", "20260102101500")}
    (asked,) = worklist.search("00080018=1.9&includefield=00741216")
    assert "00404028" in asked["00741216"]["Value"][0]


def test_parameters_of_others_are_ignored_and_told(worklist: WorklistClient) -> None:
    response = worklist.send("GET", "/workitems?PatientID=P3&orderby=PatientName")
    assert len(json.loads(content(response))) == 1
    assert "orderby" in response["Warning"]


@pytest.mark.parametrize(
    "query",
    [
        "NoSuchAttribute=1",
        "limit=many",
        "PatientBirthDate=soon",
        "ScheduledStationNameCodeSequence=CT1",
        "PatientID=a&00100020=b",
        "offset=99999999",
    ],
)
def test_nonsense_is_refused(worklist: WorklistClient, query: str) -> None:
    response = worklist.send("GET", f"/workitems?{query}")
    assert response.status_code == 400
    assert json.loads(content(response))["code"] == "invalid-query"


def test_search_is_one_statement_and_reads_no_more_than_it_may(
    worklist: WorklistClient, settings: Settings
) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"workitems_searched_max": 3})
    query = "/workitems?ReferencedRequestSequence.AccessionNumber=A1"
    with CaptureQueriesContext(connection) as captured:
        response = worklist.send("GET", query)
    statements = [sql for sql in captured.captured_queries if "SAVEPOINT" not in sql["sql"]]
    assert len(statements) == 2  # spaces, workitems
    assert json.loads(content(response)) == []
    assert "Not every Workitem was searched" in response.headers["Warning"]
    narrower = worklist.send("GET", f"{query}&ProcedureStepState=SCHEDULED")
    assert len(json.loads(content(narrower))) == 1
    assert "Warning" not in narrower.headers
