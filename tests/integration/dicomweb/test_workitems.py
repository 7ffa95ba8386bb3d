"""Create, retrieve and update workitems (PS3.18 11.4, 11.5, 11.6)."""

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from ingestion.models import StorageSpace, Workitem
from tests.integration.dicomweb.web_client import content, make_token, parts
from tests.integration.dicomweb.workitem_client import JSON_TYPE, LOCK, UID, WorklistClient
from tests.workitems import build_workitem, performed, text

pytestmark = pytest.mark.django_db

UPS_PUSH = "1.2.840.10008.5.1.4.34.6.1"
XML = """<?xml version="1.0" encoding="UTF-8"?>
<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">
  <DicomAttribute tag="00741200" vr="CS" keyword="ScheduledProcedureStepPriority">
    <Value number="1">HIGH</Value></DicomAttribute>
  <DicomAttribute tag="00741204" vr="LO" keyword="ProcedureStepLabel">
    <Value number="1">Read ü</Value></DicomAttribute>
  <DicomAttribute tag="00404005" vr="DT" keyword="ScheduledProcedureStepStartDateTime">
    <Value number="1">20260102</Value></DicomAttribute>
  <DicomAttribute tag="00404041" vr="CS" keyword="InputReadinessState">
    <Value number="1">READY</Value></DicomAttribute>
  <DicomAttribute tag="00741000" vr="CS" keyword="ProcedureStepState">
    <Value number="1">SCHEDULED</Value></DicomAttribute>
  <DicomAttribute tag="00100010" vr="PN" keyword="PatientName"><PersonName number="1">
    <Alphabetic><FamilyName>Doe</FamilyName><GivenName>Jane</GivenName></Alphabetic>
  </PersonName></DicomAttribute>
</NativeDicomModel>""".encode()


@pytest.fixture
def worklist(space: StorageSpace) -> WorklistClient:
    return WorklistClient(make_token(may_store=True, all_spaces=True))


def test_created_workitem_has_an_address_and_is_what_was_sent(worklist: WorklistClient) -> None:
    response = worklist.create()
    assert response.status_code == 201
    assert response.content == b""
    assert "Warning" not in response.headers
    location = response.headers["Location"]
    assert location.endswith(f"/dicomweb/spaces/main/workitems/{UID}")
    assert response.headers["Content-Location"] == location
    workitem = worklist.retrieve()
    sent = build_workitem()
    del sent["00081195"]
    own = {tag: workitem.pop(tag) for tag in ("00080005", "00080016", "00080018", "00404010")}
    assert workitem == sent
    assert own["00080016"]["Value"] == [UPS_PUSH]
    assert own["00080018"]["Value"] == [UID]
    assert own["00080005"]["Value"] == ["ISO_IR 192"]


@pytest.mark.parametrize(
    "query", [UID, f"workitem={UID}", f"AffectedSOPInstanceUID={UID}"], ids=["bare", "now", "2019"]
)
def test_query_names_the_workitem(worklist: WorklistClient, query: str) -> None:
    assert worklist.send("POST", f"/workitems?{query}", build_workitem()).status_code == 201
    assert worklist.found() == [UID]


def test_body_names_the_workitem(worklist: WorklistClient) -> None:
    workitem = build_workitem() | {"00080018": text("UI", UID)}
    assert worklist.send("POST", "/workitems", workitem).status_code == 201
    assert worklist.found() == [UID]


def test_workitem_that_nobody_named_gets_a_uid(worklist: WorklistClient) -> None:
    response = worklist.send("POST", "/workitems", build_workitem())
    assert response.status_code == 201
    (uid,) = worklist.found()
    assert uid.startswith("2.25.")
    assert response.headers["Location"].endswith(uid)


@pytest.mark.parametrize(
    ("query", "in_body"),
    [
        (UID, "1.2.3"),
        ("workitem=abc", None),
        ("1.2.840.10008.5.1.4.34.5", None),
        ("", "1.2.840.10008.5.1.4.34.5.1"),
    ],
)
def test_what_names_no_workitem_or_two_is_refused(
    worklist: WorklistClient, query: str, in_body: str | None
) -> None:
    workitem = build_workitem() | ({"00080018": text("UI", in_body)} if in_body else {})
    assert worklist.send("POST", f"/workitems?{query}", workitem).status_code == 400
    assert worklist.found() == []


