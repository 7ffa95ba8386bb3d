"""Subscribe, unsubscribe and suspend (PS3.18 11.10 to 11.12), by PS3.4 Table CC.2.3-2."""

import pytest
from pytest_django import Settings

from ingestion.models import StorageSpace, WorkitemSubscription, WorklistSubscription
from tests.integration.dicomweb.web_client import make_token
from tests.integration.dicomweb.workitem_client import UID, WorklistClient

pytestmark = pytest.mark.django_db

ALL = "1.2.840.10008.5.1.4.34.5"
FILTERED = "1.2.840.10008.5.1.4.34.5.1"


@pytest.fixture
def worklist(space: StorageSpace) -> WorklistClient:
    return WorklistClient(make_token(may_store=True, all_spaces=True))


def state(uid: str = UID, ae_title: str = "WATCHER") -> str:
    """The UPS Subscription State of an AE."""
    found = WorkitemSubscription.objects.filter(
        workitem__sop_instance_uid=uid, ae_title=ae_title
    ).first()
    if found is None:
        return "not subscribed"
    return "with lock" if found.has_deletion_lock else "without lock"


def standing(ae_title: str = "WATCHER") -> str:
    """The Global Subscription State of an AE."""
    found = WorklistSubscription.objects.filter(ae_title=ae_title).first()
    if found is None:
        return "none"
    return "with lock" if found.has_deletion_lock else "without lock"


def subscribe(worklist: WorklistClient, uid: str, query: str = "") -> None:
    response = worklist.send("POST", f"/workitems/{uid}/subscribers/WATCHER{query}")
    assert response.status_code == 201, response.content
    assert "no event reports are sent" in response.headers["Warning"]
    assert "Content-Location" not in response.headers


STARTS = {
    "not subscribed": "",
    "with lock": "?deletionlock=true",
    "without lock": "?deletionlock=false",
}
# Rows of the table that find a step: what happens, then the state of the step for each start.
ROWS = [
    (ALL, "POST", "?deletionlock=true", "with lock",
     {"not subscribed": "with lock", "with lock": "with lock", "without lock": "without lock"}),
    (ALL, "POST", "", "without lock",
     {"not subscribed": "without lock", "with lock": "with lock", "without lock": "without lock"}),
    (UID, "POST", "?deletionlock=true", "none",
     dict.fromkeys(STARTS, "with lock")),
    (UID, "POST", "?deletionlock=false", "none",
     dict.fromkeys(STARTS, "without lock")),
    (ALL, "DELETE", "", "none", dict.fromkeys(STARTS, "not subscribed")),
    (UID, "DELETE", "", "none", dict.fromkeys(STARTS, "not subscribed")),
]  # fmt: skip


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]} {row[0]}{row[2]}")
def test_every_row_of_the_subscription_table(
    worklist: WorklistClient, start: str, row: tuple[str, str, str, str, dict[str, str]]
) -> None:
    uid, method, query, global_state, states = row
    worklist.create()
    if STARTS[start]:
        subscribe(worklist, UID, STARTS[start])
    response = worklist.send(method, f"/workitems/{uid}/subscribers/WATCHER{query}")
    if method == "DELETE" and start == "not subscribed":
        assert response.status_code == 404
    else:
        assert response.status_code == (201 if method == "POST" else 200)
    assert state() == states[start]
    assert standing() == global_state


@pytest.mark.parametrize(
    ("query", "lock"), [("?deletionlock=true", "with lock"), ("", "without lock")]
)
def test_new_workitems_join_a_global_subscription(
    worklist: WorklistClient, query: str, lock: str
) -> None:
    worklist.create("1.1")
    assert state("1.1") == "not subscribed"
    subscribe(worklist, ALL, query)
    worklist.create("1.2")
    assert (state("1.1"), state("1.2")) == (lock, lock)


