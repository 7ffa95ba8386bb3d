"""Names the attributes that are indexed, and takes them from a data set.

Values are decoded, stripped, normalised and cut to what a column holds: an odd value never
refuses an object, and the JSON document keeps what was sent.
Source: PS3.4 C.6.2.1, PS3.18 10.6 (keys); PS3.5 6.2 (VRs); PS3.4 C.2.2.2.6 (sequences).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from ingestion.dicom.character_sets import Encodings, decode
from ingestion.dicom.identifiers import require_uid


class Level(Enum):
    """The Information Entity an attribute belongs to."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


@dataclass(frozen=True, slots=True)
class IndexedAttribute:
    """An attribute with a column. `characters_max` is 0 for numbers.

    With a `sequence_tag` it stands in the items of that sequence, and its column holds the
    values of all items: `joined_values`.
    """

    column: str
    tag: int
    keyword: str
    vr: str
    level: Level
    required_key: bool
    characters_max: int
    sequence_tag: int = 0


@dataclass(frozen=True, slots=True)
class IndexedAttributes:
    """The indexed attributes of one instance; texts are '' and numbers None when absent."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    patient_birth_date: str
    patient_sex: str
    study_date: str
    study_time: str
    accession_number: str
    study_id: str
    study_description: str
    referring_physician_name: str
    modality: str
    series_number: int | None
    series_description: str
    series_date: str
    series_time: str
    body_part_examined: str
    performed_procedure_step_start_date: str
    performed_procedure_step_start_time: str
    instance_number: int | None
    number_of_frames: int | None
    rows: int | None
    columns: int | None
    bits_allocated: int | None
    timezone_offset_from_utc: str
    scheduled_procedure_step_ids: str
    requested_procedure_ids: str


# Raw values by tag, and how their texts are encoded.
Item = tuple[Mapping[int, bytes], Encodings]


def indexed_attributes(
    values: Mapping[int, bytes],
    encodings: Encodings,
    *,
    is_little_endian: bool,
    requests: Sequence[Item] = (),
) -> IndexedAttributes:
    """Return what is indexed of a data set given as raw values by tag.

    `requests` are the items of its Request Attributes Sequence.
    Raises MissingIdentifier or InvalidIdentifier when one of the four UIDs is not there or wrong.
    """
    order = "little" if is_little_endian else "big"
    taken: dict[str, str | int | None] = {}
    for column, tag, keyword, vr, characters_max in _TAKEN:
        value = values.get(tag)
        if vr == "UI":
            taken[column] = require_uid(keyword, (value or b"").decode("latin-1"))
        elif vr == "IS":
            taken[column] = _integer(value) if value else None
        elif vr == "US":
            taken[column] = int.from_bytes(value[:2], order) if value else None  # type: ignore[arg-type]
        elif not value:
            taken[column] = ""
        else:
            taken[column] = _TEXTS[vr](value, encodings)[:characters_max]
    for attribute in REQUEST_ATTRIBUTES:
        taken[attribute.column] = joined_values(
            [_first_text(item.get(attribute.tag, b""), codecs) for item, codecs in requests]
        )
    return IndexedAttributes(**taken)  # type: ignore[arg-type]  # the table has the columns' types


def joined_values(values: Sequence[str]) -> str:
    """Return one value per item, each between backslashes, which no value has; '' for no items.

    Values of items beyond `ITEMS_MAX` are not indexed.
    """
    texts = [value[:ITEM_CHARACTERS_MAX] for value in values[:ITEMS_MAX]]
    return "\\".join(["", *texts, ""]) if texts else ""


def split_values(joined: str) -> list[str]:
    """Return the values of the items that `joined_values` joined."""
    return joined[1:-1].split("\\") if joined else []


def normalized_date(text: str) -> str:
    """Return YYYYMMDD, '' if it is no date. The dots of ACR-NEMA 1 are taken out (PS3.5 6.2)."""
    digits = text.replace(".", "").replace("-", "").strip()
    return digits if _DATE.fullmatch(digits) else ""


def normalized_time(text: str) -> str:
    """Return HH[MM[SS[.FFFFFF]]], '' if it is no time. ACR-NEMA's colons are taken out."""
    digits = text.replace(":", "").strip()
    return digits if _TIME.fullmatch(digits) else ""


def _first(value: bytes) -> str:
    return value.decode("latin-1").split("\\", 1)[0].strip(" \0")


def _integer(value: bytes) -> int | None:
    """Return an integer of 32 bits with sign (PS3.5 6.2, IS), None if it is none."""
    text = _first(value)
    if not _INTEGER.fullmatch(text):
        return None
    number = int(text.split(".", 1)[0])
    return number if -(1 << 31) <= number < 1 << 31 else None


def _date(value: bytes, _: Encodings) -> str:
    return normalized_date(_first(value))


def _time(value: bytes, _: Encodings) -> str:
    return normalized_time(_first(value))


def _code(value: bytes, _: Encodings) -> str:
    return _first(value).replace("\0", "")