def test_uid_is_created_once(worklist: WorklistClient) -> None:
    assert worklist.create().status_code == 201
    again = worklist.create(t00100020="P2")
    assert again.status_code == 409
    assert "already" in again.content.decode() or "has a workitem" in again.content.decode()
    assert worklist.retrieve()["00100020"]["Value"] == ["P1"]


def test_what_we_add_is_said(worklist: WorklistClient) -> None:
    response = worklist.create(t00400400=None)
    assert response.status_code == 201
    assert response.headers["Warning"].endswith('"The Workitem was created with modifications."')
    assert worklist.retrieve()["00400400"] == {"vr": "LT"}


@pytest.mark.parametrize("state", ["IN PROGRESS", "COMPLETED", "CANCELED", "NONSENSE"])
def test_workitem_is_created_scheduled(worklist: WorklistClient, state: str) -> None:
    response = worklist.create(t00741000=state)
    assert response.status_code == 400
    assert json.loads(response.content)["code"] == "workitem-refused"


@pytest.mark.parametrize(
    "attributes",
    [{"t00741204": None}, {"t00404005": "soon"}, {"t00741200": "STAT"}],
    ids=["missing", "no moment", "no priority"],
)
def test_attributes_that_break_the_table_are_refused(
    worklist: WorklistClient, attributes: dict[str, str]
) -> None:
    assert worklist.create(**attributes).status_code == 400
    assert worklist.found() == []


BOUNDARY = "edge"
MULTIPART_XML = f'multipart/related; type="application/dicom+xml"; boundary={BOUNDARY}'
MULTIPART_BODY = (
    f"--{BOUNDARY}\r\nContent-Type: application/dicom+xml\r\n\r\n".encode()
    + XML
    + f"\r\n--{BOUNDARY}--\r\n".encode()
)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/dicom+xml", XML),
        ("application/xml; charset=utf-8", XML),
        (MULTIPART_XML, MULTIPART_BODY),
        (JSON_TYPE, json.dumps(build_workitem()).encode()),
        ("application/json", json.dumps([build_workitem()]).encode()),
    ],
    ids=["xml", "plain xml", "multipart xml", "object", "plain json"],
)
def test_every_form_of_body(worklist: WorklistClient, content_type: str, body: bytes) -> None:
    response = worklist.send("POST", f"/workitems?{UID}", body, content_type=content_type)
    assert response.status_code == 201, response.content
    (name,) = worklist.retrieve()["00100010"]["Value"]
    assert name == {"Alphabetic": "Doe^Jane"}


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("text/plain", b"{}", 415),
        ("", b"{}", 415),
        ("application/dicom", b"DICM", 415),
        (JSON_TYPE, b"", 400),
        (JSON_TYPE, b"{", 400),
        (JSON_TYPE, b"[]", 400),
        (JSON_TYPE, b"[{}, {}]", 400),
        (JSON_TYPE, b'{"00100010": {"vr": "PN", "Value": ["\\u0000"]}}', 400),
        (JSON_TYPE, b'{"00100010": 5}', 400),
        (JSON_TYPE, b'{"00741002": {"vr":"SQ","Value":[' * 2000, 400),
        ("application/dicom+xml", b"<NativeDicomModel>", 400),
        (
            "application/dicom+xml",
            b'<!DOCTYPE x [<!ENTITY a "b">]><NativeDicomModel/>',
            400,
        ),
        ("multipart/related; type=application/dicom+xml", b"", 400),
        (MULTIPART_XML, f"--{BOUNDARY}--\r\n".encode(), 400),
        (MULTIPART_XML, MULTIPART_BODY[: -len(BOUNDARY) - 6] + MULTIPART_BODY, 413),
    ],
)
def test_bodies_that_are_no_workitem(
    worklist: WorklistClient, content_type: str, body: bytes, status: int
) -> None:
    response = worklist.send("POST", f"/workitems?{UID}", body, content_type=content_type)
    assert response.status_code == status, response.content
    assert worklist.found() == []


