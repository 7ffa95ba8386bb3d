"""Of several who want the same workitem at the same time exactly one gets it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connections

from ingestion.models import Workitem, WorkitemSubscription
from tests.integration.dicomweb.workitem_client import UID, WorklistClient

pytestmark = pytest.mark.django_db(transaction=True)

CONTENDERS = 6


def at_once(*actions: object) -> list[int]:
    """The statuses of requests that are sent together, each on its own connection."""
    barrier = Barrier(len(actions))

    def run(action: object) -> int:
        assert callable(action)
        barrier.wait(60)
        try:
            return int(action().status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def test_one_of_several_claims_wins(token: str) -> None:
    worklist = WorklistClient(token)
    for round_number in range(5):
        uid = f"1.2.{round_number}"
        worklist.create(uid)
        locks = [f"1.9.{contender}" for contender in range(CONTENDERS)]
        statuses = at_once(
            *(
                lambda lock=lock, uid=uid: WorklistClient(token).change_state(
                    "IN PROGRESS", lock=lock, uid=uid
                )
                for lock in locks
            )
        )
        assert sorted(statuses) == [200] + [400] * (CONTENDERS - 1)
        winner = locks[statuses.index(200)]
        assert Workitem.objects.get(sop_instance_uid=uid).transaction_uid == winner


def test_one_of_several_creations_wins(token: str) -> None:
    statuses = at_once(*(lambda: WorklistClient(token).create(UID) for _ in range(CONTENDERS)))
    assert sorted(statuses) == [201] + [409] * (CONTENDERS - 1)
    assert Workitem.objects.count() == 1


def test_a_claim_and_a_cancel_request_do_not_both_win(token: str) -> None:
    for round_number in range(5):
        uid = f"1.2.{round_number}"
        WorklistClient(token).create(uid)
        claimed, canceled = at_once(
            lambda uid=uid: WorklistClient(token).change_state("IN PROGRESS", uid=uid),
            lambda uid=uid: WorklistClient(token).send("POST", f"/workitems/{uid}/cancelrequest"),
        )
        state = Workitem.objects.get(sop_instance_uid=uid).procedure_step_state
        assert (claimed, canceled, state) in (
            (200, 409, "IN PROGRESS"),
            (400, 202, "CANCELED"),
        )


def test_no_workitem_slips_past_a_new_subscription(token: str) -> None:
    everything = "/workitems/1.2.840.10008.5.1.4.34.5/subscribers/WATCHER"
    creations = [
        lambda uid=f"1.2.{number}": WorklistClient(token).create(uid)
        for number in range(CONTENDERS)
    ]
    statuses = at_once(lambda: WorklistClient(token).send("POST", everything), *creations)
    assert statuses == [201] * (CONTENDERS + 1)
    assert WorkitemSubscription.objects.filter(ae_title="WATCHER").count() == CONTENDERS
