"""What a search can match and return: every attribute with where its value is held.

Source: PS3.18 Tables 10.6.1-5 (keys), 10.6.3-3 to 10.6.3-5 (returned); PS3.4 C.3.4 (counters
and sets that are in no instance).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Func, TextField

from ingestion.dicom.attribute_levels import SERIES_TAGS, STUDY_TAGS
from ingestion.dicom.attribute_names import Path, is_private
from ingestion.dicom.attributes import (
    INDEXED,
    REQUEST_ATTRIBUTES,
    REQUEST_ATTRIBUTES_SEQUENCE,
    IndexedAttribute,
    Level,
    split_values,
)
from ingestion.dicom.document_matching import TIME_OF_DATE, DocumentKey
from ingestion.dicom.json_model import element, person_name
from ingestion.dicom.matching import DateTimeRange
from ingestion.models import Instance, Series, Study

Model = type[Study] | type[Series] | type[Instance]


def _kept(
    column: str, tag: int, keyword: str, vr: str, *, level: Level, is_required: bool = True
) -> IndexedAttribute:
    return IndexedAttribute(column, tag, keyword, vr, level, is_required, 64)


# Attributes that the manifest keeps and no instance carries.
MODALITIES_IN_STUDY = _kept("modalities", 0x00080061, "ModalitiesInStudy", "CS", level=Level.STUDY)
SOP_CLASSES_IN_STUDY = _kept(
    "sop_classes", 0x00080062, "SOPClassesInStudy", "UI", level=Level.STUDY, is_required=False
)
SETS = (MODALITIES_IN_STUDY, SOP_CLASSES_IN_STUDY)
COUNTERS = tuple(
    _kept(column, tag, keyword, "IS", level=level)
    for column, tag, keyword, level in (
        ("number_of_series", 0x00201206, "NumberOfStudyRelatedSeries", Level.STUDY),
        ("number_of_instances", 0x00201208, "NumberOfStudyRelatedInstances", Level.STUDY),
        ("number_of_instances", 0x00201209, "NumberOfSeriesRelatedInstances", Level.SERIES),
    )
)
AVAILABLE_TRANSFER_SYNTAX = _kept(
    "transfer_syntax_uid", 0x00083002, "AvailableTransferSyntaxUID", "UI", level=Level.IMAGE
)

# Rows of the three tables of responses that INDEXED counts as optional keys.
ALWAYS_RETURNED = frozenset(
    {"PatientBirthDate", "PatientSex", "NumberOfFrames", "Rows", "Columns", "BitsAllocated"}
)
RETURNED: tuple[IndexedAttribute, ...] = (
    *INDEXED,
    *SETS,
    *COUNTERS,
    AVAILABLE_TRANSFER_SYNTAX,
)
# By path: what the columns of the manifest match.
MATCHED: dict[Path, IndexedAttribute] = {
    (attribute.sequence_tag, attribute.tag)
    if attribute.sequence_tag
    else (attribute.tag,): attribute
    for attribute in (*RETURNED, *REQUEST_ATTRIBUTES)
    if attribute not in COUNTERS
}

# What no object carries and no column holds: retrieval, availability, counts.
COMPUTED_TAGS = frozenset(
    (0x00080052, 0x00080054, 0x00080056, 0x00081190, *range(0x00201200, 0x0020120A))
)

MODELS: dict[Level, Model] = {
    Level.STUDY: Study,
    Level.SERIES: Series,
    Level.IMAGE: Instance,
}

# Searched level → level of the attribute → path to its row.
PATHS: dict[Level, dict[Level, str]] = {
    Level.STUDY: {Level.STUDY: ""},
    Level.SERIES: {Level.SERIES: "", Level.STUDY: "study__"},
    Level.IMAGE: {Level.IMAGE: "", Level.SERIES: "series__", Level.STUDY: "series__study__"},
}

# Searched level → path to the storage space, and to the UIDs down to that level.
SPACES: dict[Level, str] = {
    Level.STUDY: "storage_space",
    Level.SERIES: "study__storage_space",
    Level.IMAGE: "storage_space",
}
UIDS: dict[Level, tuple[str, ...]] = {
    Level.STUDY: ("study_instance_uid",),
    Level.SERIES: ("study__study_instance_uid", "series_instance_uid"),
    Level.IMAGE: (
        "series__study__study_instance_uid",
        "series__series_instance_uid",
        "sop_instance_uid",
    ),
}


def entity_level(level: Level) -> Level:
    """The level of the row that holds an attribute: studies hold their patient's."""
    return Level.STUDY if level is Level.PATIENT else level


