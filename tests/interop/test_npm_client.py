"""npm's dicomweb-client, as in OHIF, calls every method it has, from a page of another origin.

It is a library for browsers, so it runs in one: its requests are made, and its headers joined,
as they are in every web viewer, and the browser holds us to the rules of other origins.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright
from pydicom.dataset import Dataset

from tests.builders import build_ct, new_uid, part10_bytes
from tests.interop.browser import FLAGS
from tests.interop.conftest import Site
from tests.interop.npm_packages import DICOMWEB_CLIENT

SCRIPT = Path(__file__).with_name("npm_client.js")
JPEG, PNG = [0xFF, 0xD8], [0x89, 0x50]
ROWS = 64
PIXEL_BYTES = ROWS * ROWS * 2

Results = dict[str, dict[str, Any]]  # by call


@pytest.fixture(scope="module")
def datasets() -> list[Dataset]:
    """Two instances of a series."""
    study, series = new_uid(), new_uid()
    return [
        build_ct(
            study_instance_uid=study,
            series_instance_uid=series,
            patient_name="Npm^Nora",
            rows=ROWS,
            columns=ROWS,
        )
        for _ in range(2)
    ]


@pytest.fixture(scope="module")
def results(site: Site, datasets: list[Dataset]) -> Results:
    """What each call came to."""
    told = {
        "root": site.endpoints["dicomweb"],
        "token": site.endpoints["token"],
        "files": [base64.b64encode(part10_bytes(dataset)).decode() for dataset in datasets],
        "at": {
            "study": datasets[0].StudyInstanceUID,
            "series": datasets[0].SeriesInstanceUID,
            "instance": datasets[0].SOPInstanceUID,
        },
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page()
        page.add_script_tag(path=DICOMWEB_CLIENT.path)
        found: Results = page.evaluate(SCRIPT.read_text("utf-8"), told)
        browser.close()
    return found


def value(results: Results, name: str) -> Any:
    """What the call gave; it did not fail."""
    result = results[name]
    assert "value" in result, f"{name}: {result}"
    return result["value"]


def uids(found: list[dict[str, Any]], tag: str) -> set[str]:
    return {item[tag]["Value"][0] for item in found}


@pytest.mark.parametrize("name", ["storeInstances", "storeInstancesOfStudy"])
def test_store(results: Results, datasets: list[Dataset], name: str) -> None:
    answer = json.loads(value(results, name))
    referenced = [item["00081155"]["Value"][0] for item in answer["00081199"]["Value"]]
    assert set(referenced) == {dataset.SOPInstanceUID for dataset in datasets}


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("searchForStudies", "0020000D"),
        ("searchForStudiesByName", "0020000D"),
        ("searchForSeries", "0020000E"),
        ("searchForAllSeries", "0020000E"),
    ],
)
def test_search_finds_the_one(
    results: Results, datasets: list[Dataset], name: str, tag: str
) -> None:
    wanted = {"0020000D": "StudyInstanceUID", "0020000E": "SeriesInstanceUID"}[tag]
    assert uids(value(results, name), tag) == {datasets[0][wanted].value}


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("searchForInstances", 2),
        ("searchForInstancesOfStudy", 2),
        ("searchForAllInstances", 1),
        ("retrieveStudyMetadata", 2),
        ("retrieveSeriesMetadata", 2),
        ("retrieveInstanceMetadata", 1),
    ],
)
def test_instances_are_told(
    results: Results, datasets: list[Dataset], name: str, amount: int
) -> None:
    found = uids(value(results, name), "00080018")
    assert len(found) == amount
    assert found <= {dataset.SOPInstanceUID for dataset in datasets}


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("retrieveStudy", 2),
        ("retrieveSeries", 2),
        ("retrieveInstance", 1),
        ("wadoURI", 1),
    ],
)
def test_files_come_whole(
    results: Results, datasets: list[Dataset], name: str, amount: int
) -> None:
    found = value(results, name)
    files = found if isinstance(found, list) else [found]
    assert len(files) == amount
    lengths = {len(part10_bytes(dataset)) for dataset in datasets}
    for file in files:
        assert bytes(file["bytes"][128:132]) == b"DICM"
        assert file["length"] in lengths


@pytest.mark.parametrize(
    "name",
    [
        "retrieveInstanceFrames",
        "retrieveInstanceFramesExplicit",
        "retrieveBulkData",
        "retrieveBulkDataSinglepart",
    ],
)
def test_pixels_come_as_they_are(results: Results, datasets: list[Dataset], name: str) -> None:
    (frame,) = value(results, name)
    assert frame["length"] == PIXEL_BYTES
    assert bytes(frame["bytes"]) == datasets[0].PixelData[: len(frame["bytes"])]


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("retrieveInstanceRendered", JPEG),
        ("retrieveInstanceRenderedJpeg", JPEG),
        ("retrieveInstanceRenderedPng", PNG),
        ("retrieveInstanceThumbnail", JPEG),
        ("retrieveInstanceThumbnailJpeg", JPEG),
        ("retrieveInstanceFramesRendered", JPEG),
        ("retrieveInstanceFramesThumbnail", JPEG),
    ],
)
def test_images_are_images(results: Results, name: str, signature: list[int]) -> None:
    found = value(results, name)
    image = found[0] if isinstance(found, list) else found
    assert image["bytes"][:2] == signature


@pytest.mark.parametrize(("name", "status"), [("missingStudy", 404), ("wrongToken", 401)])
def test_errors_reach_a_page_of_another_origin(results: Results, name: str, status: int) -> None:
    assert results[name].get("status") == status, results[name]
