"""What several storage spaces hold is told once, or once for each where that is asked for."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydicom.dataset import Dataset

from ingestion.models import Instance, StorageSpace
from tests.builders import build_ct
from tests.integration.dicomweb.paths import study_path
from tests.integration.dicomweb.web_client import WebClient, make_token, value

MAIN, OTHER = "/dicomweb/spaces/main/studies", "/dicomweb/spaces/other/studies"


def spaces(result: dict[str, Any]) -> list[str]:
    assert value(result, "00090010") == "IMAGING INGESTION"
    assert result["00091001"]["vr"] == "LO"
    return list(result["00091001"]["Value"])


@pytest.fixture
def shared(web: WebClient, other_space: StorageSpace) -> Dataset:
    """A study of which `main` holds two instances in a CT series, and `other` one of them, and a
    series of MR beside."""
    first = build_ct()
    study, series = first.StudyInstanceUID, first.SeriesInstanceUID
    second = build_ct(study_instance_uid=study, series_instance_uid=series)
    beside = build_ct(study_instance_uid=study, extra=[(0x00080060, "CS", "MR")])
    web.store(first, second, path=MAIN)
    web.store(first, beside, path=OTHER)
    return first


def test_a_study_in_two_spaces_is_told_once(web: WebClient, shared: Dataset) -> None:
    (study,) = web.json("/dicomweb/studies")
    assert spaces(study) == ["main", "other"]
    assert study["00080061"]["Value"] == ["CT", "MR"]
    assert value(study, "00201206") == 2
    assert value(study, "00201208") == 3
    assert value(study, "00081190") == (
        f"http://testserver/dicomweb/studies/{shared.StudyInstanceUID}"
    )


def test_each_space_is_told_where_that_is_asked_for(web: WebClient, shared: Dataset) -> None:
    found = {tuple(spaces(item)): item for item in web.json("/dicomweb/studies?eachspace=true")}
    assert set(found) == {("main",), ("other",)}
    assert found["main",]["00080061"]["Value"] == ["CT"]
    assert value(found["main",], "00201208") == 2
    for (slug,), item in found.items():
        assert f"/spaces/{slug}/studies/" in value(item, "00081190")


def test_series_and_instances_are_merged_too(web: WebClient, shared: Dataset) -> None:
    series = {value(item, "00080060"): item for item in web.json("/dicomweb/series")}
    assert {modality: spaces(item) for modality, item in series.items()} == {
        "CT": ["main", "other"],
        "MR": ["other"],
    }
    assert value(series["CT"], "00201209") == 2
    assert value(series["MR"], "00201209") == 1
    assert value(series["CT"], "00201208") == 3, "of the study"
    instances = web.json("/dicomweb/instances")
    assert sorted(map(spaces, instances)) == [["main"], ["main", "other"], ["other"]]
    by_uid = {value(item, "00080018"): spaces(item) for item in instances}
    assert by_uid[shared.SOPInstanceUID] == ["main", "other"]
    study = study_path(shared)
    assert len(web.json(f"{study}/series")) == 2
    assert len(web.json(f"{study}/instances")) == 3
    assert len(web.json(f"{study}/series/{shared.SeriesInstanceUID}/instances")) == 2


def test_a_space_by_itself_says_only_what_it_holds(web: WebClient, shared: Dataset) -> None:
    (study,) = web.json(MAIN)
    assert study["00080061"]["Value"] == ["CT"]
    assert "00091001" not in study
    reader = WebClient(make_token(spaces=StorageSpace.objects.filter(slug="other")))
    (study,) = reader.json("/dicomweb/studies")
    assert spaces(study) == ["other"]
    assert value(study, "00201208") == 2


def test_a_study_is_found_by_what_one_space_says_of_it(
    web: WebClient, other_space: StorageSpace
) -> None:
    first = build_ct(extra=[(0x00100020, "LO", "P-1"), (0x00101010, "AS", "045Y")])
    second = build_ct(
        study_instance_uid=first.StudyInstanceUID,
        extra=[(0x00100020, "LO", "P-2"), (0x00101010, "AS", "046Y")],
    )
    web.store(first, path=MAIN)
    web.store(second, path=OTHER)
    for query in ("PatientID=P-1", "PatientID=P-2", "PatientAge=045Y", "PatientAge=046Y"):
        (study,) = web.json(f"/dicomweb/studies?{query}")
        assert spaces(study) == ["main", "other"], query
        assert value(study, "00201208") == 2, query
    assert len(web.json("/dicomweb/studies?PatientID=P-*")) == 1
    assert len(web.json("/dicomweb/studies?PatientAge=045Y,046Y")) == 1


@pytest.mark.parametrize("query", ["PatientID=P-1001", "PatientComments=x"])
def test_pages_tell_each_study_once(web: WebClient, other_space: StorageSpace, query: str) -> None:
    studies = [
        build_ct(extra=[(0x00080020, "DA", f"2026010{day}"), (0x00104000, "LT", "x")])
        for day in range(1, 8)
    ]
    web.store(*studies[:5], path=MAIN)
    web.store(*studies[2:], path=OTHER)
    dates = []
    for offset in (0, 3, 6):
        response = web.get(f"/dicomweb/studies?{query}&limit=3&offset={offset}")
        dates += [value(item, "00080020") for item in json.loads(response.content)]
        assert response.headers.get("X-Total-Count", "7") == "7"
        assert ("next" in response.headers.get("Link", "")) is (offset < 6)
    assert dates == [f"2026010{day}" for day in range(7, 0, -1)]
    assert len(web.json(f"/dicomweb/studies?{query}&eachspace=true")) == 8 + 2


def test_what_is_deleted_in_one_space_is_the_others(web: WebClient, shared: Dataset) -> None:
    Instance.objects.filter(storage_space__slug="main").update(deleted_at="2026-01-01T00:00:00Z")
    instances = web.json("/dicomweb/instances")
    assert [spaces(item) for item in instances] == [["other"], ["other"]]
    (study,) = web.json("/dicomweb/studies")
    assert value(study, "00201208") == 2


def test_a_private_block_of_the_object_is_left_alone(
    web: WebClient, other_space: StorageSpace
) -> None:
    web.store(build_ct(extra=[(0x00090010, "LO", "ACME"), (0x00091001, "LO", "Kit")]), path=MAIN)
    (instance,) = web.json("/dicomweb/instances?includefield=all")
    assert value(instance, "00090010") == "ACME"
    assert value(instance, "00091001") == "Kit"
    assert value(instance, "00090011") == "IMAGING INGESTION"
    assert value(instance, "00091101") == "main"


@pytest.mark.parametrize(("path", "statements"), [("studies", 3), ("series", 4), ("instances", 4)])
def test_merging_costs_few_statements(
    web: WebClient, shared: Dataset, path: str, statements: int
) -> None:
    with CaptureQueriesContext(connection) as captured:
        web.json(f"/dicomweb/{path}")
    assert len(captured) == 1 + statements, [item["sql"][:150] for item in captured]
    with CaptureQueriesContext(connection) as captured:
        web.json(f"/dicomweb/{path}?eachspace=true")
    assert len(captured) == 1 + 1
