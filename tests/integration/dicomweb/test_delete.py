"""DELETE of studies, series and instances: who may, what is left, and what is answered."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pydicom.dataset import Dataset

from ingestion.models import Event, StorageSpace, Study
from tests.builders import build_ct, new_uid
from tests.integration.dicomweb.web_client import WebClient, make_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def web(space: StorageSpace) -> WebClient:
    """May do everything in every space."""
    return WebClient(make_token(may_store=True, may_delete=True, all_spaces=True))


@pytest.fixture
def study(web: WebClient) -> list[Dataset]:
    """Three instances in two series."""
    study, series = new_uid(), new_uid()
    datasets = [
        build_ct(study_instance_uid=study, series_instance_uid=uid) for uid in (series, series, "")
    ]
    web.store(*datasets)
    return datasets


def path_of(dataset: Dataset, level: str, root: str = "/dicomweb") -> str:
    study = f"{root}/studies/{dataset.StudyInstanceUID}"
    series = f"{study}/series/{dataset.SeriesInstanceUID}"
    instance = f"{series}/instances/{dataset.SOPInstanceUID}"
    return {"study": study, "series": series, "instance": instance}[level]


def delete(web: WebClient, path: str) -> Any:
    return web.get(path, method="DELETE")


@pytest.mark.parametrize("root", ["/dicomweb", "/dicomweb/spaces/main", "/stow-rs", "/wado-rs"])
@pytest.mark.parametrize(("level", "left"), [("study", 0), ("series", 1), ("instance", 2)])
def test_it_is_gone_from_searches_and_retrieval_at_once(
    web: WebClient, study: list[Dataset], root: str, level: str, left: int
) -> None:
    response = delete(web, path_of(study[0], level, root))
    assert (response.status_code, response.content) == (204, b"")
    assert len(web.json("/dicomweb/instances")) == left
    assert len(web.json("/dicomweb/studies")) == (1 if left else 0)
    for path in ("", "/metadata"):
        assert web.get(path_of(study[0], level) + path).status_code == 404
    assert delete(web, path_of(study[0], level, root)).status_code == 404


def test_stored_again_it_is_back(web: WebClient, study: list[Dataset]) -> None:
    delete(web, path_of(study[0], "study"))
    web.store(study[1])
    assert len(web.json("/dicomweb/instances")) == 1
    assert web.get(path_of(study[1], "instance")).status_code == 200
    assert web.get(path_of(study[0], "instance")).status_code == 404


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_only_the_scope_to_delete_permits_it(
    web: WebClient, study: list[Dataset], level: str
) -> None:
    path = path_of(study[0], level)
    writer = WebClient(make_token(may_store=True, all_spaces=True))
    assert delete(writer, path).status_code == 403
    assert delete(WebClient(""), path).status_code == 401
    assert len(web.json("/dicomweb/instances")) == 3


@pytest.mark.parametrize("path", ["/dicomweb/studies", "/dicomweb/studies/1.2/metadata"])
def test_nothing_else_can_be_deleted(web: WebClient, path: str) -> None:
    assert delete(web, path).status_code == 405


def test_another_space_is_as_if_it_were_not_there(
    study: list[Dataset], other_space: StorageSpace
) -> None:
    stranger = WebClient(make_token(may_delete=True, spaces=[other_space]))
    for root in ("/dicomweb", "/dicomweb/spaces/main", "/dicomweb/spaces/other"):
        assert delete(stranger, path_of(study[0], "study", root)).status_code == 404
    assert Study.objects.get().deleted_at is None


def test_what_two_spaces_hold_must_be_deleted_in_one_of_them(
    web: WebClient, study: list[Dataset], other_space: StorageSpace
) -> None:
    web.store(study[0], path="/dicomweb/spaces/other/studies")
    response = delete(web, path_of(study[0], "study"))
    assert response.status_code == 409
    body = json.loads(response.content)
    assert body["code"] == "held-in-several-spaces"
    assert "main, other" in body["detail"]
    assert delete(web, path_of(study[0], "study", "/dicomweb/spaces/other")).status_code == 204
    assert len(web.json("/dicomweb/spaces/main/instances")) == 3
    assert delete(web, path_of(study[0], "study")).status_code == 204


def test_it_takes_so_many_statements_whatever_the_size(
    web: WebClient, study: list[Dataset]
) -> None:
    def statements(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert delete(web, path).status_code == 204
        return len([query for query in queries if "SAVEPOINT" not in query["sql"]])

    # token, spaces, study; lock, clock, deletion, counters, attributes, event
    web.json("/dicomweb/studies")  # the token is known from here
    assert statements(path_of(study[0], "instance")) == 8
    assert statements(path_of(study[2], "study")) == 8


def test_one_event_is_written_for_each_request(web: WebClient, study: list[Dataset]) -> None:
    delete(web, path_of(study[0], "study"))
    event = Event.objects.get(type="DicomDeletedEvent")
    assert event.study_instance_uid == study[0].StudyInstanceUID
    assert event.data["deletedInstances"] == 3
