"""Thumbnails through the views (PS3.18 10.4.1.1.4): always a picture for what is held."""

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from ingestion.models import Instance
from tests.builders import new_uid
from tests.integration.dicomweb.images import (
    BASIC_TEXT_SR,
    gradient,
    image,
    picture,
    without_pixels,
)
from tests.integration.dicomweb.paths import instance_path, study_path
from tests.integration.dicomweb.web_client import WebClient, content


def filled(level: int, **uids: Any) -> Dataset:
    """300 by 200 pixels of one level; alone it is shown in the middle of the grey scale."""
    dataset = image(np.full((200, 300), 1024 + level, dtype="<u2"), **uids)
    dataset.WindowCenter, dataset.WindowWidth = "50", "100"
    return dataset


def brightness(response: object) -> int:
    return int(np.asarray(picture(response))[0, 0])


def test_it_fits_into_128_pixels(web: WebClient) -> None:
    dataset = filled(50)
    web.store(dataset)
    response = web.get(f"{instance_path(dataset)}/thumbnail")
    assert response["Content-Type"] == "image/jpeg"
    assert picture(response).size == (128, 85)
    assert response["Content-Location"].endswith("/frames/1/thumbnail")


@pytest.mark.parametrize(
    ("viewport", "size"), [("64,64", (64, 43)), ("30%2C100", (30, 20)), ("999,999", (300, 200))]
)
def test_it_fits_into_the_viewport_and_is_not_enlarged(
    web: WebClient, viewport: str, size: tuple[int, int]
) -> None:
    dataset = filled(50)
    web.store(dataset)
    response = web.get(
        f"{instance_path(dataset)}/thumbnail?viewport={viewport}", accept="image/png"
    )
    assert picture(response).size == size


@pytest.mark.parametrize("viewport", ["0,0", "a,b", "5"])
def test_nonsense_is_400(web: WebClient, viewport: str) -> None:
    dataset = filled(50)
    web.store(dataset)
    response = web.get(f"{instance_path(dataset)}/thumbnail?viewport={viewport}")
    assert response.status_code == 400


def test_of_a_series_it_is_the_middle_image(web: WebClient) -> None:
    uids = {"study_instance_uid": new_uid(), "series_instance_uid": new_uid()}
    datasets = [filled(level, **uids) for level in (10, 50, 90)]
    for number, dataset in enumerate(datasets):
        dataset.InstanceNumber = number
    web.store(*datasets)
    for path in (
        f"/dicomweb/studies/{uids['study_instance_uid']}",
        f"/dicomweb/studies/{uids['study_instance_uid']}/series/{uids['series_instance_uid']}",
    ):
        assert brightness(web.get(f"{path}/thumbnail")) == pytest.approx(128, abs=3)


def test_of_a_loop_it_is_the_middle_frame_or_the_one_that_is_named(web: WebClient) -> None:
    frames = [np.full((8, 8), 1024 + level, dtype="<u2") for level in (10, 50, 90)]
    dataset = image(*frames)
    dataset.WindowCenter, dataset.WindowWidth = "50", "100"
    named = image(*frames)
    named.WindowCenter, named.WindowWidth, named.RepresentativeFrameNumber = "50", "100", 1
    web.store(dataset, named)
    assert brightness(web.get(f"{instance_path(dataset)}/thumbnail")) == pytest.approx(128, abs=3)
    assert brightness(web.get(f"{instance_path(named)}/thumbnail")) == pytest.approx(26, abs=3)
    third = web.get(f"{instance_path(dataset)}/frames/3,1/thumbnail")
    assert brightness(third) == pytest.approx(230, abs=3)


def test_of_a_study_it_is_an_image_where_there_is_one(web: WebClient) -> None:
    study = new_uid()
    image_among_reports = filled(50, study_instance_uid=study)
    image_among_reports.SeriesNumber = 1
    reports = [without_pixels(BASIC_TEXT_SR) for _ in range(4)]
    for report in reports:
        report.StudyInstanceUID, report.SeriesNumber = study, 9
    web.store(image_among_reports, *reports)
    assert picture(web.get(f"/dicomweb/studies/{study}/thumbnail")).size == (128, 85)


@pytest.mark.parametrize("kind", ["report", "broken"])
def test_what_has_no_picture_gets_one(web: WebClient, kind: str) -> None:
    dataset = without_pixels(BASIC_TEXT_SR)
    if kind == "broken":
        dataset = image(gradient())
        dataset.PixelData = b"\0\0"
    web.store(dataset)
    response = web.get(f"{instance_path(dataset)}/thumbnail?viewport=50,50", accept="image/png")
    assert picture(response).size == (50, 50)
    assert picture(web.get(f"{study_path(dataset)}/thumbnail"))


def test_an_object_that_its_store_lost_is_an_error(web: WebClient) -> None:
    dataset = filled(7)
    web.store(dataset)
    Instance.objects.update(location="gone/gone/gone.dcm")
    assert web.get(f"{instance_path(dataset)}/thumbnail").status_code == 500


def test_it_need_not_be_made_twice(web: WebClient) -> None:
    dataset = filled(33)
    web.store(dataset)
    first = web.get(f"{instance_path(dataset)}/thumbnail")
    again = web.get(f"{instance_path(dataset)}/thumbnail", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, content(again)) == (304, b"")
    head = web.get(f"{instance_path(dataset)}/thumbnail", method="HEAD")
    assert head["Content-Length"] == str(len(content(first)))
