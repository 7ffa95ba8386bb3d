"""What a Modality Performed Procedure Step must have when it begins, changes and ends.

Source: PS3.4 Table F.7.2-1 (attributes), Table F.1-4 (states), F.7.2.1 and F.7.2.2 (behaviour).
Departs from F.7.2: attributes of type 2 that a modality leaves out are taken as empty, and a step
that was discontinued need not have a series; else many modalities could not report at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.statuses import Status
from ingestion.domain.workitem_requirements import has_value, items, names, value
from ingestion.errors import OperationRefused

SPECIFIC_CHARACTER_SET = "00080005"
MODALITY = "00080060"
REFERENCED_IMAGES = "00081140"
REFERENCED_SOP_INSTANCE_UID = "00081155"
PATIENT_NAME = "00100010"
PATIENT_ID = "00100020"
STUDY_INSTANCE_UID = "0020000D"
PROTOCOL_NAME = "00181030"
SERIES_INSTANCE_UID = "0020000E"
REFERENCED_NON_IMAGES = "00400220"
PERFORMED_STATION_AE_TITLE = "00400241"
START_DATE = "00400244"
START_TIME = "00400245"
END_DATE = "00400250"
END_TIME = "00400251"
STATUS = "00400252"
STEP_ID = "00400253"
SCHEDULED_STEP_ATTRIBUTES = "00400270"
PERFORMED_SERIES = "00400340"

IN_PROGRESS, COMPLETED, DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"
STATUSES = (IN_PROGRESS, COMPLETED, DISCONTINUED)

# Error ID (0000,0903) of 0110: "may no longer be updated" (PS3.4 Table F.7.2-2).
NO_LONGER_UPDATED_ERROR_ID = 0xA710

# Table F.7.2-1, N-CREATE of type 1; inside a sequence in each of its items.
CREATED_WITH: dict[str, tuple[str, ...]] = {
    SCHEDULED_STEP_ATTRIBUTES: (STUDY_INSTANCE_UID,),
    STEP_ID: (),
    PERFORMED_STATION_AE_TITLE: (),
    START_DATE: (),
    START_TIME: (),
    STATUS: (),
    MODALITY: (),
}
# Of type 1 inside a series whenever one is named (N-CREATE and N-SET).
SERIES_WITH = (PROTOCOL_NAME, SERIES_INSTANCE_UID)
# "Requirement Type Final State" 1, where it differs from that of N-CREATE.
COMPLETED_WITH = (END_DATE, END_TIME, PERFORMED_SERIES)
DISCONTINUED_WITH = (END_DATE, END_TIME)
_FINAL: dict[str, tuple[str, ...]] = {
    IN_PROGRESS: (),
    COMPLETED: COMPLETED_WITH,
    DISCONTINUED: DISCONTINUED_WITH,
}

# N-SET "Not allowed": what identifies the step, its patient and what was scheduled.
NEVER_SET = frozenset(
    {
        SCHEDULED_STEP_ATTRIBUTES,
        PATIENT_NAME,
        PATIENT_ID,
        "00100021",  # Issuer of Patient ID
        "00100024",  # Issuer of Patient ID Qualifiers Sequence
        "00101002",  # Other Patient IDs Sequence
        "00100030",  # Patient's Birth Date
        "00100040",  # Patient's Sex
        "00081120",  # Referenced Patient Sequence
        STEP_ID,
        PERFORMED_STATION_AE_TITLE,
        "00400242",  # Performed Station Name
        "00400243",  # Performed Location
        START_DATE,
        START_TIME,
        MODALITY,
        "00200010",  # Study ID
    }
)


@dataclass(frozen=True, slots=True)
class _Lack:
    """An attribute that is absent or empty; of a sequence's item, by its own tag."""

    tag: str
    is_absent: bool


def created_step(data_set: JsonDataSet) -> JsonDataSet:
    """The step that an N-CREATE asks for. Raises `OperationRefused` (0106, 0120, 0121)."""
    step = _without_character_set(data_set)
    _require_nothing_lacks(list(_lacks(step, CREATED_WITH)))
    if value(step, STATUS) != IN_PROGRESS:
        raise _invalid("a step is created IN PROGRESS and in no other state", STATUS)
    _require_valid(step)
    return step


