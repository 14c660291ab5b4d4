"""The product as a stranger meets it: `sluice up`, an unchanged client, the ledger, the CLI, and a real browser."""

import json
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import openai
import pytest
from playwright.sync_api import Page, sync_playwright

from tests.e2e.seeded import CALLS, last_week, seed
from tests.product import KEY, Product, running_product

pytestmark = pytest.mark.timeout(240)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: the pages were not tried in a browser"
)
SECRET = "maria.schneider@example.com"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("product")
    seed(folder / "data", datetime.now(UTC))
    with running_product(folder) as running:
        yield running


@pytest.fixture(scope="module")
def call_id(product: Product) -> str:
    """One governed call by an unchanged client."""
    client = openai.OpenAI(base_url=product.base_url, api_key=KEY, max_retries=0)
    labels = {"x-sluice-run-id": "run-7", "x-sluice-step": "classify"}
    text = f"Please write to {SECRET} about the late parcel. Categories: billing, delivery."
    answer = client.chat.completions.with_raw_response.create(
        model="simulated-small", messages=[{"role": "user", "content": text}], extra_headers=labels
    )
    assert answer.headers["x-sluice-simulated"] == "true"
    return str(answer.headers["x-sluice-call-id"])


def shown(product: Product, call_id: str) -> dict[str, object]:
    """The call as the CLI shows it, once the recorder has it."""
    for _ in range(50):
        rows = json.loads(product.sluice("calls", "list", "--json"))
        if call_id in json.dumps(rows):
            break
        time.sleep(0.1)
    found = json.loads(product.sluice("calls", "show", call_id, "--json"))
    assert isinstance(found, dict)
    return found


def test_a_call_is_in_the_ledger_with_its_facts(product: Product, call_id: str) -> None:
    text = json.dumps(shown(product, call_id))
    for fact in ("simulated-small", "EMAIL_ADDRESS", '"run-7"', '"classify"', "default"):
        assert fact in text


def test_streams_say_what_whole_answers_say(product: Product) -> None:
    client = openai.OpenAI(base_url=product.base_url, api_key=KEY, max_retries=0)
    messages: Any = [{"role": "user", "content": f"Repeat this address: {SECRET}"}]
    whole = client.chat.completions.create(model="simulated-small", messages=messages, seed=5, temperature=0)
    stream = client.chat.completions.create(
        model="simulated-small",
        messages=messages,
        seed=5,
        temperature=0,
        stream=True,
    )
    parts = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(parts) == whole.choices[0].message.content


