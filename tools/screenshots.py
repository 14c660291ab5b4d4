"""Photograph dashboard pages in a real browser: `python tools/screenshots.py SIGN_IN_LINK OUT_DIR [PAGE ...]`."""

import sys
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


def settled(page: Page) -> None:
    """Wait until Streamlit has finished a run and its charts are drawn."""
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']", timeout=60_000)
    page.wait_for_timeout(1500)


def main(link: str, folder: Path, pages: list[str]) -> None:
    """Sign in once and photograph each page, whole."""
    base = "{0.scheme}://{0.netloc}".format(urlsplit(link))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 1500})
        page.goto(link)
        settled(page)
        for name in pages:
            page.goto(f"{base}/{name}")
            settled(page)
            page.screenshot(path=folder / f"{name.partition('?')[0] or 'review'}.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:] or ["", "calls"])
