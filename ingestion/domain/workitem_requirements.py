"""What the attributes of a Unified Procedure Step must be: created, updated and at its end.

Data sets are of the DICOM JSON Model; none that was given is changed.
Source: PS3.4 Table CC.2.5-3 (columns N-CREATE, N-SET, Final State), CC.2.5.1.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydicom.datadict import keyword_for_tag

from ingestion.dicom.date_times import parse_moment, parse_offset
from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.domain.workitem_states import ProcedureStepState
from ingestion.errors import InvalidRequest

UPS_PUSH_SOP_CLASS = "1.2.840.10008.5.1.4.34.6.1"  # of every step (PS3.4 CC.3.1)

SOP_CLASS_UID = "00080016"
SOP_INSTANCE_UID = "00080018"
TIMEZONE_OFFSET = "00080201"
TRANSACTION_UID = "00081195"
PATIENT_NAME = "00100010"
PATIENT_ID = "00100020"
START_DATETIME = "00404005"
MODIFICATION_DATETIME = "00404010"
CANCELLATION_DATETIME = "00404052"
INPUT_READINESS_STATE = "00404041"
PROCEDURE_STEP_STATE = "00741000"
PROGRESS_INFORMATION = "00741002"
CONTACT_URI = "0074100A"
CONTACT_DISPLAY_NAME = "0074100C"
DISCONTINUATION_REASON = "0074100E"
COMMUNICATIONS_URI = "00741008"
PRIORITY = "00741200"
WORKLIST_LABEL = "00741202"
PROCEDURE_STEP_LABEL = "00741204"
PERFORMED_PROCEDURE = "00741216"
REASON_FOR_CANCELLATION = "00741238"

# N-CREATE 1/1, in the order of the table.
REQUIRED = (
    PRIORITY,
    PROCEDURE_STEP_LABEL,
    START_DATETIME,
    INPUT_READINESS_STATE,
    PROCEDURE_STEP_STATE,
)
# N-CREATE 2/…: must be there and may be empty; what a client leaves out is created empty.
REQUIRED_EMPTY_OR_NOT: dict[str, str] = {
    WORKLIST_LABEL: "LO",
    "00741210": "SQ",  # Scheduled Processing Parameters
    "00404025": "SQ",  # Scheduled Station Name Code
    "00404026": "SQ",  # Scheduled Station Class Code
    "00404027": "SQ",  # Scheduled Station Geographic Location Code
    "00404018": "SQ",  # Scheduled Workitem Code
    "00400400": "LT",  # Comments on the Scheduled Procedure Step
    "00404021": "SQ",  # Input Information
    PATIENT_NAME: "PN",
    PATIENT_ID: "LO",
    "00100021": "LO",  # Issuer of Patient ID
    "00100024": "SQ",  # Issuer of Patient ID Qualifiers
    "00101002": "SQ",  # Other Patient IDs
    "00100030": "DA",  # Patient's Birth Date
    "00100040": "CS",  # Patient's Sex
    "00380010": "LO",  # Admission ID
    "00380014": "SQ",  # Issuer of Admission ID
    "00081080": "LO",  # Admitting Diagnoses Description
    "00081084": "SQ",  # Admitting Diagnoses Code
    "0040A370": "SQ",  # Referenced Request
    PROGRESS_INFORMATION: "SQ",
    PERFORMED_PROCEDURE: "SQ",
}
# N-CREATE "shall be created empty" and "shall be empty".
CREATED_EMPTY = (TRANSACTION_UID, PROGRESS_INFORMATION, PERFORMED_PROCEDURE)

# Value multiplicity 1 (PS3.6 6); lists and searches rely on it.
SINGLE_VALUED = (*REQUIRED, WORKLIST_LABEL, PATIENT_NAME, PATIENT_ID)

# N-SET "not allowed": what identifies the step, its patient and its order; and its state.
NEVER_SET = frozenset(
    {
        SOP_CLASS_UID,
        SOP_INSTANCE_UID,
        PATIENT_NAME,
        PATIENT_ID,
        "00100021",
        "00100024",
        "00100030",
        "00100040",
        "00380010",
        "00380014",
        "00081080",
        "00081084",
        "0040A370",
        "00741224",  # Replaced Procedure Step
        PROCEDURE_STEP_STATE,
    }
)

ENUMERATED: dict[str, frozenset[str]] = {  # PS3.3 C.30.1, C.30.2
    PRIORITY: frozenset({"HIGH", "MEDIUM", "LOW"}),
    INPUT_READINESS_STATE: frozenset({"READY", "UNAVAILABLE", "INCOMPLETE"}),
}

# Final State P below the performed procedure; what has "no relevant output" lists none.
PERFORMED_WITH_VALUE = ("00404028", "00404050", "00404019", "00404051")
PERFORMED_PRESENT = ("00404033",)

# PS3.16 CID 9300; set where a step is canceled and no reason was given (Final State X).
UNSPECIFIED_REASON: JsonDataSet = {
    "00080100": element("SH", "110513"),
    "00080102": element("SH", "DCM"),
    "00080104": element("LO", "Discontinued for unspecified reason"),
}


def created(
    data_set: JsonDataSet, *, sop_instance_uid: str, worklist_label: str, now: datetime
) -> JsonDataSet:
    """The step that a creation asks for, with all that every step has.

    `worklist_label` is for a step that names no worklist, which N-CREATE 2/1 leaves to us.
    Raises `InvalidRequest` when a required attribute has no value, when one that is created
    empty has one, or when a value is none that the Standard enumerates.
    """
    _require(data_set)
    filled = [tag for tag in CREATED_EMPTY if has_value(data_set, tag)]
    if filled:
        raise InvalidRequest(f"{names(filled)} must be empty in a workitem that is created")
    if value(data_set, SOP_CLASS_UID) not in ("", UPS_PUSH_SOP_CLASS):
        raise InvalidRequest("SOPClassUID must be that of Unified Procedure Step - Push")
    step = {tag: element(vr) for tag, vr in REQUIRED_EMPTY_OR_NOT.items()} | data_set
    step.pop(TRANSACTION_UID, None)
    step[SOP_CLASS_UID] = element("UI", UPS_PUSH_SOP_CLASS)
    step[SOP_INSTANCE_UID] = element("UI", sop_instance_uid)
    if not has_value(step, WORKLIST_LABEL):
        step[WORKLIST_LABEL] = element("LO", worklist_label)
    return touched(step, now)


def is_complete(data_set: JsonDataSet) -> bool:
    """Whether a creation has every attribute that must be there, so that none is added."""
    return REQUIRED_EMPTY_OR_NOT.keys() <= data_set.keys() and has_value(data_set, WORKLIST_LABEL)


def updated(step: JsonDataSet, changes: JsonDataSet, *, now: datetime) -> JsonDataSet:
    """The step with its attributes set; sequences are replaced as a whole (PS3.4 CC.2.6.2).

    Raises `InvalidRequest` for an attribute that cannot be set, or would lose a required value.
    """
    forbidden = sorted(tag for tag in NEVER_SET & changes.keys() if changes[tag] != step.get(tag))
    if forbidden:
        raise InvalidRequest(f"{names(forbidden)} cannot be set by an update")
    changed = step | {tag: item for tag, item in changes.items() if tag != TRANSACTION_UID}
    _require(changed)
    return touched(changed, now)


def in_state(step: JsonDataSet, state: ProcedureStepState, *, now: datetime) -> JsonDataSet:
    """The step in another state."""
    return touched(step | {PROCEDURE_STEP_STATE: element("CS", state.value)}, now)


def touched(step: JsonDataSet, now: datetime) -> JsonDataSet:
    """The step with the time of its latest change."""
    return step | {MODIFICATION_DATETIME: element("DT", now.strftime("%Y%m%d%H%M%S.%f%z"))}


def with_cancellation(step: JsonDataSet, request: JsonDataSet, *, now: datetime) -> JsonDataSet:
    """The step with all that a canceled one must tell; what is known already stays.

    `request` may give the reason and a contact (PS3.4 Table CC.2.2-1). The Standard has the
    time filled in; a step canceled without any reason gets the code of none.
    """
    progress = dict(next(iter(items(step, PROGRESS_INFORMATION)), {}))
    for tag in (REASON_FOR_CANCELLATION, DISCONTINUATION_REASON):
        if has_value(request, tag) and not has_value(progress, tag):
            progress[tag] = request[tag]
    if has_value(request, CONTACT_URI) and not has_value(progress, COMMUNICATIONS_URI):
        contact = {
            tag: request[tag]
            for tag in (CONTACT_URI, CONTACT_DISPLAY_NAME)
            if has_value(request, tag)
        }
        progress[COMMUNICATIONS_URI] = element("SQ", contact)
    if not has_value(progress, DISCONTINUATION_REASON):
        progress[DISCONTINUATION_REASON] = element("SQ", UNSPECIFIED_REASON)
    if not has_value(progress, CANCELLATION_DATETIME):
        progress[CANCELLATION_DATETIME] = element("DT", now.strftime("%Y%m%d%H%M%S.%f%z"))
    return step | {PROGRESS_INFORMATION: element("SQ", progress)}


def missing_for_completion(step: JsonDataSet) -> tuple[str, ...]:
    """Tags without which the step must not become COMPLETED (Final State R and P)."""
    missing = [tag for tag in REQUIRED if not has_value(step, tag)]
    performed = items(step, PERFORMED_PROCEDURE)
    if not performed:
        return (*missing, PERFORMED_PROCEDURE)
    for item in performed:
        missing += [tag for tag in PERFORMED_WITH_VALUE if not has_value(item, tag)]
        missing += [tag for tag in PERFORMED_PRESENT if tag not in item]
    return tuple(missing)


def scheduled_at(step: JsonDataSet) -> datetime:
    """When the step shall start; without an offset from UTC it is taken for UTC.

    Raises `InvalidRequest` when that is no value of VR DT.
    """
    moment = parse_moment(value(step, START_DATETIME))
    if moment is None:
        raise InvalidRequest(f"{names([START_DATETIME])} must be a date and time")
    text = moment.first_in_utc(parse_offset(value(step, TIMEZONE_OFFSET)) or 0)
    if text[12:14] == "60":  # a leap second, which datetime does not know
        text = f"{text[:12]}59.999999"
    return datetime.strptime(text, "%Y%m%d%H%M%S.%f").replace(tzinfo=UTC)


def has_value(data_set: JsonDataSet, tag: str) -> bool:
    """Whether an attribute is there with a value; a sequence, with an item."""
    values: list[Any] = data_set.get(tag, {}).get("Value", [])
    return any(item not in (None, "", {}) for item in values)


def value(data_set: JsonDataSet, tag: str) -> str:
    """The first value of an attribute as text, '' when there is none."""
    values: list[Any] = data_set.get(tag, {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0]).strip(" \0\r\n\t")


def items(data_set: JsonDataSet, tag: str) -> tuple[JsonDataSet, ...]:
    """The items of a sequence; of an attribute that is none, nothing."""
    values: list[Any] = data_set.get(tag, {}).get("Value", [])
    return tuple(item for item in values if isinstance(item, dict))


def names(tags: Iterable[str]) -> str:
    """Keywords, for people."""
    return ", ".join(keyword_for_tag(int(tag, 16)) or tag for tag in tags)


def _require(data_set: JsonDataSet) -> None:
    missing = [tag for tag in REQUIRED if not has_value(data_set, tag)]
    if missing:
        raise InvalidRequest(f"{names(missing)} must have a value")
    several = [tag for tag in SINGLE_VALUED if len(data_set.get(tag, {}).get("Value", ())) > 1]
    if several:
        raise InvalidRequest(f"{names(several)} must not have more than one value")
    for tag, allowed in ENUMERATED.items():
        if value(data_set, tag) not in allowed:
            raise InvalidRequest(f"{names([tag])} must be one of {', '.join(sorted(allowed))}")
    scheduled_at(data_set)
