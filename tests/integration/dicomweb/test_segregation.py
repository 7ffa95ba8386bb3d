"""No resource shows another space's data, or what was deleted, whatever was shown to others before.

Caches of pictures and of the places of frames, and validators that somebody else got, are asked for
as well. Source: PS3.18 10.4.1.1; docs/reliability.md.
"""

from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from ingestion.models import StorageSpace
from tests.builders import build_ct
from tests.integration.dicomweb.paths import instance_path
from tests.integration.dicomweb.web_client import WebClient, content, make_token

OF_ANY = ("", "/metadata", "/bulkdata", "/pixeldata", "/rendered", "/thumbnail")
OF_INSTANCES = ("/frames/1", "/bulkdata/7FE00010", "/frames/1/rendered", "/frames/1/thumbnail")
FORMS = (None, "image/png", "application/zip", "application/octet-stream", "application/dicom")

Seen = list[tuple[str, str | None, str]]


def resources(dataset: Dataset) -> Iterator[str]:
    instance = instance_path(dataset)
    for entity in (instance, instance.partition("/inst")[0], instance.partition("/series")[0]):
        yield from (f"{entity}{name}" for name in OF_ANY)
    yield from (f"{instance}{name}" for name in OF_INSTANCES)
    yield (
        f"/dicomweb/wado?requestType=WADO&studyUID={dataset.StudyInstanceUID}"
        f"&seriesUID={dataset.SeriesInstanceUID}&objectUID={dataset.SOPInstanceUID}"
    )


@pytest.fixture
def dataset(web: WebClient) -> Dataset:
    dataset = build_ct(rows=40, columns=40)
    dataset.compress(RLELossless, generate_instance_uid=False)
    web.store(dataset, path="/dicomweb/spaces/main/studies")
    return dataset


@pytest.fixture
def seen(web: WebClient, dataset: Dataset) -> Seen:
    """Every answer that there is: address, Accept, entity tag."""
    answers = [
        (path, accept, web.get(path, accept=accept))
        for path in resources(dataset)
        for accept in FORMS
    ]
    good = [(path, accept, answer) for path, accept, answer in answers if answer.status_code == 200]
    assert {path for path, *_ in good} == set(resources(dataset))
    assert all(content(answer) for *_, answer in good)
    return [(path, accept, answer["ETag"]) for path, accept, answer in good]


def assert_gone(web: WebClient, seen: Seen, root: str = "/dicomweb/") -> None:
    for path, accept, tag in seen:
        for headers in ({}, {"If-None-Match": tag}, {"Range": "bytes=0-3"}, {"If-Match": tag}):
            for method in ("GET", "HEAD"):
                address = path.replace("/dicomweb/", root)
                answer = web.get(address, accept=accept, headers=headers, method=method)
                assert answer.status_code == 404, (address, accept, headers)
                assert "ETag" not in answer


def test_tokens_of_another_space_see_nothing(
    dataset: Dataset, seen: Seen, other_space: StorageSpace
) -> None:
    stranger = WebClient(make_token(spaces=[other_space]))
    assert_gone(stranger, seen)
    assert_gone(stranger, seen, "/dicomweb/spaces/main/")
    assert_gone(stranger, seen, "/wado-rs/")


def test_the_root_of_another_space_shows_nothing(
    web: WebClient, seen: Seen, other_space: StorageSpace
) -> None:
    assert_gone(web, seen, "/dicomweb/spaces/other/")


def test_what_is_deleted_is_gone_from_every_resource(
    dataset: Dataset, seen: Seen, web: WebClient
) -> None:
    owner = WebClient(make_token(may_delete=True, all_spaces=True))
    assert owner.get(instance_path(dataset), method="DELETE").status_code == 204
    assert_gone(web, seen)


def test_uids_of_one_study_open_nothing_of_another(
    web: WebClient, dataset: Dataset, seen: Seen
) -> None:
    other = build_ct()
    web.store(other)
    for name in ("StudyInstanceUID", "SeriesInstanceUID"):
        mixed = [
            (path.replace(dataset[name].value, other[name].value), accept, tag)
            for path, accept, tag in seen
            if dataset.SOPInstanceUID in path
        ]
        assert_gone(web, mixed)
