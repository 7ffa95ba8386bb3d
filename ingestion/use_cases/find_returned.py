"""What each result of a C-FIND returns: values of columns, counts, elements of stored headers.

Source: PS3.4 C.4.1.1.3.2 (what is returned), C.6 (keys), C.3.4 (additional attributes).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Func, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from ingestion.dicom.attribute_levels import PATIENT_TAGS
from ingestion.dicom.attribute_names import is_known, is_private, private_creator
from ingestion.dicom.attributes import IndexedAttribute, Level
from ingestion.dicom.json_model import JsonDataSet
from ingestion.dicom.time_zones import TIMED_VRS
from ingestion.models import Study
from ingestion.use_cases.search_attributes import PATHS, RETURNED, entity_level, level_of
from ingestion.use_cases.search_conditions import held
from ingestion.use_cases.search_query import Scope

# Query/Retrieve Level, Retrieve AE Title, Instance Availability: the same in every result.
CONSTANT_TAGS = frozenset((0x00080052, 0x00080054, 0x00080056))
TIMEZONE_OFFSET = 0x00080201

# PS3.4 C.6.1.1 and C.6.2.1.
UNIQUE_KEYS = {
    Level.PATIENT: 0x00100020,
    Level.STUDY: 0x0020000D,
    Level.SERIES: 0x0020000E,
    Level.IMAGE: 0x00080018,
}

_FIRST_GROUP = 0x0008  # those before are of messages, files and directories (PS3.5 7.1, PS3.10 7.1)
_COLUMNS: dict[int, IndexedAttribute] = {attribute.tag: attribute for attribute in RETURNED}
# PS3.4 C.3.4: Number of Patient Related Studies, Series, Instances.
_PATIENT_COUNTS = {
    0x00201200: Func("pk", function="COUNT"),
    0x00201202: Func("number_of_series", function="SUM"),
    0x00201204: Func("number_of_instances", function="SUM"),
}


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """An attribute whose value is in a column of the row, or counted for it."""

    tag: int
    vr: str
    path: str | Coalesce
    is_sent_empty: bool = True


@dataclass(frozen=True, slots=True)
class Returned:
    """What is returned: columns in the order of their tags, and keys taken from the header.

    `header` is as the query has it: of a sequence whose item has keys, only these.
    """

    columns: tuple[FoundColumn, ...]
    header: JsonDataSet


def searched_level(level: Level) -> Level:
    """The level of the rows that are searched: patients are what studies say of them."""
    return entity_level(level)


def exists(tag: int, level: Level) -> bool:
    """Whether entities of the level, and those above, have the attribute."""
    if tag in CONSTANT_TAGS or tag in _PATIENT_COUNTS:
        return True
    if tag >> 16 < _FIRST_GROUP or not (is_private(tag) or is_known(tag)):
        return False
    if level is Level.PATIENT:
        return is_private(tag) or f"{tag:08X}" in PATIENT_TAGS or tag == TIMEZONE_OFFSET
    if tag in _COLUMNS:
        return entity_level(_COLUMNS[tag].level) in PATHS[level]
    return level_of((tag,), searched=level) in PATHS[level]


def returned(
    asked: JsonDataSet, levels: Sequence[Level], *, scope: Scope, is_adjusted: bool = False
) -> Returned:
    """What results have: all that exists of what is asked, and the unique keys of `levels`.

    The last of the levels is the searched one. With `is_adjusted` dates and times come of the
    header, since they are brought into another zone there.
    """
    level = levels[-1]
    tags = {int(tag, 16) for tag in asked} - CONSTANT_TAGS
    in_columns = {tag for tag in tags if tag in _COLUMNS or tag in _PATIENT_COUNTS}
    if is_adjusted:
        in_columns = {tag for tag in in_columns if _vr(tag) not in TIMED_VRS}
    always = {UNIQUE_KEYS[above] for above in levels}
    in_header = {f"{tag:08X}": asked[f"{tag:08X}"] for tag in tags - in_columns}
    for tag in tags - in_columns:
        creator = private_creator(tag)
        if creator is not None:
            in_header.setdefault(f"{creator:08X}", {"vr": "LO"})
    columns = [
        _column(tag, level, scope=scope, is_asked=tag in tags)
        for tag in sorted(in_columns | always | {TIMEZONE_OFFSET})
    ]
    return Returned(tuple(columns), in_header)


def _vr(tag: int) -> str:
    return _COLUMNS[tag].vr if tag in _COLUMNS else "IS"


def _column(tag: int, level: Level, *, scope: Scope, is_asked: bool) -> FoundColumn:
    paths = PATHS[searched_level(level)]
    if tag in _PATIENT_COUNTS:
        return FoundColumn(tag, "IS", _patient_count(tag, paths[Level.STUDY], scope))
    attribute = _COLUMNS[tag]
    path = paths[entity_level(attribute.level)] + attribute.column
    return FoundColumn(tag, attribute.vr, path, is_asked or tag != TIMEZONE_OFFSET)


def _patient_count(tag: int, prefix: str, scope: Scope) -> Coalesce:
    """How many studies, series or instances the space has of the patient of a row."""
    of_patient = Q(
        patient_id=OuterRef(f"{prefix}patient_id"),
        issuer_of_patient_id=OuterRef(f"{prefix}issuer_of_patient_id"),
    )
    same_name = Q(patient_name_normalized=OuterRef(f"{prefix}patient_name_normalized"))
    studies = Study.objects.filter(
        held(Level.STUDY, scope), of_patient, ~Q(patient_id="") | same_name
    )
    return Coalesce(Subquery(studies.values(counted=_PATIENT_COUNTS[tag])), 0)
