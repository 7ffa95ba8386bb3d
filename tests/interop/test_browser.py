"""A person at a browser: signs in, finds a study, reads the API's description."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.interop.browser import FLAGS, sign_in
from tests.interop.conftest import Site
from tests.interop.dcmtk import wait_for, write_study


@pytest.fixture
def page() -> Iterator[Page]:
    """A page whose scripts must raise nothing, and which asks nobody but us."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        errors: list[str] = []
        hosts: set[str | None] = set()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        yield page
        browser.close()
    assert not errors
    assert hosts <= {"127.0.0.1", None}


def test_a_study_is_found_and_opened_in_the_admin(site: Site, tmp_path: Path, page: Page) -> None:
    (dataset,) = write_study(tmp_path / "study", 1)
    answer = site.dcmtk("storescu", *site.peer, str(tmp_path / "study" / "0.dcm"))
    assert answer.returncode == 0
    wait_for(site, dataset)
    sign_in(page, site)
    page.goto(site.endpoints["admin"] + "ingestion/study/?q=" + dataset.StudyInstanceUID)
    page.click("table a >> nth=0")
    page.wait_for_load_state()
    assert dataset.StudyInstanceUID in page.content()
    assert dataset.SeriesInstanceUID in page.content()


def test_every_list_of_the_admin_opens(site: Site, page: Page) -> None:
    sign_in(page, site)
    links = {
        link.get_attribute("href") or "" for link in page.query_selector_all("a[href^='/admin/']")
    }
    lists = {href for href in links if href.count("/") == 4}
    assert len(lists) >= 10
    for href in sorted(lists):
        answer = page.goto(urlsplit(site.endpoints["admin"])._replace(path=href).geturl())
        assert answer is not None
        assert answer.status == 200, href


def test_the_api_describes_itself(site: Site, page: Page) -> None:
    page.goto(site.endpoints["dicomweb"].removesuffix("/dicomweb") + "/api/docs")
    page.wait_for_selector("text=/studies")
