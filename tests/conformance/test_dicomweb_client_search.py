"""dicomweb-client 0.61 searches the real server: filters, fields, fuzzy names, pages."""

from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.builders import build_ct


@pytest.fixture
def studies(client: Any) -> list[Dataset]:
    """Four studies, newest last, of two people."""
    datasets = [
        build_ct(
            patient_name=("Doe^Jane", "Roe^Rita")[day % 2],
            extra=[
                (0x00080020, "DA", f"2026010{day}"),
                (0x00101010, "AS", f"04{day}Y"),
                (0x00181030, "LO", ("Head", "Neck")[day % 2]),
            ],
        )
        for day in range(1, 5)
    ]
    client.store_instances(datasets)
    return datasets


def _dates(found: list[dict[str, Any]]) -> list[str]:
    return [item["00080020"]["Value"][0] for item in found]


@pytest.mark.parametrize(
    ("filters", "days"),
    [
        ({"PatientAge": "042Y"}, "2"),
        ({"00101010": "042Y,043Y"}, "3 2"),
        ({"StudyDate": "20260102-20260103"}, "3 2"),
        ({"PatientName": "*oe*", "ModalitiesInStudy": "CT"}, "4 3 2 1"),
        ({"PatientName": "roe^*"}, "3 1"),
    ],
)
def test_studies_are_filtered(
    client: Any, studies: list[Dataset], filters: dict[str, str], days: str
) -> None:
    found = client.search_for_studies(search_filters=filters)
    assert _dates(found) == [f"2026010{day}" for day in days.split()]


def test_names_are_matched_fuzzily(client: Any, studies: list[Dataset]) -> None:
    filters = {"PatientName": "jan do"}
    assert client.search_for_studies(search_filters=filters) == []
    found = client.search_for_studies(fuzzymatching=True, search_filters=filters)
    assert _dates(found) == ["20260104", "20260102"]


def test_fields_are_returned_that_no_column_holds(client: Any, studies: list[Dataset]) -> None:
    (found,) = client.search_for_studies(
        fields=["PatientAge"], search_filters={"PatientAge": "041Y"}
    )
    assert Dataset.from_json(found).PatientAge == "041Y"
    series = client.search_for_series(
        fields=["ProtocolName"], search_filters={"ProtocolName": "N*"}
    )
    assert {item["00181030"]["Value"][0] for item in series} == {"Neck"}
    instances = client.search_for_instances(fields=["all"], search_filters={"ImageType": "AXIAL"})
    assert len(instances) == 4


@pytest.mark.parametrize("filters", [None, {"PatientComments": ""}, {"ProtocolName": "*e*"}])
def test_remaining_pages_follow_each_other(
    client: Any, studies: list[Dataset], filters: dict[str, str] | None
) -> None:
    found = client.search_for_series(search_filters=filters, limit=1, get_remaining=True)
    assert len({item["0020000E"]["Value"][0] for item in found}) == len(found) == 4
