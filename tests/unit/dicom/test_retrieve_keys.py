"""What a retrieval may name: PS3.4 C.4.2.2.1 and C.6, restated."""

import pytest

from ingestion.dicom.attributes import Level
from ingestion.dicom.json_model import JsonDataSet, element
from ingestion.dicom.retrieve_keys import (
    InformationModel,
    KeyNotUsable,
    Retrieval,
    read_retrieve_keys,
)

KEYS = {"PATIENT": "00100020", "STUDY": "0020000D", "SERIES": "0020000E", "IMAGE": "00080018"}
VALUES = {"PATIENT": "P-1", "STUDY": "1.2", "SERIES": "1.2.3", "IMAGE": "1.2.3.4"}
LEVELS = {
    InformationModel.PATIENT_ROOT: ["PATIENT", "STUDY", "SERIES", "IMAGE"],
    InformationModel.STUDY_ROOT: ["STUDY", "SERIES", "IMAGE"],
    InformationModel.PATIENT_STUDY_ONLY: ["PATIENT", "STUDY"],
}
EVERY_LEVEL = [(model, level) for model, levels in LEVELS.items() for level in levels]


def identifier(level: str, *present: str, **values: list[str]) -> JsonDataSet:
    data_set: JsonDataSet = {"00080052": element("CS", level)}
    for name in present:
        vr = "LO" if name == "PATIENT" else "UI"
        data_set[KEYS[name]] = element(vr, *values.get(name, [VALUES[name]]))
    return data_set


def offending(
    data_set: JsonDataSet,
    model: InformationModel = InformationModel.PATIENT_ROOT,
    retrieval: Retrieval = Retrieval.HIERARCHICAL,
) -> str:
    with pytest.raises(KeyNotUsable) as refused:
        read_retrieve_keys(data_set, model, retrieval)
    return f"{refused.value.tag:08X}"


@pytest.mark.parametrize(("model", "level"), EVERY_LEVEL)
def test_keys_down_to_the_level_name_what_is_retrieved(model: InformationModel, level: str) -> None:
    named = LEVELS[model][: LEVELS[model].index(level) + 1]
    keys = read_retrieve_keys(
        identifier(level, *VALUES), model=model, retrieval=Retrieval.HIERARCHICAL
    )
    assert keys.level is Level(level)
    assert keys.values == {Level(name): (VALUES[name],) for name in named}


@pytest.mark.parametrize(("model", "level"), EVERY_LEVEL)
def test_hierarchical_retrieval_needs_each_uid_above(model: InformationModel, level: str) -> None:
    named = LEVELS[model][: LEVELS[model].index(level) + 1]
    for missing in named if level == "PATIENT" else [name for name in named if name != "PATIENT"]:
        others = [name for name in named if name != missing]
        assert offending(identifier(level, *others), model) == KEYS[missing]
        empty = identifier(level, *named, **{missing: [""]})
        assert offending(empty, model) == KEYS[missing]


@pytest.mark.parametrize("patient_id", [{}, {"PATIENT": [""]}])
def test_study_is_named_by_its_uid_without_its_patient(patient_id: dict[str, list[str]]) -> None:
    asked = identifier("STUDY", *patient_id, "STUDY", **patient_id)
    keys = read_retrieve_keys(asked, InformationModel.PATIENT_ROOT, Retrieval.HIERARCHICAL)
    assert keys.values == {Level.STUDY: ("1.2",)}


@pytest.mark.parametrize(("model", "level"), EVERY_LEVEL)
def test_relational_retrieval_needs_its_own_key_alone(model: InformationModel, level: str) -> None:
    keys = read_retrieve_keys(identifier(level, level), model, Retrieval.RELATIONAL)
    assert keys.values == {Level(level): (VALUES[level],)}
    assert offending(identifier(level), model, Retrieval.RELATIONAL) == KEYS[level]


@pytest.mark.parametrize("retrieval", Retrieval)
def test_keys_above_take_one_value(retrieval: Retrieval) -> None:
    asked = identifier("SERIES", "PATIENT", "STUDY", "SERIES", STUDY=["1.2", "1.3"])
    assert offending(asked, retrieval=retrieval) == KEYS["STUDY"]


@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_uids_of_the_level_may_be_a_list(level: str) -> None:
    named = LEVELS[InformationModel.STUDY_ROOT]
    asked = identifier(level, *named, **{level: ["1.5", "1.4", "1.5"]})
    keys = read_retrieve_keys(asked, InformationModel.STUDY_ROOT, Retrieval.HIERARCHICAL)
    assert keys.values[Level(level)] == ("1.5", "1.4")


def test_patient_ids_may_be_no_list() -> None:
    asked = identifier("PATIENT", "PATIENT", PATIENT=["P-1", "P-2"])
    assert offending(asked) == KEYS["PATIENT"]


@pytest.mark.parametrize(
    ("level", "value"),
    [
        ("PATIENT", "P*"),
        ("PATIENT", "?"),
        ("PATIENT", "P" * 65),
        ("PATIENT", "P\0001"),
        ("STUDY", "1.2.*"),
        ("IMAGE", "x"),
    ],
)
def test_nothing_is_retrieved_by_a_pattern(level: str, value: str) -> None:
    asked = identifier(level, *VALUES, **{level: [value]})
    assert offending(asked) == KEYS[level]


@pytest.mark.parametrize(
    ("model", "level"),
    [
        (InformationModel.STUDY_ROOT, "PATIENT"),
        (InformationModel.PATIENT_STUDY_ONLY, "SERIES"),
        (InformationModel.PATIENT_STUDY_ONLY, "IMAGE"),
        (InformationModel.PATIENT_ROOT, "FRAME"),
        (InformationModel.PATIENT_ROOT, ""),
    ],
)
def test_level_is_one_of_the_model(model: InformationModel, level: str) -> None:
    assert offending(identifier(level, *VALUES), model) == "00080052"


def test_issuer_narrows_a_patient_and_nothing_else() -> None:
    issuer = {"00100021": element("LO", "HOSPITAL")}
    patient = read_retrieve_keys(
        identifier("PATIENT", "PATIENT") | issuer,
        InformationModel.PATIENT_ROOT,
        Retrieval.HIERARCHICAL,
    )
    assert patient.issuer_of_patient_id == "HOSPITAL"
    study = read_retrieve_keys(
        identifier("STUDY", "STUDY") | issuer,
        InformationModel.STUDY_ROOT,
        Retrieval.HIERARCHICAL,
    )
    assert study.issuer_of_patient_id == ""


def test_issuer_without_null_characters() -> None:
    asked = identifier("PATIENT", "PATIENT") | {"00100021": element("LO", "HOS\0PITAL")}
    assert offending(asked) == "00100021"