def test_workitems_have_a_size(worklist: WorklistClient, settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"workitem_bytes_max": 4096})
    assert worklist.create().status_code == 201
    refused = worklist.send("POST", f"/workitems/{UID}", {"00400400": text("LT", "x" * 5000)})
    assert refused.status_code == 413
    assert "workitem_bytes_max = 4096" in refused.content.decode()
    # Smaller requests must not make a larger workitem either.
    for tag in ("00400400", "00404021"):
        vr, value = (
            ("LT", "x" * 2000)
            if tag == "00400400"
            else ("SQ", {"0008103E": text("LO", "y" * 2000)})
        )
        refused = worklist.send("POST", f"/workitems/{UID}", {tag: text(vr, value)})
    assert refused.status_code == 413


def test_nesting_is_bounded(worklist: WorklistClient) -> None:
    item: dict[str, object] = {}
    for _ in range(100):
        item = {"00404021": {"vr": "SQ", "Value": [item]}}
    assert worklist.create(t00404021=item["00404021"]).status_code == 413


def test_retrieved_in_every_representation(worklist: WorklistClient) -> None:
    worklist.create()
    alone = worklist.send("GET", f"/workitems/{UID}", accept="application/dicom+xml")
    assert alone.headers["Content-Type"] == "application/dicom+xml"
    several = worklist.send(
        "GET", f"/workitems/{UID}", accept='multipart/related; type="application/dicom+xml"'
    )
    ((headers, part),) = parts(several)
    assert headers["Content-Type"] == "application/dicom+xml"
    assert part == content(alone)
    root = ET.fromstring(part)
    family = root.find(".//{*}DicomAttribute[@tag='00100010']//{*}FamilyName")
    assert family is not None
    assert family.text == "Doe"
    assert worklist.send("GET", f"/workitems/{UID}", accept="image/png").status_code == 406
    head = worklist.send("HEAD", f"/workitems/{UID}")
    assert head.status_code == 200
    assert head.content == b""


@pytest.mark.parametrize("uid", ["1.2.3", "abc", "1.2.840.10008.5.1.4.34.5"])
def test_unknown_workitems_are_not_found(worklist: WorklistClient, uid: str) -> None:
    assert worklist.send("GET", f"/workitems/{uid}").status_code == 404
    assert worklist.send("POST", f"/workitems/{uid}", {}).status_code == 404
    assert worklist.send("POST", f"/workitems/{uid}/cancelrequest").status_code == 404
    assert worklist.change_state("IN PROGRESS", uid=uid).status_code == 404


def test_transaction_uid_is_shown_to_nobody(worklist: WorklistClient) -> None:
    worklist.bring_to("IN PROGRESS")
    answers = [
        worklist.send("GET", f"/workitems/{UID}"),
        worklist.send("GET", "/workitems?includefield=all&includefield=TransactionUID"),
        worklist.send("GET", f"/workitems/{UID}", accept="application/dicom+xml"),
    ]
    for answer in answers:
        assert answer.status_code == 200
        assert LOCK not in content(answer).decode()
    assert worklist.found(f"TransactionUID={LOCK}") == []


def test_update_in_progress_needs_the_transaction_uid(worklist: WorklistClient) -> None:
    worklist.bring_to("IN PROGRESS")
    progress = {"00741002": text("SQ", {"00741004": text("DS", 40)})}
    for query in ("", "?1.2.3"):
        refused = worklist.send("POST", f"/workitems/{UID}{query}", progress)
        assert refused.status_code == 400
        assert "inconsistent with the current state" in refused.headers["Warning"]
    for query in (f"?{LOCK}", f"?transaction-uid={LOCK}", f"?transaction={LOCK}"):
        assert worklist.send("POST", f"/workitems/{UID}{query}", progress).status_code == 200
    in_body = {"00081195": text("UI", LOCK), **performed()}
    assert worklist.send("POST", f"/workitems/{UID}", in_body).status_code == 200
    both = worklist.send("POST", f"/workitems/{UID}?1.2.3", in_body)
    assert both.status_code == 400
    workitem = worklist.retrieve()
    assert workitem["00741002"] == progress["00741002"]
    assert workitem["00741216"] == performed()["00741216"]


def test_update_of_what_nobody_claimed(worklist: WorklistClient) -> None:
    worklist.create()
    change = {"00741204": text("LO", "Contour the lung")}
    claimed = worklist.send("POST", f"/workitems/{UID}?{LOCK}", change)
    assert claimed.status_code == 409
    assert claimed.headers["Warning"].endswith(
        '"The target URI did not reference a claimed Workitem."'
    )
    response = worklist.send("POST", f"/workitems/{UID}", change)
    assert response.status_code == 200
    assert response.headers["Content-Location"].endswith(f"/dicomweb/workitems/{UID}")
    assert worklist.retrieve()["00741204"]["Value"] == ["Contour the lung"]
    row = Workitem.objects.get()
    assert row.procedure_step_label == "Contour the lung"
    assert row.changed_at > row.created_at