def test_filtered_subscription_takes_what_matches(worklist: WorklistClient) -> None:
    worklist.create("1.1", t00100020="P1")
    worklist.create("1.2", t00100020="P2")
    subscribe(
        worklist, FILTERED, "?deletionlock=true&filter=PatientID=P1,ProcedureStepState=SCHEDULED"
    )
    worklist.create("1.3", t00100020="P1")
    worklist.create("1.4", t00100020="P2")
    found = [state(uid) for uid in ("1.1", "1.2", "1.3", "1.4")]
    assert found == ["with lock", "not subscribed", "with lock", "not subscribed"]


@pytest.mark.parametrize("uid", [ALL, FILTERED])
def test_suspended_subscription_keeps_what_it_has(worklist: WorklistClient, uid: str) -> None:
    worklist.create("1.1")
    subscribe(worklist, uid, "?filter=PatientID=P1" if uid == FILTERED else "")
    suspend = f"/workitems/{uid}/subscribers/WATCHER/suspend"
    assert worklist.send("POST", suspend).status_code == 200
    worklist.create("1.2")
    assert standing() == "none"
    assert (state("1.1"), state("1.2")) == ("without lock", "not subscribed")
    assert worklist.send("POST", suspend).status_code == 404
    assert worklist.send("DELETE", f"/workitems/{uid}/subscribers/WATCHER").status_code == 200
    assert state("1.1") == "not subscribed"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("1.2.3/subscribers/WATCHER", 404),
        (f"{UID}/subscribers/TITLE-OF-17-CHARS", 400),
        (f"{UID}/subscribers/%20", 400),
        (f"{UID}/subscribers/A%5CB", 400),
        (f"{UID}/subscribers/WATCHER?deletionlock=perhaps", 400),
        (f"{FILTERED}/subscribers/WATCHER", 400),
        (f"{FILTERED}/subscribers/WATCHER?filter=NoSuchAttribute=1", 400),
        (f"{UID}/subscribers/WATCHER/suspend", 404),
    ],
)
def test_subscriptions_that_cannot_be(worklist: WorklistClient, path: str, status: int) -> None:
    worklist.create()
    assert worklist.send("POST", f"/workitems/{path}").status_code == status
    assert not WorkitemSubscription.objects.exists()
    assert not WorklistSubscription.objects.exists()


def test_other_spaces_are_not_subscribed(
    worklist: WorklistClient, space: StorageSpace, other_space: StorageSpace
) -> None:
    other = WorklistClient(make_token(may_store=True, spaces=[other_space]))
    mine = WorklistClient(make_token(may_store=True, spaces=[space]))
    other.create("1.1")
    mine.create("1.2")
    subscribe(mine, ALL)
    other.create("1.3")
    assert [state(uid) for uid in ("1.1", "1.2", "1.3")] == [
        "not subscribed",
        "without lock",
        "not subscribed",
    ]
    assert other.send("DELETE", f"/workitems/{ALL}/subscribers/WATCHER").status_code == 404


def test_subscribers_have_a_number(worklist: WorklistClient, settings: Settings) -> None:
    settings.LIMITS = settings.LIMITS.model_copy(update={"worklist_subscribers_max": 1})
    subscribe(worklist, ALL)
    subscribe(worklist, ALL, "?deletionlock=true")  # the same one
    refused = worklist.send("POST", f"/workitems/{ALL}/subscribers/OTHER")
    assert refused.status_code == 413
    assert "worklist_subscribers_max = 1" in refused.content.decode()


def test_filters_read_no_more_than_they_may(worklist: WorklistClient, settings: Settings) -> None:
    worklist.create("1.1")
    worklist.create("1.2")
    settings.LIMITS = settings.LIMITS.model_copy(update={"workitems_searched_max": 1})
    refused = worklist.send(
        "POST", f"/workitems/{FILTERED}/subscribers/WATCHER?filter=PatientName=D*"
    )
    assert refused.status_code == 413
    assert standing() == "none"
    assert state("1.1") == "not subscribed"
