"""What an Instance Availability Notification must have, and what it lets us expect.

Source: PS3.4 Table R.3.2-1, PS3.3 C.4.23.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.statuses import Status
from ingestion.domain.workitem_requirements import has_value, items, names, value
from ingestion.errors import OperationRefused

RETRIEVE_AE_TITLE = "00080054"
INSTANCE_AVAILABILITY = "00080056"
REFERENCED_SERIES = "00081115"
REFERENCED_SOP_CLASS_UID = "00081150"
REFERENCED_SOP_INSTANCE_UID = "00081155"
REFERENCED_SOPS = "00081199"
STUDY_INSTANCE_UID = "0020000D"
SERIES_INSTANCE_UID = "0020000E"

# Table R.3.2-1, type 1, level by level.
_NOTIFICATION = (STUDY_INSTANCE_UID, REFERENCED_SERIES)
_SERIES = (SERIES_INSTANCE_UID, REFERENCED_SOPS)
_INSTANCE = (
    REFERENCED_SOP_CLASS_UID,
    REFERENCED_SOP_INSTANCE_UID,
    INSTANCE_AVAILABILITY,
    RETRIEVE_AE_TITLE,
)
# PS3.3 C.4.23.1.1: the fourth, UNAVAILABLE, says that an instance will not come.
_WILL_COME = frozenset({"ONLINE", "NEARLINE", "OFFLINE"})


@dataclass(frozen=True, slots=True)
class Availability:
    """The instances of one study that somebody has."""

    study_instance_uid: str
    sop_instance_uids: tuple[str, ...]


def announced(data_set: JsonDataSet) -> Availability:
    """What a notification tells. Raises `OperationRefused` (0106, 0120, 0121)."""
    available: list[str] = []
    for item in _instances(data_set):
        _require(item, _INSTANCE)
        if value(item, INSTANCE_AVAILABILITY) in _WILL_COME:
            available.append(value(item, REFERENCED_SOP_INSTANCE_UID))
    study = value(data_set, STUDY_INSTANCE_UID)
    if not all(map(is_valid_uid, (study, *available))):
        raise OperationRefused(
            "a UID breaks PS3.5 9.1",
            Status.INVALID_ATTRIBUTE_VALUE,
            tags=(STUDY_INSTANCE_UID, REFERENCED_SOP_INSTANCE_UID),
        )
    return Availability(study, tuple(dict.fromkeys(available)))


def _instances(data_set: JsonDataSet) -> Iterator[JsonDataSet]:
    _require(data_set, _NOTIFICATION)
    for series in items(data_set, REFERENCED_SERIES):
        _require(series, _SERIES)
        yield from items(series, REFERENCED_SOPS)


def _require(data_set: JsonDataSet, tags: tuple[str, ...]) -> None:
    absent = tuple(tag for tag in tags if tag not in data_set)
    if absent:
        status = Status.MISSING_ATTRIBUTE
        raise OperationRefused(f"{names(absent)} must be there", status, tags=absent)
    empty = tuple(tag for tag in tags if not has_value(data_set, tag))
    if empty:
        status = Status.MISSING_ATTRIBUTE_VALUE
        raise OperationRefused(f"{names(empty)} must have a value", status, tags=empty)
