"""Change state and request cancellation (PS3.18 11.7, 11.8), cell by cell, with their warnings."""

from typing import Any

import pytest

from ingestion.models import StorageSpace, Workitem
from tests.integration.dicomweb.web_client import make_token
from tests.integration.dicomweb.workitem_client import LOCK, UID, WorklistClient
from tests.workitems import code, performed, text

pytestmark = pytest.mark.django_db

OTHER_LOCK = "1.2.826.0.1.3680043.8.498.98"
INCONSISTENT = "The submitted request is inconsistent with the state of the UPS Instance."
INCORRECT = "The Transaction UID is incorrect."
MISSING = "The Transaction UID is missing."
IS_CANCELED = "The UPS is already in the requested state of CANCELED."
IS_COMPLETED = "The UPS is already in the requested state of COMPLETED."

# Table CC.1.1-2 in the statuses of Table 11.7.3-1. From each state: wanted state, lock, answer.
CELLS: list[tuple[str, str, str, int, str]] = [
    ("SCHEDULED", "IN PROGRESS", LOCK, 200, ""),
    ("SCHEDULED", "IN PROGRESS", "", 400, MISSING),
    ("SCHEDULED", "SCHEDULED", LOCK, 400, INCONSISTENT),
    ("SCHEDULED", "COMPLETED", LOCK, 409, INCONSISTENT),
    ("SCHEDULED", "CANCELED", LOCK, 409, INCONSISTENT),
    ("SCHEDULED", "CANCELED", "", 400, MISSING),
    ("IN PROGRESS", "IN PROGRESS", LOCK, 409, INCONSISTENT),
    ("IN PROGRESS", "IN PROGRESS", OTHER_LOCK, 400, INCORRECT),
    ("IN PROGRESS", "IN PROGRESS", "", 400, MISSING),
    ("IN PROGRESS", "SCHEDULED", LOCK, 400, INCONSISTENT),
    ("IN PROGRESS", "COMPLETED", LOCK, 409, INCONSISTENT),  # nothing was performed
    ("IN PROGRESS", "COMPLETED", OTHER_LOCK, 400, INCORRECT),
    ("IN PROGRESS", "CANCELED", LOCK, 200, ""),
    ("IN PROGRESS", "CANCELED", OTHER_LOCK, 400, INCORRECT),
    ("COMPLETED", "IN PROGRESS", LOCK, 409, INCONSISTENT),
    ("COMPLETED", "IN PROGRESS", OTHER_LOCK, 400, INCORRECT),
    ("COMPLETED", "COMPLETED", LOCK, 200, IS_COMPLETED),
    ("COMPLETED", "COMPLETED", OTHER_LOCK, 400, INCORRECT),
    ("COMPLETED", "CANCELED", LOCK, 409, INCONSISTENT),
    ("CANCELED", "IN PROGRESS", LOCK, 409, INCONSISTENT),
    ("CANCELED", "CANCELED", LOCK, 200, IS_CANCELED),
    ("CANCELED", "CANCELED", "", 400, MISSING),
    ("CANCELED", "COMPLETED", LOCK, 409, INCONSISTENT),
]


@pytest.fixture
def worklist(space: StorageSpace) -> WorklistClient:
    return WorklistClient(make_token(may_store=True, all_spaces=True))


def assert_warning(response: Any, text_of_standard: str) -> None:
    if not text_of_standard:
        assert "Warning" not in response.headers
        return
    code_of_warning, service, words = response.headers["Warning"].split(" ", 2)
    assert code_of_warning == "299"
    assert service.endswith("/dicomweb")
    assert words == f'"{text_of_standard}"'


@pytest.mark.parametrize(("state", "wanted", "lock", "status", "warning"), CELLS)
def test_changes_of_state(
    worklist: WorklistClient, state: str, wanted: str, lock: str, status: int, warning: str
) -> None:
    worklist.bring_to(state)
    before = worklist.retrieve()
    response = worklist.change_state(wanted, lock=lock)
    assert response.status_code == status, response.content
    assert_warning(response, warning)
    is_changed = status == 200 and not warning
    after = worklist.retrieve()
    assert after["00741000"]["Value"] == [wanted if is_changed else state]
    assert (after != before) == is_changed