def test_no_byte_of_a_value_is_on_disk(product: Product, call_id: str) -> None:
    shown(product, call_id)
    hits = [path for path in product.data.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert not hits


@pytest.fixture(scope="module")
def page(product: Product) -> Iterator[Page]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tab = browser.new_page(viewport={"width": 1440, "height": 1400})
        tab.goto(product.sign_in_link())
        settled(tab)
        yield tab
        browser.close()


def settled(page: Page) -> None:
    page.wait_for_selector("[data-testid='stApp'][data-test-script-state='notRunning']", timeout=60_000)


@needs_browser
def test_the_dashboard_is_closed_without_signing_in(product: Product) -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{product.dashboard}/calls")
        assert page.url.endswith("/sign-in")
        assert "Sign in" in page.content()
        page.fill("input[name=email]", "nobody@example.com")
        page.fill("input[name=password]", "wrong-password")
        page.click("button")
        assert page.get_by_role("alert").is_visible()
        browser.close()


@needs_browser
def test_the_overview_shows_the_call_and_says_that_it_was_simulated(product: Product, call_id: str, page: Page) -> None:
    shown(product, call_id)
    page.goto(f"http://127.0.0.1:{product.dashboard}/overview")
    settled(page)
    page.get_by_text("simulated provider").first.wait_for()
    page.get_by_text("Calls by verdict").wait_for()
    assert page.get_by_test_id("stVegaLiteChart").count() >= 3
    assert page.get_by_test_id("stException").all_inner_texts() == []


@needs_browser
def test_a_call_opens_by_its_address(product: Product, call_id: str, page: Page) -> None:
    shown(product, call_id)
    page.goto(f"http://127.0.0.1:{product.dashboard}/calls?call={call_id}")
    settled(page)
    page.get_by_text(f"Call {call_id}").wait_for()
    page.get_by_text("Stages").first.wait_for()
    assert page.get_by_test_id("stException").all_inner_texts() == []


@needs_browser
def test_the_trust_page_shows_tree_anchors_and_findings(product: Product, call_id: str, page: Page) -> None:
    shown(product, call_id)
    page.goto(f"http://127.0.0.1:{product.dashboard}/trust?about=Exports")
    settled(page)
    page.get_by_text("Can the record be proved?").wait_for()
    page.get_by_text("Nowhere. Whoever may write the data folder").wait_for()
    page.get_by_text("Answers come from the simulated provider").wait_for()
    page.get_by_text("No export lies here").wait_for()
    assert page.get_by_test_id("stException").all_inner_texts() == []


@needs_browser
def test_a_week_is_reviewed_from_a_mover_to_a_call_and_an_action(product: Product, page: Page) -> None:
    week = last_week(datetime.now(UTC))
    page.goto(f"http://127.0.0.1:{product.dashboard}/")
    settled(page)
    page.get_by_role("button", name=f"Freeze {week}").click()
    page.get_by_text(f"The review of {week} is being built").wait_for()
    for _ in range(40):
        if week in product.sluice("review", "list") and "building" not in product.sluice("review", "list"):
            break
    page.goto(f"http://127.0.0.1:{product.dashboard}/?week={week}")
    page.get_by_role("heading", name=f"Automation health, week {week}").wait_for()
    mover = page.get_by_role("listitem").filter(has_text="worse: drafting: task success fell from")
    assert "prompt draft went from version 3 to version 4" in mover.inner_text()
    calls = str(mover.get_by_role("link", name="Calls").get_attribute("href"))

    page.get_by_label("What", exact=True).fill("Go back to version 3")
    page.get_by_label("Owner", exact=True).fill("ann")
    page.get_by_role("button", name="Enter", exact=True).click()
    page.get_by_role("button", name="Done", exact=True).wait_for()
    assert "Go back to version 3 | ann" in product.sluice("review", "show", week)

    page.goto(f"http://127.0.0.1:{product.dashboard}/{calls}")
    settled(page)
    page.get_by_test_id("stDataFrame").first.click(position={"x": 12, "y": 52})
    page.get_by_role("heading", name=f"Call call_seeded_{CALLS - 1}").wait_for()
    assert page.get_by_test_id("stException").all_inner_texts() == []


@needs_browser
def test_a_held_draft_is_approved(product: Product, page: Page) -> None:
    bound = ("--automation", "support-drafting", "--team", "support", "--environment", "production")
    key = json.loads(product.sluice("keys", "create", "--name", "drafts", *bound, "--json"))["key"]
    client = openai.OpenAI(base_url=product.base_url, api_key=key, max_retries=0)
    question = [{"role": "user", "content": "Where is my parcel?"}]
    with pytest.raises(openai.APIStatusError) as held:
        client.chat.completions.create(model="simulated-large", messages=question)  # type: ignore[arg-type]
    review = held.value.response.headers["x-sluice-review-id"]
    page.goto(f"http://127.0.0.1:{product.dashboard}/reviews?automation=support-drafting&review={review}")
    settled(page)
    page.get_by_role("button", name="Approve").click()
    page.get_by_text("Nothing waits for a reviewer.").wait_for()
    page.goto(f"http://127.0.0.1:{product.dashboard}/reviews?state=All&review={review}")
    page.get_by_text("approved by").wait_for()


@needs_browser
def test_no_page_talks_to_another_host(product: Product, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"http://127.0.0.1:{product.dashboard}/calls")
    settled(page)
    assert asked
    assert not [url for url in asked if "127.0.0.1" not in url and not url.startswith(("data:", "blob:"))]


@needs_browser
def test_every_page_keeps_to_its_content_policy(product: Product, page: Page) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    links = page.get_by_test_id("stSidebarNavLink")
    for address in [str(link.get_attribute("href")) for link in links.all()]:
        answer = page.goto(address)
        settled(page)
        assert answer is not None
        assert "connect-src 'self';" in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
    assert links.count() >= 5
    assert not [text for text in said if "Content Security Policy" in text]


@needs_browser
def test_a_sign_in_link_works_once(product: Product, page: Page) -> None:
    fresh = page.context.browser
    assert fresh is not None
    other = fresh.new_context().new_page()
    other.goto(product.sign_in_link())
    assert other.get_by_role("alert").is_visible()
