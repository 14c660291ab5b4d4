"""Photograph dashboard pages, whole, in a real browser: `python tools/screenshots.py LINK FOLDER [PAGE ...]`."""

import io
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import click
from PIL import Image
from playwright.sync_api import Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
PAGES = (  # of the demo; the settings without folders of this machine
    "", "automations", "quality", "cost", "latency", "leverage", "overview?range=Last+28+days", "reviews?state=All",
    "runs?run=demo-005115", "calls?range=Last+28+days", "policies?range=Last+28+days", "certificates", "trust",
    "settings?search=seconds",
)  # fmt: skip
WINDOW = 900


def settled(page: Page) -> None:
    """Wait until Streamlit has finished a run and its charts are drawn."""
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']", timeout=60_000)
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')", timeout=60_000)
    page.wait_for_timeout(1500)


def whole(page: Page, width: int) -> bytes:
    """Make the window as tall as what the page scrolls, and photograph it."""
    page.set_viewport_size({"width": width, "height": WINDOW})
    page.wait_for_timeout(300)
    height = page.evaluate(
        "Math.max(...[...document.querySelectorAll('[data-testid=stMain]')].map(e => e.scrollHeight))"
    )
    page.set_viewport_size({"width": width, "height": max(WINDOW, int(height))})
    page.wait_for_timeout(800)
    return page.screenshot()


def kept(picture: bytes, path: Path) -> None:
    """Write a picture with 256 colours: less than half the size, and nobody sees a difference."""
    few = Image.open(io.BytesIO(picture)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


@click.command()
@click.argument("link")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.argument("pages", nargs=-1)
@click.option("--width", default=1280, show_default=True)
@click.option("--scheme", type=click.Choice(["light", "dark"]), default="light", show_default=True)
def main(link: str, folder: Path, pages: tuple[str, ...], width: int, scheme: Literal["light", "dark"]) -> None:
    """Sign in once and photograph each page."""
    base = "{0.scheme}://{0.netloc}".format(urlsplit(link))
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": WINDOW}, color_scheme=scheme)
        page.goto(link)
        settled(page)
        for asked in pages or PAGES:
            page.goto(f"{base}/{asked}")
            settled(page)
            name = asked.partition("?")[0] or "review"
            kept(whole(page, width), folder / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
