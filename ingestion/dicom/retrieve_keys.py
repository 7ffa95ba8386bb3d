"""Reads what an Identifier asks to have sent: a level, and unique keys that name entities.

Source: PS3.4 C.4.2.1.4 and C.4.2.2 (C-MOVE), C.4.3.1.3 and C.4.3.2 (C-GET), C.6 (unique keys).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ingestion.dicom.attributes import Level
from ingestion.dicom.identifiers import is_valid_uid
from ingestion.dicom.json_model import JsonDataSet
from ingestion.errors import InvalidQuery

PATIENT_ID_CHARACTERS_MAX = 64  # PS3.5 6.2, LO

_QUERY_RETRIEVE_LEVEL = "00080052"
_ISSUER_OF_PATIENT_ID = "00100021"
_WILDCARDS = frozenset("*?")
_NULL = "\0"  # no VR has it, and no column


class InformationModel(Enum):
    """The Query/Retrieve Information Models with their levels, from the top (PS3.4 C.6)."""

    PATIENT_ROOT = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE)
    STUDY_ROOT = (Level.STUDY, Level.SERIES, Level.IMAGE)
    PATIENT_STUDY_ONLY = (Level.PATIENT, Level.STUDY)


class Retrieval(Enum):
    """What was agreed about the levels above the one retrieved (PS3.4 C.5.2.1)."""

    HIERARCHICAL = "one value each"
    RELATIONAL = "any or none"


# PS3.4 C.6.1.1 and C.6.2.1: tag and keyword of each level's unique key.
_UNIQUE_KEYS: Mapping[Level, tuple[str, str]] = {
    Level.PATIENT: ("00100020", "PatientID"),
    Level.STUDY: ("0020000D", "StudyInstanceUID"),
    Level.SERIES: ("0020000E", "SeriesInstanceUID"),
    Level.IMAGE: ("00080018", "SOPInstanceUID"),
}

# Departs from PS3.4 C.4.2.2.1: who names a study by its UID need not name the patient. Programs
# whose default is Patient Root, as DCMTK's movescu and getscu, are rarely told the Patient ID.
_DISPENSABLE = frozenset({Level.PATIENT})


class KeyNotUsable(InvalidQuery):
    """A key of an Identifier that breaks its rule; `tag` is the offending element."""

    def __init__(self, tag: str, rule: str) -> None:
        super().__init__(rule)
        self.tag = int(tag, 16)


@dataclass(frozen=True, slots=True)
class RetrieveKeys:
    """What is asked for: the entities at `level` that have one of the values for each key.

    The key of `level` is always among `values`. Where a Patient ID is given its issuer narrows
    it: equal IDs of two issuers are two patients.
    """

    level: Level
    values: Mapping[Level, tuple[str, ...]]
    issuer_of_patient_id: str = ""


def read_retrieve_keys(
    identifier: JsonDataSet, model: InformationModel, retrieval: Retrieval
) -> RetrieveKeys:
    """What the Identifier of a C-MOVE-RQ or C-GET-RQ asks for; other keys are not looked at.

    Raises `KeyNotUsable` where a level is unknown to the model, a key is missing or has more
    values than it may: nothing is ever retrieved by a key that matches everything.
    """
    level = _level(identifier, model)
    values: dict[Level, tuple[str, ...]] = {}
    for above in model.value:
        if above is level:
            break
        found = _key_values(identifier, above)
        if found or (retrieval is Retrieval.HIERARCHICAL and above not in _DISPENSABLE):
            values[above] = _one_of(found, above)
    found = _key_values(identifier, level)
    values[level] = _one_of(found, level) if level is Level.PATIENT else _some_of(found, level)
    issuer = _texts(identifier, _ISSUER_OF_PATIENT_ID) if Level.PATIENT in values else ()
    if any(_NULL in value for value in issuer):
        raise KeyNotUsable(_ISSUER_OF_PATIENT_ID, "IssuerOfPatientID holds a null character")
    return RetrieveKeys(level, values, issuer[0] if len(issuer) == 1 else "")


def _level(identifier: JsonDataSet, model: InformationModel) -> Level:
    levels: tuple[Level, ...] = model.value
    texts = _texts(identifier, _QUERY_RETRIEVE_LEVEL)
    for level in levels:
        if texts == (level.value,):
            return level
    raise KeyNotUsable(_QUERY_RETRIEVE_LEVEL, "Query/Retrieve Level is none of the SOP Class")


def _key_values(identifier: JsonDataSet, level: Level) -> tuple[str, ...]:
    tag, keyword = _UNIQUE_KEYS[level]
    values = _texts(identifier, tag)
    if level is Level.PATIENT:
        if any(_WILDCARDS & set(value) for value in values):
            raise KeyNotUsable(tag, f"{keyword} takes no wildcards in a retrieval")
        if any(_NULL in value for value in values):
            raise KeyNotUsable(tag, f"{keyword} holds a null character")
        if any(len(value) > PATIENT_ID_CHARACTERS_MAX for value in values):
            raise KeyNotUsable(tag, f"{keyword} is longer than its VR allows")
    elif not all(is_valid_uid(value) for value in values):
        raise KeyNotUsable(tag, f"{keyword} holds what is no UID")
    return values


def _one_of(values: tuple[str, ...], level: Level) -> tuple[str, ...]:
    tag, keyword = _UNIQUE_KEYS[level]
    if len(values) != 1:
        raise KeyNotUsable(tag, f"{keyword} must have one value")
    return values


def _some_of(values: tuple[str, ...], level: Level) -> tuple[str, ...]:
    tag, keyword = _UNIQUE_KEYS[level]
    if not values:
        raise KeyNotUsable(tag, f"{keyword} must have a value")
    return values


def _texts(identifier: JsonDataSet, tag: str) -> tuple[str, ...]:
    """The values of a key that are not empty, each once, without padding."""
    values = identifier.get(tag, {}).get("Value") or []
    texts = (str(value).strip("\0 ") for value in values if value is not None)
    return tuple(dict.fromkeys(text for text in texts if text))
