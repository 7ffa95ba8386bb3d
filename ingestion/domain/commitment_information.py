"""Storage commitment in data sets: what a request refers to, what a report tells.

Source: PS3.4 Table J.3-1 (Action Information), Table J.3-2 (Event Information), PS3.3 C.14.1.1.
"""

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.dicom.statuses import Status
from ingestion.domain.workitem_requirements import items, value
from ingestion.errors import OperationRefused

PUSH_MODEL_SOP_CLASS = "1.2.840.10008.1.20.1"
PUSH_MODEL_SOP_INSTANCE = "1.2.840.10008.1.20.1.1"  # well-known (PS3.4 J.3.5)

REQUEST_COMMITMENT = 1  # Action Type ID (J.3.2.1)

RETRIEVE_AE_TITLE = "00080054"
REFERENCED_SOP_CLASS_UID = "00081150"
REFERENCED_SOP_INSTANCE_UID = "00081155"
TRANSACTION_UID = "00081195"
FAILURE_REASON = "00081197"
FAILED_SOPS = "00081198"
REFERENCED_SOPS = "00081199"


class EventType(enum.IntEnum):
    """Event Type ID (PS3.4 J.3.3.1.1)."""

    SUCCESSFUL = 1
    FAILURES_EXIST = 2


class FailureReason(enum.IntEnum):
    """Failure Reason (0008,1197) of PS3.3 C.14.1.1, those that are sent."""

    NO_SUCH_OBJECT_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """One SOP Instance that is referred to."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A SOP Instance that is not committed, and why (PS3.3 C.14.1.1, any value)."""

    reference: Reference
    reason: int


@dataclass(frozen=True, slots=True)
class ActionInformation:
    """What a Storage Commitment Request asks for; each reference once."""

    transaction_uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class EventInformation:
    """What a Storage Commitment Result tells."""

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: tuple[Failure, ...]

    @property
    def event_type(self) -> EventType:
        """Which of the two events it is."""
        return EventType.FAILURES_EXIST if self.failed else EventType.SUCCESSFUL


def read_action(data_set: JsonDataSet, *, references_max: int) -> ActionInformation:
    """The request of a data set. Raises `OperationRefused` (0114, 0115, 0213)."""
    sequence = items(data_set, REFERENCED_SOPS)
    if not sequence:
        raise OperationRefused("ReferencedSOPSequence must have an item", Status.NO_SUCH_ARGUMENT)
    if len(sequence) > references_max:
        raise OperationRefused(
            f"more references than commitment_references_max = {references_max}",
            Status.RESOURCE_LIMITATION,
        )
    references = tuple(dict.fromkeys(map(_reference, sequence)))
    return ActionInformation(_transaction_uid(data_set), references)


def write_action(action: ActionInformation) -> JsonDataSet:
    """The data set of a request."""
    return {
        TRANSACTION_UID: element("UI", action.transaction_uid),
        REFERENCED_SOPS: element("SQ", *map(_item, action.references)),
    }


def read_event(data_set: JsonDataSet) -> EventInformation:
    """The result that a data set tells. Raises `OperationRefused` (0115)."""
    return EventInformation(
        _transaction_uid(data_set),
        committed=tuple(map(_reference, items(data_set, REFERENCED_SOPS))),
        failed=tuple(
            Failure(_reference(item), _reason(item)) for item in items(data_set, FAILED_SOPS)
        ),
    )


def write_event(event: EventInformation, *, retrieve_ae_title: str) -> JsonDataSet:
    """The data set of a report. All that is committed can be had from `retrieve_ae_title`."""
    data_set = {TRANSACTION_UID: element("UI", event.transaction_uid)}
    if event.committed:
        data_set[RETRIEVE_AE_TITLE] = element("AE", retrieve_ae_title)
        data_set[REFERENCED_SOPS] = element("SQ", *map(_item, event.committed))
    if event.failed:
        failed = (
            _item(failure.reference) | {FAILURE_REASON: element("US", failure.reason)}
            for failure in event.failed
        )
        data_set[FAILED_SOPS] = element("SQ", *failed)
    return data_set


def reference_rows(references: Iterable[Reference]) -> list[list[str]]:
    """References as rows keep them."""
    return [[one.sop_class_uid, one.sop_instance_uid] for one in references]


def failure_rows(failures: Iterable[Failure]) -> list[list[str | int]]:
    """Failures as rows keep them."""
    return [
        [one.reference.sop_class_uid, one.reference.sop_instance_uid, one.reason]
        for one in failures
    ]


def references_of(rows: Sequence[Sequence[str]]) -> tuple[Reference, ...]:
    """References that rows keep."""
    return tuple(Reference(*row) for row in rows)


def failures_of(rows: Sequence[tuple[str, str, int]]) -> tuple[Failure, ...]:
    """Failures that rows keep."""
    return tuple(Failure(Reference(row[0], row[1]), row[2]) for row in rows)


def _item(reference: Reference) -> JsonDataSet:
    return {
        REFERENCED_SOP_CLASS_UID: element("UI", reference.sop_class_uid),
        REFERENCED_SOP_INSTANCE_UID: element("UI", reference.sop_instance_uid),
    }


def _reference(item: JsonDataSet) -> Reference:
    reference = Reference(
        value(item, REFERENCED_SOP_CLASS_UID), value(item, REFERENCED_SOP_INSTANCE_UID)
    )
    if not (is_valid_uid(reference.sop_class_uid) and is_valid_uid(reference.sop_instance_uid)):
        raise _invalid("a reference must have the UIDs of a SOP Class and a SOP Instance")
    return reference


def _transaction_uid(data_set: JsonDataSet) -> str:
    uid = value(data_set, TRANSACTION_UID)
    if not uid:
        raise OperationRefused("TransactionUID must be there", Status.NO_SUCH_ARGUMENT)
    if not is_valid_uid(uid):
        raise _invalid("TransactionUID is not a UID of PS3.5 9.1")
    return uid


def _reason(item: JsonDataSet) -> int:
    text = value(item, FAILURE_REASON)
    return int(text) if text.isdecimal() else Status.PROCESSING_FAILURE


def _invalid(message: str) -> OperationRefused:
    return OperationRefused(message, Status.INVALID_ARGUMENT_VALUE)
