"""Selects the instances that a retrieval by DIMSE means, in the order in which they are sent.

A selection holds ids only, eight bytes each: a million instances fit where their rows would not.
Source: PS3.4 C.4.2.3, C.4.3.3 (SCP behavior).
"""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.db.models import F, Q

from ingestion.dicom.attributes import Level
from ingestion.dicom.retrieve_keys import RetrieveKeys
from ingestion.models import Instance, StorageSpace

ROWS_AT_ONCE = 2000
BATCH = 200  # instances whose places are read together

_COLUMNS: Mapping[Level, str] = {
    Level.PATIENT: "series__study__patient_id",
    Level.STUDY: "series__study__study_instance_uid",
    Level.SERIES: "series__series_instance_uid",
    Level.IMAGE: "sop_instance_uid",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What decides in which presentation context an instance travels."""

    sop_class_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Instances by id, in order, and every kind that is among them."""

    instance_ids: "array[int]"
    kinds: frozenset[Kind]

    def __len__(self) -> int:
        return len(self.instance_ids)


def select_instances(keys: RetrieveKeys, space: StorageSpace) -> Selection:
    """What the keys mean in this space, study by study in series and instance order.

    One statement through a cursor of the server; none of the rows is kept. Empty when nothing
    matches. What was deleted, superseded or quarantined is never among it.
    """
    rows = (
        Instance.objects.filter(_wanted(keys, space))
        .order_by(
            "series__study_id",
            F("series__series_number").asc(nulls_last=True),
            "series_id",
            F("instance_number").asc(nulls_last=True),
            "id",
        )
        .values_list("id", "sop_class_uid", "transfer_syntax_uid")
    )
    instance_ids = array("q")
    kinds: set[Kind] = set()
    for instance_id, sop_class_uid, transfer_syntax_uid in rows.iterator(ROWS_AT_ONCE):
        instance_ids.append(instance_id)
        kinds.add(Kind(sop_class_uid, transfer_syntax_uid))
    return Selection(instance_ids, frozenset(kinds))


def batches_of(selection: Selection) -> Iterator["array[int]"]:
    """The ids in portions for `held_in`."""
    for start in range(0, len(selection), BATCH):
        yield selection.instance_ids[start : start + BATCH]


def _wanted(keys: RetrieveKeys, space: StorageSpace) -> Q:
    wanted = Q(
        storage_space=space,
        deleted_at__isnull=True,
        series__deleted_at__isnull=True,
        series__study__deleted_at__isnull=True,
        series__study__storage_space=space,
    )
    for level, values in keys.values.items():
        column = _COLUMNS[level]
        wanted &= Q((column, values[0])) if len(values) == 1 else Q((f"{column}__in", values))
    if keys.issuer_of_patient_id:
        wanted &= Q(series__study__issuer_of_patient_id=keys.issuer_of_patient_id)
    return wanted