@pytest.mark.parametrize("state", ["", "DONE", "IN_PROGRESS"])
def test_states_that_there_are_not(worklist: WorklistClient, state: str) -> None:
    worklist.create()
    assert worklist.change_state(state).status_code == 400


def test_transaction_uid_must_be_a_uid(worklist: WorklistClient) -> None:
    worklist.create()
    assert worklist.change_state("IN PROGRESS", lock="mine").status_code == 400
    assert worklist.retrieve()["00741000"]["Value"] == ["SCHEDULED"]


def test_completion_wants_what_was_performed(worklist: WorklistClient) -> None:
    worklist.bring_to("IN PROGRESS")
    assert b"UnifiedProcedureStepPerformedProcedure" in worklist.change_state("COMPLETED").content
    worklist.send("POST", f"/workitems/{UID}?{LOCK}", performed(t00404051=None))
    assert b"PerformedProcedureStepEndDateTime" in worklist.change_state("COMPLETED").content
    worklist.send("POST", f"/workitems/{UID}?{LOCK}", performed())
    assert worklist.change_state("COMPLETED").status_code == 200


def test_performer_who_cancels_may_say_why(worklist: WorklistClient) -> None:
    worklist.bring_to("IN PROGRESS")
    reason = text("SQ", code("110514", "DCM", "Incorrect worklist entry selected"))
    said = {"00741002": text("SQ", {"0074100E": reason})}
    assert worklist.send("POST", f"/workitems/{UID}?{LOCK}", said).status_code == 200
    assert worklist.change_state("CANCELED").status_code == 200
    (progress,) = worklist.retrieve()["00741002"]["Value"]
    assert progress["0074100E"] == reason
    assert progress["00404052"]["Value"]


@pytest.mark.parametrize(
    ("state", "status", "warning"),
    [
        ("SCHEDULED", 202, ""),
        ("IN PROGRESS", 409, "The performer cannot be contacted."),
        ("COMPLETED", 409, "The UPS is already COMPLETED."),
        ("CANCELED", 202, IS_CANCELED),
    ],
)
def test_requests_to_cancel(
    worklist: WorklistClient, state: str, status: int, warning: str
) -> None:
    worklist.bring_to(state)
    response = worklist.send("POST", f"/workitems/{UID}/cancelrequest")
    assert response.status_code == status, response.content
    assert_warning(response, warning)
    after = worklist.retrieve()["00741000"]["Value"]
    assert after == ["CANCELED" if status == 202 else state]


def test_request_to_cancel_may_say_why_and_whom_to_ask(worklist: WorklistClient) -> None:
    worklist.create()
    request = {
        "00741238": text("LT", "ordered twice"),
        "0074100C": text("LO", "Ward 3"),
        "0074100A": text("UR", "tel:+49-30-1234"),
    }
    assert worklist.send("POST", f"/workitems/{UID}/cancelrequest", request).status_code == 202
    (progress,) = worklist.retrieve()["00741002"]["Value"]
    assert progress["00741238"] == request["00741238"]
    (contact,) = progress["00741008"]["Value"]
    assert contact["0074100C"] == request["0074100C"]
    assert progress["0074100E"]["Value"][0]["00080100"]["Value"] == ["110513"]


def test_nobody_ever_held_the_lock_of_what_was_canceled_by_request(
    worklist: WorklistClient,
) -> None:
    worklist.create()
    worklist.send("POST", f"/workitems/{UID}/cancelrequest")
    response = worklist.change_state("CANCELED")
    assert response.status_code == 400
    assert_warning(response, INCORRECT)
    assert Workitem.objects.get().transaction_uid == ""


def test_body_of_a_cancel_request_must_be_one(worklist: WorklistClient) -> None:
    worklist.create()
    path = f"/workitems/{UID}/cancelrequest"
    assert worklist.send("POST", path, b"{").status_code == 400
    assert worklist.send("POST", path, b"x", content_type="text/plain").status_code == 415
    assert worklist.retrieve()["00741000"]["Value"] == ["SCHEDULED"]
