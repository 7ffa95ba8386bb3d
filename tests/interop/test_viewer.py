"""A person at the OHIF viewer: signs in, finds a study, and sees its images."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Page, Response, sync_playwright
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, JPEG2000Lossless, JPEGLSLossless, RLELossless

from ingestion.management.demonstration_studies import demonstration_instances
from tests.builders import new_uid, part10_bytes
from tests.bundled_files import BUNDLED_FILES
from tests.eventually import eventually
from tests.interop.browser import FLAGS, sign_in
from tests.interop.conftest import Site

ROOT = Path(__file__).parents[2]
# A browser without a graphics card draws WebGL by itself.
DRAWING = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SECONDS_MAX = 60
BRIGHT, PARTS_BRIGHT_MIN = 40, 0.05
VIEWPORT = "[data-cy=viewport-pane] canvas"


@pytest.fixture(scope="module")
def studies(site: Site) -> dict[str, str]:
    """The studies of the demonstration: Study Instance UIDs by modality."""
    subprocess.run(
        [sys.executable, "manage.py", "store_demonstration"],
        cwd=ROOT,
        env={"INGESTION_STATE_FOLDER": str(site.state)},
        check=True,
        timeout=SECONDS_MAX,
    )
    found = site.search("/studies?PatientID=DEMO-*")
    return {study["00080061"]["Value"][0]: study["0020000D"]["Value"][0] for study in found}


def phantom_slice() -> Dataset:
    """The first slice of the thorax, in a study of its own."""
    dataset = next(demonstration_instances())
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(dataset, keyword, new_uid())
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def store(site: Site, file: bytes) -> None:
    request = urllib.request.Request(
        site.endpoints["dicomweb"] + "/studies",
        data=file,
        headers={
            "Content-Type": "application/dicom",
            "Authorization": f"Bearer {site.endpoints['token']}",
        },
    )
    with urllib.request.urlopen(request, timeout=SECONDS_MAX) as answer:
        assert answer.status == 200


@pytest.fixture
def page() -> Iterator[Page]:
    """A page at which nothing may fail: no script, no request; and it asks nobody but us."""
    failures: list[str] = []
    hosts: set[str | None] = set()

    def look_at(response: Response) -> None:
        if response.status >= 400 and not response.url.endswith("/favicon.ico"):
            failures.append(f"{response.status} {response.request.method} {response.url}")

    with sync_playwright() as playwright:
        flags = [flag for flag in FLAGS if flag != "--disable-gpu"] + DRAWING
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(SECONDS_MAX * 1000)
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        page.on("response", look_at)
        yield page
        browser.close()
    assert not failures
    assert hosts <= {"127.0.0.1", None}


def bright_part(page: Page) -> float:
    """How much of the first viewport is brighter than its background."""
    shot = Image.open(BytesIO(page.locator(VIEWPORT).first.screenshot())).convert("L")
    bright = sum(shot.histogram()[BRIGHT:])
    return bright / (shot.width * shot.height)


def wait_until_drawn(page: Page) -> None:
    page.wait_for_selector(VIEWPORT)
    eventually(lambda: bright_part(page) > PARTS_BRIGHT_MIN, within_seconds=SECONDS_MAX)


def test_the_study_list_shows_studies_after_signing_in(
    site: Site, studies: dict[str, str], page: Page
) -> None:
    page.goto(site.endpoints["viewer"])
    page.fill("input[name=username]", site.endpoints["admin_user"])
    page.fill("input[name=password]", site.endpoints["admin_password"])
    page.click("button[type=submit]")
    page.wait_for_selector("text=Phantom, Theodora")
    page.wait_for_selector("text=Ellipse, Leonard")
    assert page.url == site.endpoints["viewer"]
    assert page.evaluate("window.crossOriginIsolated") is True


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_the_admin_leads_to_images(
    site: Site, studies: dict[str, str], page: Page, modality: str
) -> None:
    sign_in(page, site)
    page.goto(site.endpoints["admin"] + "ingestion/study/?q=" + studies[modality])
    page.click("table a >> nth=0")
    page.click("text=Open in the viewer")
    wait_until_drawn(page)


def test_the_study_list_is_searched_by_name(
    site: Site, studies: dict[str, str], page: Page
) -> None:
    sign_in(page, site)
    page.goto(site.endpoints["viewer"] + "?patientName=theodora")
    page.wait_for_selector("text=Phantom, Theodora")
    assert page.query_selector("text=Ellipse, Leonard") is None


@pytest.mark.parametrize(
    "syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda uid: uid.name
)
def test_compressed_images_are_drawn(site: Site, page: Page, syntax: UID) -> None:
    dataset = phantom_slice()
    dataset.compress(syntax, generate_instance_uid=False)
    store(site, part10_bytes(dataset))
    sign_in(page, site)
    page.goto(f"{site.endpoints['viewer']}viewer?StudyInstanceUIDs={dataset.StudyInstanceUID}")
    wait_until_drawn(page)


def test_a_clip_of_jpeg_frames_in_colour_is_drawn(site: Site, page: Page) -> None:
    (clip,) = (path for path in BUNDLED_FILES if path.name == "examples_ybr_color.dcm")
    store(site, clip.read_bytes())
    sign_in(page, site)
    study = dcmread(clip, stop_before_pixels=True).StudyInstanceUID
    page.goto(f"{site.endpoints['viewer']}viewer?StudyInstanceUIDs={study}")
    wait_until_drawn(page)


def test_a_study_without_modality_spoils_no_list(
    site: Site, studies: dict[str, str], page: Page
) -> None:
    dataset = phantom_slice()
    dataset.PatientName = "Unsaid^Ursula"
    del dataset.Modality
    store(site, part10_bytes(dataset))
    sign_in(page, site)
    page.goto(site.endpoints["viewer"])
    page.wait_for_selector("text=Unsaid, Ursula")
    page.wait_for_selector("text=Phantom, Theodora")
