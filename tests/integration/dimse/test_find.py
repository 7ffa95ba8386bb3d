"""C-FIND: levels, information models, matches. Source: PS3.4 C.4.1, C.6."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset

from ingestion.models import StorageSpace
from ingestion.use_cases.delete_entities import delete_entities
from ingestion.use_cases.retrieve_instances import Address
from ingestion.use_cases.search_query import Scope
from tests.builders import build_ct, part10_bytes
from tests.held_instances import hold
from tests.integration.dimse.conftest import Start
from tests.integration.dimse.find_client import (
    DOES_NOT_MATCH,
    PATIENT_ROOT,
    PATIENT_STUDY_ONLY,
    PENDING,
    PENDING_WITHOUT_SOME_KEYS,
    STUDY_ROOT,
    SUCCESS,
    associate,
    find,
    keep,
    query,
)
from tests.receipts import make_space
from tests.scripted_peer import ScriptedPeer

A, B, C = "1.2.3.1", "1.2.3.2", "1.2.3.3"
RELATIONAL = bytes([1])


@pytest.fixture
def held(space: StorageSpace) -> StorageSpace:
    """Two studies of one patient, one of another."""
    jane = {"PatientName": "Doe^Jane", "PatientID": "P1"}
    keep(space, A, f"{A}.1", f"{A}.1.1", **jane, StudyDate="20260101", InstanceNumber=1)
    keep(space, A, f"{A}.1", f"{A}.1.2", **jane, StudyDate="20260101", InstanceNumber=2)
    keep(space, A, f"{A}.2", f"{A}.2.1", **jane, StudyDate="20260101", Modality="MR")
    keep(space, B, f"{B}.1", f"{B}.1.1", **jane, StudyDate="20260201")
    keep(space, C, f"{C}.1", f"{C}.1.1", PatientName="Roe^Jim", PatientID="P2")
    return space


@pytest.fixture
def peer(held: StorageSpace, start_service: Start) -> Iterator[ScriptedPeer]:
    with start_service().connect() as peer:
        yield associate(peer)


@pytest.fixture
def relational(held: StorageSpace, start_service: Start) -> Iterator[ScriptedPeer]:
    with start_service().connect() as peer:
        yield associate(peer, extended=RELATIONAL)


def values(matches: list[Dataset], keyword: str) -> list[Any]:
    return [match.get(keyword) for match in matches]


def test_studies_are_found_with_what_was_asked(peer: ScriptedPeer) -> None:
    answer = find(
        peer,
        query(
            "STUDY",
            PatientID="P1",
            PatientName="",
            StudyDate="",
            StudyInstanceUID="",
            ModalitiesInStudy="",
            NumberOfStudyRelatedSeries=None,
            NumberOfStudyRelatedInstances=None,
            AccessionNumber="",
        ),
    )
    assert (answer.status, answer.pending) == (SUCCESS, {PENDING})
    assert values(answer.matches, "StudyInstanceUID") == [B, A]
    found = answer.matches[1]
    assert sorted(element.keyword for element in found) == sorted(
        [
            "QueryRetrieveLevel",
            "RetrieveAETitle",
            "InstanceAvailability",
            "PatientID",
            "PatientName",
            "StudyDate",
            "StudyInstanceUID",
            "ModalitiesInStudy",
            "NumberOfStudyRelatedSeries",
            "NumberOfStudyRelatedInstances",
            "AccessionNumber",
        ]
    )
    assert found.QueryRetrieveLevel == "STUDY"
    assert found.RetrieveAETitle == "INGEST"
    assert found.InstanceAvailability == "ONLINE"
    assert found.PatientName == "Doe^Jane"
    assert found.ModalitiesInStudy == ["CT", "MR"]
    assert (found.NumberOfStudyRelatedSeries, found.NumberOfStudyRelatedInstances) == (2, 3)


def test_patients_are_found_once_with_their_counts(peer: ScriptedPeer) -> None:
    answer = find(
        peer,
        query(
            "PATIENT",
            PatientID="",
            PatientName="",
            NumberOfPatientRelatedStudies=None,
            NumberOfPatientRelatedSeries=None,
            NumberOfPatientRelatedInstances=None,
        ),
        model=PATIENT_ROOT,
    )
    assert (answer.status, answer.pending) == (SUCCESS, {PENDING})
    assert [
        (
            found.PatientID,
            found.PatientName,
            found.NumberOfPatientRelatedStudies,
            found.NumberOfPatientRelatedSeries,
            found.NumberOfPatientRelatedInstances,
        )
        for found in answer.matches
    ] == [("P1", "Doe^Jane", 2, 3, 4), ("P2", "Roe^Jim", 1, 1, 1)]


LEVELS = [
    (model, level)
    for model, levels in {
        PATIENT_ROOT: ["PATIENT", "STUDY", "SERIES", "IMAGE"],
        STUDY_ROOT: ["STUDY", "SERIES", "IMAGE"],
        PATIENT_STUDY_ONLY: ["PATIENT", "STUDY"],
    }.items()
    for level in levels
]
UNIQUE = {
    "PATIENT": ("PatientID", "P1", 0x00100020),
    "STUDY": ("StudyInstanceUID", A, 0x0020000D),
    "SERIES": ("SeriesInstanceUID", f"{A}.1", 0x0020000E),
    "IMAGE": ("SOPInstanceUID", f"{A}.1.1", 0x00080018),
}


def above(model: str, level: str) -> list[str]:
    levels = [name for of_model, name in LEVELS if of_model == model]
    return levels[: levels.index(level)]


@pytest.mark.parametrize(("model", "level"), LEVELS)
def test_each_level_is_searched_below_the_unique_keys_above(
    peer: ScriptedPeer, model: str, level: str
) -> None:
    unique = {UNIQUE[name][0]: UNIQUE[name][1] for name in above(model, level)}
    keyword = UNIQUE[level][0]
    answer = find(peer, query(level, **unique, **{keyword: ""}), model=model)
    assert (answer.status, answer.pending) == (SUCCESS, {PENDING})
    assert {found.QueryRetrieveLevel for found in answer.matches} == {level}
    for name, value in unique.items():
        assert set(values(answer.matches, name)) == {value}
    studies = [B, A] if "PATIENT" in above(model, level) else [C, B, A]
    expected = {
        "PATIENT": ["P1", "P2"],
        "STUDY": studies,
        "SERIES": [f"{A}.1", f"{A}.2"],
        "IMAGE": [f"{A}.1.1", f"{A}.1.2"],
    }[level]
    assert sorted(map(str, values(answer.matches, keyword))) == sorted(expected)


@pytest.mark.parametrize(
    ("model", "level"), [pair for pair in LEVELS if above(*pair)], ids=lambda text: text
)
def test_without_one_value_of_a_unique_key_above_nothing_is_searched(
    peer: ScriptedPeer, model: str, level: str
) -> None:
    names = above(model, level)
    unique = {UNIQUE[name][0]: UNIQUE[name][1] for name in names[:-1]}
    keyword, _, tag = UNIQUE[names[-1]]
    wrongs: list[dict[str, Any]] = [{}, {keyword: ""}, {keyword: "*"}, {keyword: ["1.2", "1.3"]}]
    for wrong in wrongs:
        answer = find(peer, query(level, **unique, **wrong), model=model)
        assert (answer.status, answer.matches) == (DOES_NOT_MATCH, [])
        assert answer.offending_element == tag_bytes(tag)
        assert keyword in answer.final.comment


def tag_bytes(tag: int) -> bytes:
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")


@pytest.mark.parametrize(
    ("model", "level"),
    [(STUDY_ROOT, "PATIENT"), (PATIENT_STUDY_ONLY, "SERIES"), (STUDY_ROOT, "FRAME")],
)
def test_a_level_that_the_model_has_not_is_refused(
    peer: ScriptedPeer, model: str, level: str
) -> None:
    answer = find(peer, query(level, PatientID="P1"), model=model)
    assert answer.status == DOES_NOT_MATCH
    assert answer.offending_element == tag_bytes(0x00080052)


def test_relational_queries_need_no_keys_above(relational: ScriptedPeer) -> None:
    answer = find(relational, query("IMAGE", PatientName="doe*", Modality="CT", SOPInstanceUID=""))
    assert answer.status == SUCCESS
    assert sorted(values(answer.matches, "SOPInstanceUID")) == [
        f"{A}.1.1",
        f"{A}.1.2",
        f"{B}.1.1",
    ]
    assert sorted(values(answer.matches, "StudyInstanceUID")) == [A, A, B]
    answer = find(relational, query("SERIES", SeriesInstanceUID=[f"{A}.2", f"{C}.1"]))
    assert sorted(values(answer.matches, "StudyInstanceUID")) == [A, C]


@pytest.mark.parametrize(
    ("level", "keys", "found"),
    [
        ("STUDY", {"Modality": "MR"}, [A]),
        ("STUDY", {"Modality": "CT\\MR", "PatientID": "P1"}, [A, B]),
        ("STUDY", {"Modality": "MR", "PatientID": "P2"}, []),
        ("STUDY", {"SeriesInstanceUID": f"{B}.1"}, [B]),
        ("STUDY", {"SOPInstanceUID": [f"{A}.1.2", f"{C}.1.1"]}, [A, C]),
        ("STUDY", {"Modality": "CT", "InstanceNumber": "2"}, [A]),
        ("STUDY", {"Modality": "MR", "InstanceNumber": "2"}, []),
        ("SERIES", {"StudyInstanceUID": A, "InstanceNumber": "2"}, [f"{A}.1"]),
        ("PATIENT", {"StudyDate": "20260201"}, ["P1"]),
        ("PATIENT", {"StudyDate": "20260201", "Modality": "MR"}, []),
        ("PATIENT", {"ModalitiesInStudy": "MR"}, ["P1"]),
    ],
)
def test_keys_of_lower_levels_match_what_one_entity_below_has(
    relational: ScriptedPeer, level: str, keys: dict[str, Any], found: list[str]
) -> None:
    unique = UNIQUE[level][0]
    answer = find(relational, query(level, **({unique: ""} | keys)), model=PATIENT_ROOT)
    assert (answer.status, sorted(values(answer.matches, unique))) == (SUCCESS, found)


def test_keys_of_lower_levels_are_not_returned_and_that_is_said(peer: ScriptedPeer) -> None:
    answer = find(peer, query("STUDY", Modality="MR", SeriesNumber="", StudyInstanceUID=""))
    assert (answer.status, answer.pending) == (SUCCESS, {PENDING_WITHOUT_SOME_KEYS})
    (found,) = answer.matches
    assert found.StudyInstanceUID == A
    assert "Modality" not in found


def test_keys_of_lower_levels_that_only_headers_hold_are_ignored(peer: ScriptedPeer) -> None:
    answer = find(peer, query("STUDY", PatientID="P2", StationName="X", StudyInstanceUID=""))
    assert (answer.status, answer.pending) == (SUCCESS, {PENDING_WITHOUT_SOME_KEYS})
    assert values(answer.matches, "StudyInstanceUID") == [C]


def test_what_is_deleted_below_matches_no_more(
    held: StorageSpace, relational: ScriptedPeer
) -> None:
    delete_entities(Address(Scope((held.pk,)), A, f"{A}.2"), principal="tests")
    answer = find(relational, query("STUDY", Modality="MR", StudyInstanceUID=""))
    assert (answer.status, answer.matches) == (SUCCESS, [])


@pytest.mark.parametrize(
    "keys",
    [{"NumberOfStudyRelatedSeries": "2"}, {"InstanceAvailability": "ONLINE"}, {"PixelData": b"ab"}],
)
def test_what_is_never_matched_is_ignored_and_said_so(
    peer: ScriptedPeer, keys: dict[str, object]
) -> None:
    identifier = query("STUDY", StudyInstanceUID=C)
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    if "PixelData" in identifier:
        identifier["PixelData"].VR = "OB"
    answer = find(peer, identifier)
    assert (answer.status, answer.pending) == (SUCCESS, {PENDING_WITHOUT_SOME_KEYS})


def test_counts_of_the_patient_are_keys_of_studies_too(peer: ScriptedPeer) -> None:
    answer = find(peer, query("STUDY", StudyInstanceUID=A, NumberOfPatientRelatedStudies=None))
    (found,) = answer.matches
    assert found.NumberOfPatientRelatedStudies == 2
    assert answer.pending == {PENDING}


def test_nothing_found_is_a_success(peer: ScriptedPeer) -> None:
    answer = find(peer, query("STUDY", PatientID="NOBODY"))
    assert (answer.status, answer.matches, answer.pending) == (SUCCESS, [], set())


def test_patients_without_id_are_told_apart_by_name(
    space: StorageSpace, peer: ScriptedPeer
) -> None:
    for number, name in enumerate(["No^Body", "No^Body", "Some^Body"]):
        study = f"1.2.9.{number}"
        keep(space, study, f"{study}.1", f"{study}.1.1", PatientID="", PatientName=name)
    answer = find(
        peer,
        query("PATIENT", PatientName="*body", PatientID="", NumberOfPatientRelatedStudies=None),
        model=PATIENT_ROOT,
    )
    assert [
        (str(found.PatientName), found.NumberOfPatientRelatedStudies) for found in answer.matches
    ] == [("No^Body", 2), ("Some^Body", 1)]


def test_patients_are_found_by_what_only_headers_hold(
    space: StorageSpace, peer: ScriptedPeer
) -> None:
    for number in range(3):
        study = f"1.2.9.{number}"
        keep(space, study, f"{study}.1", f"{study}.1.1", PatientID="P9", EthnicGroup="Sioux")
    answer = find(
        peer,
        query("PATIENT", PatientID="", EthnicGroup="S*", PatientComments=""),
        model=PATIENT_ROOT,
    )
    (found,) = answer.matches
    assert (found.PatientID, found.EthnicGroup) == ("P9", "Sioux")
    assert found["PatientComments"].is_empty


def test_deleted_studies_and_those_of_other_spaces_are_not_found(
    space: StorageSpace, peer: ScriptedPeer
) -> None:
    other = make_space("other", backend=space.backend, options=space.options, prefix="other")
    keep(other, "1.2.8.1", "1.2.8.2", "1.2.8.3")
    delete_entities(Address(Scope((space.pk,)), C), principal="tests")
    answer = find(peer, query("STUDY", StudyInstanceUID=""))
    assert values(answer.matches, "StudyInstanceUID") == [B, A]


def test_sequences_are_returned_with_the_keys_that_were_asked(
    space: StorageSpace, peer: ScriptedPeer
) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "One"
    keep(space, "1.2.9", "1.2.9.1", "1.2.9.1.1", ProcedureCodeSequence=[code])
    asked = Dataset()
    asked.CodeValue, asked.CodingSchemeDesignator, asked.CodingSchemeVersion = "1", "", ""
    answer = find(peer, query("STUDY", StudyInstanceUID="", ProcedureCodeSequence=[asked]))
    (found,) = answer.matches
    (item,) = found.ProcedureCodeSequence
    assert {element.keyword: element.value for element in item} == {
        "CodeValue": "1",
        "CodingSchemeDesignator": "99X",
        "CodingSchemeVersion": "",
    }
    asked.CodeValue = "2"
    answer = find(peer, query("STUDY", StudyInstanceUID="", ProcedureCodeSequence=[asked]))
    assert answer.matches == []


def test_the_offset_from_utc_comes_with_the_times(space: StorageSpace, peer: ScriptedPeer) -> None:
    keep(space, "1.2.9", "1.2.9.1", "1.2.9.1.1", TimezoneOffsetFromUTC="+0100")
    (found,) = find(peer, query("STUDY", StudyInstanceUID="1.2.9", StudyTime="")).matches
    assert found.TimezoneOffsetFromUTC == "+0100"
    (found,) = find(peer, query("STUDY", StudyInstanceUID=A, StudyTime="")).matches
    assert "TimezoneOffsetFromUTC" not in found


def test_private_attributes_are_found_in_whichever_block_they_have(
    space: StorageSpace, peer: ScriptedPeer
) -> None:
    dataset = build_ct(study_instance_uid="1.2.9")
    dataset.add_new(0x00090010, "LO", "OTHER")
    dataset.add_new(0x00090011, "LO", "ACME")
    dataset.add_new(0x00091101, "LO", "gantry 7")
    hold(space, part10_bytes(dataset))
    identifier = query("STUDY", StudyInstanceUID="")
    identifier.add_new(0x00090010, "LO", "ACME")
    identifier.add_new(0x00091001, "LO", "gantry*")
    answer = find(peer, identifier)
    (found,) = answer.matches
    assert answer.pending == {PENDING}
    assert (found[0x00090010].value, found[0x00091001].value) == ("ACME", "gantry 7")