def _text(value: bytes, encodings: Encodings) -> str:
    return decode(value, encodings).replace("\0", "").strip()


def _first_text(value: bytes, encodings: Encodings) -> str:
    return _text(value, encodings).split("\\", 1)[0].strip()


def _person_name(value: bytes, encodings: Encodings) -> str:
    """Return the name without empty components at its end (PS3.5 6.2.1)."""
    return _text(value, encodings).rstrip("^= ")


_DATE = re.compile(r"[0-9]{8}")
_TIME = re.compile(r"[0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?)?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,12}(?:\.0*)?")

_TEXTS: dict[str, Callable[[bytes, Encodings], str]] = {
    "CS": _code,
    "DA": _date,
    "LO": _text,
    "PN": _person_name,
    "SH": _text,
    "TM": _time,
}


def _table() -> tuple[IndexedAttribute, ...]:
    patient, study, series, image = Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE
    rows: tuple[tuple[str, int, str, str, Level, bool, int], ...] = (
        ("study_instance_uid", 0x0020000D, "StudyInstanceUID", "UI", study, True, 64),
        ("series_instance_uid", 0x0020000E, "SeriesInstanceUID", "UI", series, True, 64),
        ("sop_instance_uid", 0x00080018, "SOPInstanceUID", "UI", image, True, 64),
        ("sop_class_uid", 0x00080016, "SOPClassUID", "UI", image, True, 64),
        ("patient_id", 0x00100020, "PatientID", "LO", patient, True, 64),
        ("issuer_of_patient_id", 0x00100021, "IssuerOfPatientID", "LO", patient, False, 64),
        ("patient_name", 0x00100010, "PatientName", "PN", patient, True, 324),
        ("patient_birth_date", 0x00100030, "PatientBirthDate", "DA", patient, False, 8),
        ("patient_sex", 0x00100040, "PatientSex", "CS", patient, False, 16),
        ("study_date", 0x00080020, "StudyDate", "DA", study, True, 8),
        ("study_time", 0x00080030, "StudyTime", "TM", study, True, 16),
        ("accession_number", 0x00080050, "AccessionNumber", "SH", study, True, 64),
        ("study_id", 0x00200010, "StudyID", "SH", study, True, 64),
        ("study_description", 0x00081030, "StudyDescription", "LO", study, False, 256),
        ("referring_physician_name", 0x00080090, "ReferringPhysicianName", "PN", study, True, 324),
        ("modality", 0x00080060, "Modality", "CS", series, True, 16),
        ("series_number", 0x00200011, "SeriesNumber", "IS", series, True, 0),
        ("series_description", 0x0008103E, "SeriesDescription", "LO", series, False, 256),
        ("series_date", 0x00080021, "SeriesDate", "DA", series, False, 8),
        ("series_time", 0x00080031, "SeriesTime", "TM", series, False, 16),
        ("body_part_examined", 0x00180015, "BodyPartExamined", "CS", series, False, 64),
        (
            "performed_procedure_step_start_date",
            0x00400244,
            "PerformedProcedureStepStartDate",
            "DA",
            series,
            True,
            8,
        ),
        (
            "performed_procedure_step_start_time",
            0x00400245,
            "PerformedProcedureStepStartTime",
            "TM",
            series,
            True,
            16,
        ),
        ("instance_number", 0x00200013, "InstanceNumber", "IS", image, True, 0),
        ("number_of_frames", 0x00280008, "NumberOfFrames", "IS", image, False, 0),
        ("rows", 0x00280010, "Rows", "US", image, False, 0),
        ("columns", 0x00280011, "Columns", "US", image, False, 0),
        ("bits_allocated", 0x00280100, "BitsAllocated", "US", image, False, 0),
        ("timezone_offset_from_utc", 0x00080201, "TimezoneOffsetFromUTC", "SH", study, False, 5),
    )
    return tuple(IndexedAttribute(*row) for row in rows)


# Required keys are those of PS3.4 C.6.2.1 (R and U) and PS3.18 10.6.1.2.1.
INDEXED = _table()

REQUEST_ATTRIBUTES_SEQUENCE = 0x00400275
ITEMS_MAX = 16
ITEM_CHARACTERS_MAX = 64
JOINED_CHARACTERS_MAX = 1 + ITEMS_MAX * (ITEM_CHARACTERS_MAX + 1)

# PS3.18 10.6.1.2.3 and Table 10.6.3-4.
REQUEST_ATTRIBUTES = tuple(
    IndexedAttribute(
        *(column, tag, keyword, "SH", Level.SERIES, True, JOINED_CHARACTERS_MAX),
        sequence_tag=REQUEST_ATTRIBUTES_SEQUENCE,
    )
    for column, tag, keyword in (
        ("scheduled_procedure_step_ids", 0x00400009, "ScheduledProcedureStepID"),
        ("requested_procedure_ids", 0x00401001, "RequestedProcedureID"),
    )
)

_TAKEN = tuple((a.column, a.tag, a.keyword, a.vr, a.characters_max) for a in INDEXED)
