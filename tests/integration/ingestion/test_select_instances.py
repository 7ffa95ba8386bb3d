"""Which instances a retrieval means, and in which order they are sent."""

from collections.abc import Mapping

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from ingestion.dicom.attributes import Level
from ingestion.dicom.retrieve_keys import RetrieveKeys
from ingestion.models import Instance, StorageSpace
from ingestion.use_cases.register_receipts import register_receipts
from ingestion.use_cases.retrieve_instances import held_in
from ingestion.use_cases.select_instances import Kind, Selection, batches_of, select_instances
from tests.receipts import CT, EXPLICIT, make_receipt, make_space

pytestmark = pytest.mark.django_db

MR = "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT = "1.2.840.10008.1.2"

# Series number and instance number say the order, SOP Instance UIDs do not.
ROWS: tuple[dict[str, object], ...] = (
    {"sop": "1.1.1.9", "series": "1.1.1", "study": "1.1", "series_number": 1, "instance_number": 1},
    {"sop": "1.1.1.1", "series": "1.1.1", "study": "1.1", "series_number": 1, "instance_number": 2},
    {"sop": "1.1.2.1", "series": "1.1.2", "study": "1.1", "series_number": 2, "instance_number": 1},
    {"sop": "1.1.3.1", "series": "1.1.3", "study": "1.1"},
    {"sop": "1.2.1.1", "series": "1.2.1", "study": "1.2", "series_number": 1},
)


def fill(space: StorageSpace, **fields: object) -> None:
    for row in reversed(ROWS):
        receipt = make_receipt(space, **({"patient_id": "P-1"} | row | fields))  # type: ignore[arg-type]
        register_receipts([receipt])


@pytest.fixture
def space(folder_space: StorageSpace) -> StorageSpace:
    fill(folder_space)
    return folder_space


def select(space: StorageSpace, level: Level, issuer: str = "", **values: str) -> Selection:
    named: Mapping[Level, tuple[str, ...]] = {
        Level(name): tuple(value.split("\\")) for name, value in values.items()
    }
    return select_instances(RetrieveKeys(level, named, issuer), space)


def uids(space: StorageSpace, selection: Selection) -> list[str]:
    return [
        held.sop_instance_uid for batch in batches_of(selection) for held in held_in(space, batch)
    ]


@pytest.mark.parametrize(
    ("level", "values", "expected"),
    [
        (Level.STUDY, {"STUDY": "1.1"}, ["1.1.1.9", "1.1.1.1", "1.1.2.1", "1.1.3.1"]),
        (Level.SERIES, {"STUDY": "1.1", "SERIES": "1.1.1"}, ["1.1.1.9", "1.1.1.1"]),
        (Level.SERIES, {"STUDY": "1.1", "SERIES": "1.1.3\\1.1.2"}, ["1.1.2.1", "1.1.3.1"]),
        (Level.SERIES, {"STUDY": "1.2", "SERIES": "1.1.1"}, []),
        (Level.SERIES, {"SERIES": "1.2.1"}, ["1.2.1.1"]),
        (Level.IMAGE, {"IMAGE": "1.1.1.9\\1.1.2.1\\1.9"}, ["1.1.1.9", "1.1.2.1"]),
        (Level.IMAGE, {"STUDY": "1.1", "SERIES": "1.1.2", "IMAGE": "1.1.1.9"}, []),
        (Level.STUDY, {"PATIENT": "P-2", "STUDY": "1.1"}, []),
    ],
)
def test_unique_keys_select_in_order(
    space: StorageSpace, level: Level, values: dict[str, str], expected: list[str]
) -> None:
    assert uids(space, select(space, level, **values)) == expected


def test_patient_has_all_studies_one_after_the_other(space: StorageSpace) -> None:
    found = uids(space, select(space, Level.PATIENT, PATIENT="P-1"))
    assert sorted(found) == sorted(str(row["sop"]) for row in ROWS)
    assert len({uid[:3] for uid in found[:1] + found[-1:]}) == 2, "studies are not mixed"


def test_patients_of_two_issuers_are_two(space: StorageSpace) -> None:
    other = make_receipt(
        space, study="1.3", series="1.3.1", sop="1.3.1.1", patient_id="P-1",
        issuer_of_patient_id="ELSEWHERE",
    )  # fmt: skip
    register_receipts([other])
    selection = select(space, Level.PATIENT, "ELSEWHERE", PATIENT="P-1")
    assert uids(space, selection) == ["1.3.1.1"]


def test_other_spaces_are_not_seen(space: StorageSpace) -> None:
    other = make_space("other", backend="filesystem", options=space.options)
    fill(other)
    assert len(select(space, Level.STUDY, STUDY="1.1")) == 4
    elsewhere = select(other, Level.STUDY, STUDY="1.1")
    assert set(elsewhere.instance_ids).isdisjoint(
        select(space, Level.STUDY, STUDY="1.1").instance_ids
    )
    assert held_in(space, elsewhere.instance_ids) == []


def test_deleted_instances_are_not_selected_nor_held_any_more(space: StorageSpace) -> None:
    before = select(space, Level.SERIES, SERIES="1.1.1")
    Instance.objects.filter(sop_instance_uid="1.1.1.9").update(deleted_at=timezone.now())
    assert uids(space, select(space, Level.SERIES, SERIES="1.1.1")) == ["1.1.1.1"]
    assert uids(space, before) == ["1.1.1.1"]


def test_what_could_not_be_registered_is_not_selected(space: StorageSpace) -> None:
    misplaced = make_receipt(space, study="1.2", series="1.2.1", sop="1.1.1.9", content=b"other")
    register_receipts([misplaced])  # the same SOP Instance UID in another study: quarantine
    assert uids(space, select(space, Level.IMAGE, IMAGE="1.1.1.9")) == ["1.1.1.9"]
    assert len(select(space, Level.STUDY, STUDY="1.2")) == 1


def test_kinds_are_what_contexts_are_proposed_for(space: StorageSpace) -> None:
    register_receipts(
        [
            make_receipt(space, study="1.2", series="1.2.1", sop="1.2.1.2", sop_class_uid=MR),
            make_receipt(
                space, study="1.2", series="1.2.1", sop="1.2.1.3", transfer_syntax_uid=IMPLICIT
            ),
        ]
    )
    selection = select(space, Level.STUDY, STUDY="1.2")
    assert selection.kinds == {Kind(CT, EXPLICIT), Kind(MR, EXPLICIT), Kind(CT, IMPLICIT)}


def test_one_statement_selects_and_one_each_finds_a_portion(
    space: StorageSpace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        selection = select(space, Level.STUDY, STUDY="1.1")
    with django_assert_num_queries(1):
        held_in(space, selection.instance_ids)
