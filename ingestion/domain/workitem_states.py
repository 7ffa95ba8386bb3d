"""The states of a Unified Procedure Step, and what each request does in each of them.

Source: PS3.4 CC.1.1 (Tables CC.1.1-1 and CC.1.1-2); the codes are those of PS3.4 CC.2.
"""

import enum


class ProcedureStepState(enum.StrEnum):
    """PS3.4 Table CC.1.1-1."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


FINAL_STATES = frozenset((ProcedureStepState.COMPLETED, ProcedureStepState.CANCELED))


class StepStatus(enum.IntEnum):
    """DIMSE statuses of the Unified Procedure Step SOP Classes (PS3.4 CC.2, PS3.7 C.5)."""

    EXISTS_ALREADY = 0x0111
    ALREADY_CANCELED = 0xB304
    ALREADY_COMPLETED = 0xB306
    FINAL = 0xC300
    WRONG_TRANSACTION_UID = 0xC301
    ALREADY_IN_PROGRESS = 0xC302
    SCHEDULED_ONLY_WHEN_CREATED = 0xC303
    FINAL_STATE_REQUIREMENTS = 0xC304
    UNKNOWN = 0xC307
    NOT_CREATED_SCHEDULED = 0xC309
    NOT_IN_PROGRESS = 0xC310
    CANCELLATION_COMPLETED = 0xC311
    PERFORMER_OUT_OF_REACH = 0xC312
    NOT_APPROPRIATE = 0xC314


class StepRequest(enum.Enum):
    """The rows of PS3.4 Table CC.1.1-2. A lock is the Transaction UID of whoever performs."""

    CREATE = enum.auto()
    CLAIM = enum.auto()
    CLAIM_WITHOUT_LOCK = enum.auto()
    SCHEDULE = enum.auto()
    COMPLETE = enum.auto()
    COMPLETE_WITHOUT_LOCK = enum.auto()
    REQUEST_CANCEL = enum.auto()
    CANCEL = enum.auto()
    CANCEL_WITHOUT_LOCK = enum.auto()


Outcome = ProcedureStepState | StepStatus  # the state to go to, or what is answered instead

_ABSENT = None
_SCHEDULED = ProcedureStepState.SCHEDULED
_IN_PROGRESS = ProcedureStepState.IN_PROGRESS
_COMPLETED = ProcedureStepState.COMPLETED
_CANCELED = ProcedureStepState.CANCELED
_COLUMNS = (_ABSENT, _SCHEDULED, _IN_PROGRESS, _COMPLETED, _CANCELED)

_C300 = StepStatus.FINAL
_C301 = StepStatus.WRONG_TRANSACTION_UID
_C302 = StepStatus.ALREADY_IN_PROGRESS
_C303 = StepStatus.SCHEDULED_ONLY_WHEN_CREATED
_C307 = StepStatus.UNKNOWN
_C310 = StepStatus.NOT_IN_PROGRESS
_C311 = StepStatus.CANCELLATION_COMPLETED
_C312 = StepStatus.PERFORMER_OUT_OF_REACH
_B304 = StepStatus.ALREADY_CANCELED
_B306 = StepStatus.ALREADY_COMPLETED
_0111 = StepStatus.EXISTS_ALREADY

# PS3.4 Table CC.1.1-2, row by row; to a final state only if its requirements are met (C304).
# A cancel request for a step in progress is refused with C312, as CC.2.2.3 permits: nothing here
# reaches the performer, and an answer that sounds like success would be wrong.
_TRANSITIONS: dict[StepRequest, tuple[Outcome, ...]] = {
    StepRequest.CREATE: (_SCHEDULED, _0111, _0111, _0111, _0111),
    StepRequest.CLAIM: (_C307, _IN_PROGRESS, _C302, _C300, _C300),
    StepRequest.CLAIM_WITHOUT_LOCK: (_C307, _C301, _C301, _C301, _C301),
    StepRequest.SCHEDULE: (_C307, _C303, _C303, _C303, _C303),
    StepRequest.COMPLETE: (_C307, _C310, _COMPLETED, _B306, _C300),
    StepRequest.COMPLETE_WITHOUT_LOCK: (_C307, _C301, _C301, _C301, _C301),
    StepRequest.REQUEST_CANCEL: (_C307, _CANCELED, _C312, _C311, _B304),
    StepRequest.CANCEL: (_C307, _C310, _CANCELED, _C300, _B304),
    StepRequest.CANCEL_WITHOUT_LOCK: (_C307, _C301, _C301, _C301, _C301),
}

_CHANGES = {  # the state asked for → the request with its lock, and without
    _SCHEDULED: (StepRequest.SCHEDULE, StepRequest.SCHEDULE),
    _IN_PROGRESS: (StepRequest.CLAIM, StepRequest.CLAIM_WITHOUT_LOCK),
    _COMPLETED: (StepRequest.COMPLETE, StepRequest.COMPLETE_WITHOUT_LOCK),
    _CANCELED: (StepRequest.CANCEL, StepRequest.CANCEL_WITHOUT_LOCK),
}


def outcome(request: StepRequest, state: ProcedureStepState | None) -> Outcome:
    """What a request does to a step in `state`; None is a step that does not exist."""
    return _TRANSITIONS[request][_COLUMNS.index(state)]


def change_request(
    wanted: ProcedureStepState, state: ProcedureStepState, *, given: str, lock: str
) -> StepRequest:
    """The row of a request for a change of state, of a step that is in `state`.

    `given` is the Transaction UID of the request, `lock` that of the step, '' when it has none.
    Whoever brings the first one for a scheduled step has it right.
    """
    with_lock, without_lock = _CHANGES[wanted]
    is_correct = given != "" and (state is ProcedureStepState.SCHEDULED or given == lock)
    return with_lock if is_correct else without_lock


def update_refusal(state: ProcedureStepState, *, given: str, lock: str) -> StepStatus | None:
    """Why attributes of a step may not be set, or None when they may (PS3.4 CC.2.6.2, CC.2.6.3)."""
    if state in FINAL_STATES:
        return StepStatus.FINAL
    if state is ProcedureStepState.SCHEDULED:
        return StepStatus.NOT_IN_PROGRESS if given else None
    return None if given == lock else StepStatus.WRONG_TRANSACTION_UID
