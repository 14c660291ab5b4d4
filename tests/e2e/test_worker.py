"""Automations through the whole product: one command starts all, one run is one story in the ledger."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.local_access import LocalAccess
from gateway.settings import load
from metrics.client import RecorderClient
from tests.keyed_target import Target, keyed_target
from tests.peers import Target as Hook
from tests.peers import http_target
from tests.product import ROOT, Product, running_product

LETTERS = [
    {"id": f"l{n}", "sender": "customer-needle-7", "text": f"Dear all, please sum up letter {n}."} for n in range(3)
]
POISON = {"id": "l9", "sender": "customer-8", "text": "poison"}
TOOLS = """
policy: letters
schema: 1
owner: tests@example.com
applies_to: {automation: letters}
delivery: buffered
tools:
  default: allow
  rules: [{tool: post_letter, at: called, action: hold, when: 'arguments.to == "held@example.com"'}]
hold: {queue: letters, deadline: 1h, at_deadline: reject, reply: error}
"""


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with keyed_target() as running:
        yield running


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    with http_target() as running:
        yield running


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, target: Target, hook: Hook) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("letters")
    policies = folder / "policies"
    policies.mkdir()
    for name in ("providers.yaml", "prices.yaml"):
        (policies / name).write_bytes((ROOT / "policies" / name).read_bytes())
    (policies / "letters.yaml").write_text(TOOLS)
    (policies / "rest.yaml").write_text("policy: rest\nschema: 1\nowner: tests@example.com\n")
    more = {"SLUICE_AUTOMATIONS": str(ROOT / "tests" / "e2e" / "automations"), "LETTERS_TARGET": target.url}
    more |= {"SLUICE_NOTIFY": "webhook:OPS", "OPS": f"{hook.url}/ops", "SLUICE_WEBHOOK_HOSTS": "127.0.0.1"}
    with running_product(folder, "--no-dashboard", policies=policies, more=more) as running:
        yield running


def started(product: Product, tmp_path: Path, letters: Any) -> list[str]:
    file = tmp_path / "letters.json"
    file.write_text(json.dumps(letters))
    return [line.split()[0] for line in product.sluice("runs", "start", "letters", str(file)).splitlines()]


def runs(product: Product, *flags: str) -> dict[str, dict[str, Any]]:
    found = json.loads(product.sluice("runs", "list", "--json", *flags))
    return {each["run_id"]: each for each in found}


def until(found: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_one_run_is_one_story_in_the_ledger(product: Product, target: Target, tmp_path: Path) -> None:
    names = started(product, tmp_path, LETTERS)
    until(lambda: all(runs(product)[name]["state"] == "done" for name in names))
    assert set(target.done.values()) == {1}
    access = LocalAccess(load(product.environment, tmp_path))
    ledger = RecorderClient(f"http://127.0.0.1:{product.recorder}", access.query_token)
    until(lambda: any(each["kind"] == "run.end" for each in ledger.query("events", run=names[0]).dicts()))
    story = list(ledger.query("events", run=names[0]).dicts())
    kinds = [each["kind"] for each in sorted(story, key=lambda each: each["ts_us"])]
    assert kinds[0] == "run.queued"
    assert {"step.end", "call.begin", "call.end", "action.done", "run.end"} <= set(kinds)
    steps = {each["step"] for each in story if each["kind"] == "step.end"}
    assert steps == {"read", "sum_up", "post"}
    assert {each["automation"] for each in story} == {"letters"}


def test_the_same_letter_again_starts_nothing(product: Product, tmp_path: Path) -> None:
    first, again = started(product, tmp_path, [LETTERS[0]]), started(product, tmp_path, LETTERS[:1])
    assert first == again


def test_a_poisoned_letter_is_a_dead_letter_that_a_mended_input_brings_back(product: Product, tmp_path: Path) -> None:
    name, left = started(product, tmp_path, [POISON, POISON | {"id": "l10"}])
    until(lambda: name in runs(product, "--dead"))
    content = json.loads(product.sluice("runs", "show", name, "--content"))
    assert content["input"]["text"] == "poison"
    assert "nobody can read" in content["detail"]
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(POISON | {"text": "Hello."}))
    product.sluice("runs", "retry", name, "--input", str(mended))
    until(lambda: runs(product)[name]["state"] == "done")
    assert runs(product, "--dead").keys() == {left}


def test_an_action_that_the_policy_holds_waits_for_a_person(product: Product, target: Target, tmp_path: Path) -> None:
    before = len(target.done)
    held = {"sender": "held@example.com", "text": "Hello."}
    yes, no = started(product, tmp_path, [{"id": "h1", **held}, {"id": "h2", **held}])
    until(lambda: set(runs(product, "--state", "held")) == {yes, no})
    assert len(target.done) == before
    product.sluice("runs", "approve", yes)
    product.sluice("runs", "reject", no)
    until(lambda: runs(product)[yes]["state"] == "done" and runs(product)[no]["state"] == "cancelled")
    assert len(target.done) == before + 1


def test_a_stop_stops_actions_until_it_is_lifted(product: Product, target: Target, tmp_path: Path) -> None:
    before = len(target.done)
    product.sluice("stop", "letters")
    time.sleep(0.6)  # workers look each quarter of a second
    (name,) = started(product, tmp_path, [{"id": "s1", "sender": "a", "text": "Hello."}])
    until(lambda: runs(product)[name]["state"] == "held")  # its answer came while the stop was set
    product.sluice("start", "letters")
    assert len(target.done) == before
    product.sluice("runs", "cancel", name)
    assert runs(product)[name]["state"] == "cancelled"


def test_people_are_told_of_dead_letters_by_webhook(product: Product, hook: Hook) -> None:
    until(lambda: bool(hook.asked))
    assert {each.path for each in hook.asked} == {"/ops"}
    text = hook.asked[0].body["text"]
    assert text.startswith("*letters: dead letters*\nletters: ")
    assert "(cause: error)" in text
    assert "customer-8" not in text


def test_the_queue_tells_how_it_stands(product: Product) -> None:
    found = json.loads(product.sluice("runs", "queue", "--json"))
    assert found["automations"]["letters"]["done"] >= 4
    until(lambda: json.loads(product.sluice("runs", "queue", "--json"))["events_waiting"] == 0)
    assert found["events_refused"] == 0


def test_the_queues_file_holds_nobodys_words(product: Product) -> None:
    with sqlite3.connect(product.data / "queue.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = (product.data / "queue.db").read_bytes()
    assert b"needle" not in raw
    assert b"Dear all" not in raw