def level_of(path: Path, *, searched: Level) -> Level:
    """The level whose rows hold an attribute; what is not known to be above is an instance's.

    Nobody knows what private ones describe: they are of whatever is searched.
    """
    attribute = MATCHED.get(path)
    if attribute is not None:
        return entity_level(attribute.level)
    if is_private(path[0]):
        return searched
    tag = f"{path[0]:08X}"
    if tag in STUDY_TAGS:
        return Level.STUDY
    return Level.SERIES if tag in SERIES_TAGS else Level.IMAGE


def is_in_columns(key: DocumentKey) -> bool:
    """Whether the columns of the manifest match what the key asks."""
    if isinstance(key.match, DateTimeRange):
        return key.path in MATCHED and (TIME_OF_DATE[key.path[0]],) in MATCHED
    return key.path in MATCHED


def header_keys(keys: list[DocumentKey]) -> tuple[DocumentKey, ...]:
    """What columns cannot match, with all keys of one sequence, which must match in one item."""
    sequences = [key.path[0] for key in keys if len(key.path) > 1]
    return tuple(
        key
        for key in keys
        if not is_in_columns(key) or (len(key.path) > 1 and sequences.count(key.path[0]) > 1)
    )


# Unique keys, and the one row of all three tables, of PS3.18 10.6.3: who looks at a series or an
# instance needs the offset to tell its times.
_ALWAYS_SHOWN = frozenset(("00080018", "0020000D", "0020000E", "00080201"))


@dataclass(frozen=True, slots=True)
class ReturnedColumn:
    """One column of a result: the key of its element, and how the element is made.

    Where the stored document is read and has more, the column yields to it.
    """

    path: str | Func
    tag: str
    make_element: Callable[[Any], dict[str, Any]]
    is_sent_empty: bool
    yields_to_document: bool = False


def returned_columns(
    searched: Level, levels: Iterable[Level], wanted_tags: frozenset[str]
) -> tuple[ReturnedColumn, ...]:
    """The columns of a result that shows entities of `levels`.

    Unique keys and the offset from UTC of entities above the searched one are always shown.
    """
    shown = set(levels)
    always = wanted_tags | _ALWAYS_SHOWN
    columns = []
    for attribute in RETURNED:
        level = entity_level(attribute.level)
        prefix = PATHS[searched].get(level)
        tag = f"{attribute.tag:08X}"
        if prefix is None or (level not in shown and tag not in always):
            continue
        is_sent_empty = (
            attribute.required_key or attribute.keyword in ALWAYS_RETURNED or tag in wanted_tags
        )
        columns.append(
            ReturnedColumn(prefix + attribute.column, tag, _maker(attribute), is_sent_empty)
        )
    if Level.SERIES in shown:
        columns.append(_request_attributes(PATHS[searched][Level.SERIES]))
    return tuple(columns)


class _Array(Func):
    """Several texts of a row as one value."""

    template = "ARRAY[%(expressions)s]"
    output_field = ArrayField(TextField())


def _request_attributes(prefix: str) -> ReturnedColumn:
    """Request Attributes Sequence with the two attributes of PS3.18 Table 10.6.3-4."""
    return ReturnedColumn(
        path=_Array(*(F(prefix + attribute.column) for attribute in REQUEST_ATTRIBUTES)),
        tag=f"{REQUEST_ATTRIBUTES_SEQUENCE:08X}",
        make_element=_request_items,
        is_sent_empty=True,
        yields_to_document=True,
    )


def _request_items(columns: list[str]) -> dict[str, Any]:
    rows = zip_longest(*map(split_values, columns), fillvalue="")
    items = [
        {
            f"{attribute.tag:08X}": element(attribute.vr, value or None)
            for attribute, value in zip(REQUEST_ATTRIBUTES, values, strict=True)
        }
        for values in rows
    ]
    return element("SQ", *items)


def _maker(attribute: IndexedAttribute) -> Callable[[Any], dict[str, Any]]:
    vr = attribute.vr
    if attribute in SETS:
        return lambda values: element(vr, *sorted(values))
    if vr == "PN":
        return person_name
    return lambda value: element(vr, None if value == "" else value)
