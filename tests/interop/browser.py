"""What tests in Chromium share: how it is started, and how a person signs in."""

from playwright.sync_api import Page

from tests.interop.conftest import Site

# A person's machine may be offline, and so is this browser.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def sign_in(page: Page, site: Site) -> None:
    page.goto(site.endpoints["admin"])
    page.fill("input[name=username]", site.endpoints["admin_user"])
    page.fill("input[name=password]", site.endpoints["admin_password"])
    page.click("button[type=submit]")
    page.wait_for_selector("text=Studies")
