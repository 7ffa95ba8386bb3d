"""PS3.4 Table CC.1.1-2, restated cell by cell, and who may set attributes (CC.2.6)."""

import pytest

from ingestion.domain.workitem_states import (
    ProcedureStepState,
    StepRequest,
    StepStatus,
    change_request,
    outcome,
    update_refusal,
)

STATES = ("", "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED")

# A state is where the step goes; a code is what is answered. The Standard has "report that an
# Application Entity requested a cancel" for IN PROGRESS; C312 is what CC.2.2.3 lets us answer.
TABLE = """
CREATE                 SCHEDULED  0111         0111         0111       0111
CLAIM                  C307       IN_PROGRESS  C302         C300       C300
CLAIM_WITHOUT_LOCK     C307       C301         C301         C301       C301
SCHEDULE               C307       C303         C303         C303       C303
COMPLETE               C307       C310         COMPLETED    B306       C300
COMPLETE_WITHOUT_LOCK  C307       C301         C301         C301       C301
REQUEST_CANCEL         C307       CANCELED     C312         C311       B304
CANCEL                 C307       C310         CANCELED     C300       B304
CANCEL_WITHOUT_LOCK    C307       C301         C301         C301       C301
"""
CELLS = [
    (row.split()[0], state, cell)
    for row in TABLE.strip().splitlines()
    for state, cell in zip(STATES, row.split()[1:], strict=True)
]


@pytest.mark.parametrize(("request_name", "state", "cell"), CELLS)
def test_every_cell_of_the_transition_table(request_name: str, state: str, cell: str) -> None:
    found = outcome(StepRequest[request_name], ProcedureStepState(state) if state else None)
    if cell in ProcedureStepState.__members__:
        assert found is ProcedureStepState[cell]
    else:
        assert found == StepStatus(int(cell, 16))


def test_table_has_every_request() -> None:
    assert {request.name for request in StepRequest} == {name for name, _, _ in CELLS}


@pytest.mark.parametrize(
    ("state", "given", "lock", "is_correct"),
    [
        ("SCHEDULED", "1.2", "", True),  # the first one that comes is right
        ("SCHEDULED", "", "", False),
        ("IN PROGRESS", "1.2", "1.2", True),
        ("IN PROGRESS", "1.3", "1.2", False),
        ("IN PROGRESS", "", "1.2", False),
        ("COMPLETED", "1.2", "1.2", True),
        ("CANCELED", "1.2", "", False),  # canceled by request: nobody ever held a lock
        ("CANCELED", "", "", False),
    ],
)
def test_the_lock_decides_the_row(state: str, given: str, lock: str, *, is_correct: bool) -> None:
    for wanted, row in (
        ("IN_PROGRESS", "CLAIM"),
        ("COMPLETED", "COMPLETE"),
        ("CANCELED", "CANCEL"),
    ):
        expected = row if is_correct else f"{row}_WITHOUT_LOCK"
        found = change_request(
            ProcedureStepState[wanted], ProcedureStepState(state), given=given, lock=lock
        )
        assert found.name == expected


@pytest.mark.parametrize(
    ("state", "given", "lock", "code"),
    [
        ("SCHEDULED", "", "", None),
        ("SCHEDULED", "1.2", "", 0xC310),
        ("IN PROGRESS", "1.2", "1.2", None),
        ("IN PROGRESS", "1.3", "1.2", 0xC301),
        ("IN PROGRESS", "", "1.2", 0xC301),
        ("COMPLETED", "1.2", "1.2", 0xC300),
        ("CANCELED", "", "", 0xC300),
    ],
)
def test_who_may_set_attributes(state: str, given: str, lock: str, code: int | None) -> None:
    assert update_refusal(ProcedureStepState(state), given=given, lock=lock) == code
