"""Any sequence of requests leads where a plain model of the Standard's rules leads."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ingestion.models import StorageSpace, Workitem
from tests.integration.dicomweb.web_client import make_token
from tests.integration.dicomweb.workitem_client import WorklistClient
from tests.workitems import performed, text

pytestmark = pytest.mark.django_db

LOCKS = st.sampled_from(["", "1.9.1", "1.9.2"])
STATES = st.sampled_from(["SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"])
FINAL = ("COMPLETED", "CANCELED")


@dataclass
class Step:
    """What the model knows of a workitem."""

    state: str = "SCHEDULED"
    lock: str = ""
    label: str = "Contour the heart"
    is_performed: bool = False


def expected_change(step: Step, wanted: str, lock: str) -> int:
    """PS3.4 Table CC.1.1-2 in words; the model follows."""
    has_lock = lock != "" and (step.state == "SCHEDULED" or lock == step.lock)
    if wanted == "SCHEDULED" or not has_lock:
        return 400
    if step.state == wanted and wanted in FINAL:
        return 200
    if step.state in FINAL:
        return 409
    if wanted == "IN PROGRESS":
        if step.state != "SCHEDULED":
            return 409
        step.lock = lock
    elif step.state == "SCHEDULED" or (wanted == "COMPLETED" and not step.is_performed):
        return 409
    step.state = wanted
    return 200


def expected_cancellation(step: Step) -> int:
    """A request to cancel: done for what nobody claimed."""
    if step.state == "SCHEDULED":
        step.state = "CANCELED"
    return 202 if step.state == "CANCELED" else 409


def expected_update(step: Step, lock: str) -> int:
    """Who may set attributes (PS3.4 CC.2.6.2)."""
    if step.state in FINAL:
        return 400
    if step.state == "SCHEDULED":
        return 409 if lock else 200
    return 200 if lock == step.lock else 400


class WorklistMachine(RuleBasedStateMachine):
    """Its rules are requests to a worklist, which it finds empty."""

    uids: Bundle[str] = Bundle("uids")

    def __init__(self, worklist: WorklistClient) -> None:
        super().__init__()
        self.worklist = worklist
        Workitem.objects.all().delete()
        self.steps: dict[str, Step] = {}

    @initialize(target=uids)
    def first(self) -> str:
        assert self.worklist.create("1.2.1").status_code == 201
        self.steps["1.2.1"] = Step()
        return "1.2.1"

    @rule(target=uids, uid=st.sampled_from(["1.2.1", "1.2.2"]))
    def create(self, uid: str) -> str:
        status = self.worklist.create(uid).status_code
        assert status == (409 if uid in self.steps else 201)
        self.steps.setdefault(uid, Step())
        return uid

    @rule(uid=uids, wanted=STATES, lock=LOCKS)
    def change_state(self, uid: str, wanted: str, lock: str) -> None:
        expected = expected_change(self.steps[uid], wanted, lock)
        assert self.worklist.change_state(wanted, lock=lock, uid=uid).status_code == expected

    @rule(uid=uids)
    def request_cancellation(self, uid: str) -> None:
        response = self.worklist.send("POST", f"/workitems/{uid}/cancelrequest")
        assert response.status_code == expected_cancellation(self.steps[uid])

    @rule(uid=uids, lock=LOCKS, label=st.sampled_from(["a", "b"]))
    def set_label(self, uid: str, lock: str, label: str) -> None:
        if self.update(uid, lock, {"00741204": text("LO", label)}):
            self.steps[uid].label = label

    @rule(uid=uids, lock=LOCKS)
    def set_performed(self, uid: str, lock: str) -> None:
        if self.update(uid, lock, performed()):
            self.steps[uid].is_performed = True

    def update(self, uid: str, lock: str, change: dict[str, Any]) -> bool:
        response = self.worklist.send("POST", f"/workitems/{uid}?{lock}", change)
        assert response.status_code == expected_update(self.steps[uid], lock)
        return bool(response.status_code == 200)

    @invariant()
    def service_equals_model(self) -> None:
        found = {
            item["00080018"]["Value"][0]: (
                item["00741000"]["Value"][0],
                item["00741204"]["Value"][0],
            )
            for item in self.worklist.search()
        }
        assert found == {uid: (step.state, step.label) for uid, step in self.steps.items()}

    @invariant()
    def columns_equal_data_sets(self) -> None:
        for row in Workitem.objects.all():
            assert row.procedure_step_state == row.data_set["00741000"]["Value"][0]
            assert row.procedure_step_label == row.data_set["00741204"]["Value"][0]
            assert row.transaction_uid == self.steps[row.sop_instance_uid].lock


def test_worklist_equals_model(space: StorageSpace) -> None:
    worklist = WorklistClient(make_token(may_store=True, all_spaces=True))

    class OfThisWorklist(WorklistMachine):
        def __init__(self) -> None:
            super().__init__(worklist)

    run_state_machine_as_test(
        OfThisWorklist,
        settings=hypothesis_settings(max_examples=25, stateful_step_count=20),
    )