@pytest.mark.parametrize("state", ["COMPLETED", "CANCELED"])
def test_final_workitems_are_not_updated(worklist: WorklistClient, state: str) -> None:
    worklist.bring_to(state)
    before = worklist.retrieve()
    refused = worklist.send(
        "POST", f"/workitems/{UID}?{LOCK}", {"00741204": text("LO", "too late")}
    )
    assert refused.status_code == 400
    assert worklist.retrieve() == before


def test_patient_of_a_workitem_stays(worklist: WorklistClient) -> None:
    worklist.create()
    refused = worklist.send("POST", f"/workitems/{UID}", {"00100020": text("LO", "P2")})
    assert refused.status_code == 400
    assert "PatientID" in refused.content.decode()


@pytest.mark.parametrize("root", ["/dicomweb/spaces/main", "/dicomweb", "/stow-rs", "/wado-rs"])
def test_every_root_has_the_worklist(worklist: WorklistClient, root: str) -> None:
    worklist.root = root
    worklist.bring_to("COMPLETED")
    assert worklist.found() == [UID]


def test_spaces_keep_their_worklists_apart(space: StorageSpace, other_space: StorageSpace) -> None:
    mine = WorklistClient(make_token(may_store=True, spaces=[space]))
    theirs = WorklistClient(make_token(may_store=True, spaces=[other_space]))
    both = WorklistClient(make_token(may_store=True, all_spaces=True))
    assert mine.create().status_code == 201
    assert theirs.send("GET", f"/workitems/{UID}").status_code == 404
    assert theirs.found() == []
    assert theirs.change_state("IN PROGRESS").status_code == 404
    assert theirs.send("GET", f"/spaces/main/workitems/{UID}").status_code == 404
    assert theirs.create(t00100020="P2").status_code == 201  # a UID is of its space
    assert mine.retrieve()["00100020"]["Value"] == ["P1"]
    assert both.found() == [UID, UID]
    assert both.change_state("IN PROGRESS").status_code == 409
    both.root = "/dicomweb/spaces/other"
    assert both.change_state("IN PROGRESS").status_code == 200
    assert mine.retrieve()["00741000"]["Value"] == ["SCHEDULED"]


def test_scopes(space: StorageSpace) -> None:
    reader = WorklistClient(make_token(may_read=True, all_spaces=True))
    assert reader.create().status_code == 403
    assert reader.found() == []
    writer = WorklistClient(make_token(may_read=False, may_store=True, all_spaces=True))
    assert writer.create().status_code == 201
    assert writer.send("GET", "/workitems").status_code == 403
    for method, path in (
        ("PUT", f"/workitems/{UID}/state"),
        ("POST", f"/workitems/{UID}/cancelrequest"),
        ("POST", f"/workitems/{UID}/subscribers/WATCHER"),
        ("DELETE", f"/workitems/{UID}/subscribers/WATCHER"),
    ):
        assert reader.send(method, path).status_code == 403
    assert WorklistClient("").send("GET", "/workitems").status_code == 401


def test_statements_of_each_request(worklist: WorklistClient) -> None:
    worklist.create("1.2.3.1")  # tokens and spaces are known now
    expected: dict[str, tuple[int, Callable[[], Any]]] = {
        "create": (3, worklist.create),
        "retrieve": (2, lambda: worklist.send("GET", f"/workitems/{UID}")),
        "search": (2, lambda: worklist.send("GET", "/workitems?ProcedureStepState=SCHEDULED")),
        "update": (3, lambda: worklist.send("POST", f"/workitems/{UID}", {})),
        "claim": (3, lambda: worklist.change_state("IN PROGRESS")),
        "cancel": (3, lambda: worklist.change_state("CANCELED")),
    }
    counts = {}
    for name, (_, ask) in expected.items():
        with CaptureQueriesContext(connection) as captured:
            assert ask().status_code in (200, 201), name
        counts[name] = sum("SAVEPOINT" not in query["sql"] for query in captured.captured_queries)
    assert counts == {name: count for name, (count, _) in expected.items()}