def changed_step(step: JsonDataSet, changes: JsonDataSet) -> JsonDataSet:
    """The step after an N-SET; sequences are replaced as a whole (F.7.2.2.2).

    Raises `OperationRefused`: 0110 when the step has ended, 0106, 0120, 0121.
    """
    if value(step, STATUS) != IN_PROGRESS:
        raise OperationRefused(
            "Performed Procedure Step Object may no longer be updated",
            Status.PROCESSING_FAILURE,
            error_id=NO_LONGER_UPDATED_ERROR_ID,
        )
    changes = _without_character_set(changes)
    forbidden = sorted(tag for tag in NEVER_SET & changes.keys() if changes[tag] != step.get(tag))
    if forbidden:
        raise _invalid(f"{names(forbidden)} cannot be set", *forbidden)
    changed = step | changes
    if value(changed, STATUS) not in STATUSES:
        raise _invalid("the status is none of PS3.3 C.4.14", STATUS)
    final = _FINAL[value(changed, STATUS)]
    _require_nothing_lacks(list(_lacks(changed, dict.fromkeys(final, ()))))
    _require_valid(changed)
    return changed


def study_instance_uids(step: JsonDataSet) -> tuple[str, ...]:
    """The studies that the step belongs to, each once, in their order."""
    scheduled = items(step, SCHEDULED_STEP_ATTRIBUTES)
    return tuple(dict.fromkeys(value(item, STUDY_INSTANCE_UID) for item in scheduled))


def sop_instance_uids(step: JsonDataSet) -> tuple[str, ...]:
    """The SOP Instances that its series refer to, each once, in their order."""
    return tuple(dict.fromkeys(filter(is_valid_uid, _references(step))))


def _references(step: JsonDataSet) -> Iterator[str]:
    for series in items(step, PERFORMED_SERIES):
        for sequence in (REFERENCED_IMAGES, REFERENCED_NON_IMAGES):
            for item in items(series, sequence):
                yield value(item, REFERENCED_SOP_INSTANCE_UID)


def _lacks(data_set: JsonDataSet, required: dict[str, tuple[str, ...]]) -> Iterator[_Lack]:
    for tag, inside in required.items():
        inner = items(data_set, tag) if inside else ()
        if not (inner if inside else has_value(data_set, tag)):
            yield _Lack(tag, tag not in data_set)
        for item in inner:
            yield from _lacks(item, dict.fromkeys(inside, ()))


def _require_nothing_lacks(lacks: list[_Lack]) -> None:
    """PS3.7 C.5.13 and C.5.14: an absent attribute weighs more than an empty one."""
    absent = [lack.tag for lack in lacks if lack.is_absent]
    if absent:
        status = Status.MISSING_ATTRIBUTE
        raise OperationRefused(f"{names(absent)} must be there", status, tags=tuple(absent))
    if lacks:
        empty = tuple(lack.tag for lack in lacks)
        status = Status.MISSING_ATTRIBUTE_VALUE
        raise OperationRefused(f"{names(empty)} must have a value", status, tags=empty)


def _require_valid(step: JsonDataSet) -> None:
    """The UIDs that we look for, what each series must have, and that all can be kept."""
    if b"\\u0000" in orjson.dumps(step):  # no VR of text has it (PS3.5 6.2), no database keeps it
        raise _invalid("a value has a null character")
    studies = study_instance_uids(step)
    if not all(map(is_valid_uid, studies)):
        raise _invalid("StudyInstanceUID is not a UID", STUDY_INSTANCE_UID)
    for series in items(step, PERFORMED_SERIES):
        _require_nothing_lacks(list(_lacks(series, dict.fromkeys(SERIES_WITH, ()))))


def _invalid(message: str, *tags: str) -> OperationRefused:
    return OperationRefused(message, Status.INVALID_ATTRIBUTE_VALUE, tags=tags)


def _without_character_set(data_set: JsonDataSet) -> JsonDataSet:
    """Text is Unicode by now: what it was encoded in says nothing any more (F.7.2.2.3)."""
    return {tag: item for tag, item in data_set.items() if tag != SPECIFIC_CHARACTER_SET}
