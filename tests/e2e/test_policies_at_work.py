"""Policies under real workers: a budget in a race and through a SIGKILL, and a pull request from replay to reload."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.product import KEY, ROOT, Product, running_product

pytestmark = pytest.mark.timeout(240)
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
CAP_USD = 0.002
POLICY = """
policy: default
schema: 1
owner: tests@example.com
redaction: {names: "off"}
delivery: buffered
confidence:
  scorers: [{kind: expression, expression: "size(text) > 0 ? 0.7 : 0.0"}]
  bands: [{at_least: 0.8, verdict: pass}, {at_least: 0, verdict: block}]
  unscored: block
routing: {candidates: [{model: simulated-small}]}
"""
LOWER = POLICY.replace("simulated-small", "simulated-large").replace("0.8", "0.6")
BUDGET = f"budget: {{rules: [{{period: month, usd: {CAP_USD}}}]}}\n"


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository") / "policies"
    folder.mkdir()
    for name in ("providers.yaml", "prices.yaml"):
        shutil.copy(ROOT / "policies" / name, folder)
    (folder / "default.yaml").write_text(POLICY)
    return folder


@pytest.fixture(scope="module")
def product(policies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running_product(
        tmp_path_factory.mktemp("product"), "--no-dashboard", "--workers", "4", policies=policies
    ) as running:
        yield running


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def status(product: Product) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{product.port}/status", timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def in_force(product: Product, other_than: str | None) -> str:
    """Wait until every worker has the same snapshot, another one than before."""
    for _ in range(200):
        snapshots = {worker["snapshot"] for worker in status(product)["workers"]}
        if len(snapshots) == 1 and snapshots != {other_than}:
            return str(snapshots.pop())
        time.sleep(0.05)
    raise AssertionError(status(product))


async def ask(product: Product, count: int, **body: Any) -> Counter[int]:
    """Make many calls at once; a connection that a killed worker took along counts as 0."""
    statuses: Counter[int] = Counter()

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        content = f"Say something about parcel {number}."
        request = {"model": "any", "max_tokens": 40, "messages": [{"role": "user", "content": content}]} | body
        try:
            async with session.post(f"{product.base_url}/chat/completions", json=request) as answer:
                await answer.read()
                statuses[answer.status] += 1
        except aiohttp.ClientError:
            statuses[0] += 1

    timeout = aiohttp.ClientTimeout(total=60)
    connector = aiohttp.TCPConnector(limit=0)
    headers = {"authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:
        await asyncio.gather(*(one(session, number) for number in range(count)))
    return statuses


def calls(product: Product, at_least: int, model: str | None = None) -> list[dict[str, Any]]:
    """Return the recorded calls, or those that asked for a model, waiting for that many."""
    found: list[dict[str, Any]] = []
    for _ in range(100):
        listed = json.loads(product.sluice("calls", "list", "--limit", "5000", "--json"))
        found = [call for call in listed if model in (None, call["model_requested"])]
        if len(found) >= at_least:
            break
        time.sleep(0.1)
    return found


@needs_git
def test_a_pull_request_from_replay_to_reload(product: Product, policies: Path) -> None:
    git(policies.parent, "init", "-q")
    git(policies.parent, "add", ".")
    git(policies.parent, "commit", "-qm", "first")
    before = in_force(product, None)
    assert asyncio.run(ask(product, 20)) == {403: 20}  # every answer scores 0.7, and 0.8 is asked for
    assert len(calls(product, 20)) == 20
    quiet = product.sluice("policy", "replay", "HEAD", "--since", "1h")
    assert "20 calls" in quiet
    assert "0 would go otherwise; cost +0.0%; 0 more refused, 0 more held." in quiet

    git(policies.parent, "checkout", "-qb", "larger")
    candidate = policies.parent / "candidate"
    shutil.copytree(policies, candidate)
    (candidate / "default.yaml").write_text(LOWER + "retention: {content: 10d}\n")
    command = ["policy", "replay", str(candidate), "--since", "1h", "--json", "--save", "--max-cost-increase", "10000%"]
    report = json.loads(product.sluice(*command))
    effects = {(each["what"], each["after"]): each["calls"] for each in report["automations"]["default"]["effects"]}
    assert effects == {("route", "simulated-large"): 20, ("verdict", "pass"): 20, ("retention", "content 10d"): 20}
    assert report["cost_increase"] > 5
    with pytest.raises(AssertionError):
        product.sluice(*[word for word in command[:-1] if word != "--save"], "5%")

    shutil.copy(candidate / "default.yaml", policies / "default.yaml")
    after = in_force(product, before)
    assert asyncio.run(ask(product, 5)) == {200: 5}
    now = [call for call in calls(product, 25) if call["model_answered"] == "simulated-large"]
    assert len(now) == 5
    assert after != before
    unpriced = product.sluice("prices", "check")
    assert "Every call has a price." in unpriced


def test_a_budget_holds_in_a_race_and_through_a_kill(product: Product, policies: Path) -> None:
    known = len(calls(product, 0))
    before = in_force(product, None)
    (policies / "default.yaml").write_text(LOWER + BUDGET)
    in_force(product, before)
    spent_before = sum(call["cost_usd"] or 0 for call in calls(product, known))

    async def race() -> Counter[int]:
        asking = asyncio.create_task(ask(product, 400))
        await asyncio.sleep(0.5)
        os.kill(status(product)["workers"][0]["pid"], signal.SIGKILL)
        return await asking

    statuses = asyncio.run(race())
    found = calls(product, known + statuses[200] + statuses[429])
    spent = sum(call["cost_usd"] or 0 for call in found) - spent_before
    assert 0 < spent <= CAP_USD
    assert statuses[429] > 0
    refused = [call for call in found if call["error_code"] == "budget_exceeded"]
    assert len(refused) == statuses[429]
    held = asyncio.run(ask(product, 20))
    assert set(held) <= {200, 429}


def test_a_shadow_answers_nobody_and_is_compared(product: Product, policies: Path) -> None:
    rules = "routing: {rules: [{candidates: [{model: simulated-small}], shadow: {model: simulated-large, share: 1.0}}]}"
    before = in_force(product, None)
    plain = LOWER.replace("routing: {candidates: [{model: simulated-large}]}", rules)
    (policies / "default.yaml").write_text(plain)
    in_force(product, before)
    assert asyncio.run(ask(product, 1, model="shadowed")) == {200: 1}
    (call,) = calls(product, 1, "shadowed")
    assert call["model_answered"] == "simulated-small"
    shown = ""
    for _ in range(100):
        with suppress(AssertionError):  # the copy is made, sealed and read a moment after the call
            shown = product.sluice("calls", "shadow", call["call_id"])
            break
        time.sleep(0.1)
    assert "+++ shadow" in shown or "Both say the same" in shown
