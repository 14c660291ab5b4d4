"""Certified confidence end to end: a real classifier as upstream, outcomes, a certificate, and what passes by it."""

import json
import math
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import urllib3

from metrics.health.confidence.certify import Plan, certify
from policy import binomial
from policy.load import load_tree
from tests.classifier import LABELS, Classifier, Text, write
from tests.e2e.wire import completion
from tests.product import KEY, ROOT, SLUICE, Product, running_product
from tests.upstream import Received, Step, Upstream, reply, running_upstream

pytestmark = pytest.mark.timeout(240)
ALPHA, DELTA, LOOK, LATER = 0.12, 0.10, 300, 150
POLICY = f"""
policy: default
schema: 1
owner: o@example.com
delivery: buffered
redaction: {{names: off}}
confidence:
  scorers: [{{kind: logprob, measure: mean}}]
  bands: [{{at_least: certified, verdict: pass}}, {{at_least: 0, verdict: block}}]
  unscored: block
  certified: {{alpha: {ALPHA}, delta: {DELTA}, audit_rate: 0.2, audit_deadline: 1d, looks: [{LOOK}]}}
"""


@pytest.fixture(scope="module")
def model() -> Classifier:
    chance = random.Random(11)
    return Classifier([write(chance) for _ in range(600)])


@pytest.fixture(scope="module")
def upstream(model: Classifier) -> Iterator[Upstream]:
    """Serves the classifier over OpenAI's wire; the one token of an answer carries its true log-probability."""

    def answer(request: Received) -> list[Step]:
        if request.method != "POST":
            return reply({"object": "list", "data": [{"id": "classifier-1", "object": "model"}]})
        found = model.probabilities(request.json["messages"][-1]["content"])
        label = max(found, key=lambda each: found[each])
        top = [{"token": each, "logprob": math.log(found[each]), "bytes": None} for each in LABELS]
        entry = {"token": label, "logprob": math.log(found[label]), "bytes": None, "top_logprobs": top}
        body = completion({"content": label}, model="classifier-1")
        body["choices"][0]["logprobs"] = {"content": [entry]} if request.json.get("logprobs") else None
        return reply(body)

    with running_upstream() as running:
        running.default = answer
        yield running


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp("certified")
    (folder / "policies").mkdir()
    (folder / "policies/default.yaml").write_text(POLICY)
    shutil.copy(ROOT / "policies/providers.yaml", folder / "policies")
    with running_product(
        folder, "--no-dashboard", "--no-worker", policies=folder / "policies", seen_at=upstream.port
    ) as running:
        yield running


class Caller:
    """Asks through the gateway and tells what became of the answers."""

    def __init__(self, product: Product, model: Classifier) -> None:
        self._http, self._url, self._model = urllib3.PoolManager(maxsize=8), product.base_url, model
        self._headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}

    def ask(self, text: Text) -> tuple[str, bool]:
        """Send a text; return the call's id, and whether the answer came through."""
        messages = [{"role": "user", "content": text.words}]
        body = json.dumps({"model": "classifier-1", "messages": messages})
        answer = self._http.request("POST", f"{self._url}/chat/completions", body=body, headers=self._headers)
        assert answer.status in (200, 403), answer.data
        if answer.status == 200:
            assert answer.json()["choices"][0]["message"]["content"] in LABELS
            assert answer.json()["choices"][0].get("logprobs") is None
        return answer.headers["x-sluice-call-id"], answer.status == 200

    def go_on(self, texts: list[Text]) -> list[tuple[str, bool]]:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(self.ask, texts))

    def wrong(self, text: Text) -> bool:
        return self._model.answer(text.words)[0] != text.label

    def report(self, calls: list[str], texts: list[Text]) -> None:
        outcomes = [
            {"id": f"o-{call}", "call_id": call, "metric": "success", "value": not self.wrong(text), "source": "system"}
            for call, text in zip(calls, texts, strict=True)
        ]
        sent = json.dumps({"outcomes": outcomes})
        answer = self._http.request("POST", f"{self._url}/outcomes", body=sent, headers=self._headers)
        assert answer.status == 200, answer.data


def fitted(product: Product) -> str:
    """Fit as soon as the recorder knows all outcomes."""
    words = [str(SLUICE), "confidence", "fit", "default"]
    for _ in range(30):
        done = subprocess.run(words, env=product.environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            return done.stdout
        time.sleep(0.5)
    raise AssertionError(done.stdout + done.stderr)


def in_force(product: Product, name: str) -> None:
    for _ in range(100):
        if name in product.sluice("confidence", "show") and _snapshot(product) == load_tree(_policies(product)).sha256:
            return
        time.sleep(0.1)
    raise AssertionError("the certificate did not come in force")


def _policies(product: Product) -> Path:
    return Path(product.environment["SLUICE_POLICIES"])


def _snapshot(product: Product) -> Any:
    answer = urllib3.PoolManager().request("GET", f"http://127.0.0.1:{product.port}/status")
    return (answer.json().get("policy") or {}).get("snapshot")


def test_what_passes_by_a_certificate_is_as_good_as_it_says(product: Product, model: Classifier) -> None:
    chance, caller = random.Random(12), Caller(product, model)
    texts = [write(chance) for _ in range(LOOK + LATER)]
    first = caller.go_on(texts[:LOOK])
    assert not any(passed for _, passed in first)  # nothing is certified, so nothing passes
    caller.report([call for call, _ in first], texts[:LOOK])
    said = fitted(product)
    assert f"at most {ALPHA:.1%} of them are wrong" in said
    [made] = load_tree(_policies(product)).certificates.by_key.values()
    assert made.sample.n == LOOK
    assert made.sample.unanswered == 0
    assert made.sample.errors == sum(caller.wrong(text) for text in texts[:LOOK])
    in_force(product, made.certificate)
    time.sleep(1)  # within which every worker has the new policies
    later = caller.go_on(texts[LOOK:])
    for (call, passed), text in zip(later, texts[LOOK:], strict=True):
        assert passed == (model.answer(text.words)[1] >= made.threshold), call
    passed_wrong = [caller.wrong(text) for (_, passed), text in zip(later, texts[LOOK:], strict=True) if passed]
    assert len(passed_wrong) > LATER * made.coverage / 2
    assert binomial.cdf(len(passed_wrong) - sum(passed_wrong), len(passed_wrong), 1 - ALPHA) > 0.001
    why = product.sluice("confidence", "explain", later[0][0])
    assert made.certificate in why


def test_over_many_redraws_the_promise_is_kept(model: Classifier) -> None:
    """The redraws run on the classifier's own probabilities, which the test above saw the gateway judge by."""
    chance = random.Random(13)
    texts = [write(chance) for _ in range(20_000)]
    found = [model.answer(text.words) for text in texts]
    scores = np.array([probability for _, probability in found])
    errors = np.array([label != text.label for (label, _), text in zip(found, texts, strict=True)])
    rng, plan = np.random.default_rng(14), Plan(ALPHA, DELTA, (100, LOOK))
    broken = certified = 0
    for _ in range(200):
        drawn = rng.integers(0, len(texts), LOOK)
        threshold = certify(scores[drawn], errors[drawn], plan, LOOK).threshold
        if threshold is not None:
            certified += 1
            broken += errors[scores >= threshold].mean() > ALPHA
    assert certified > 100
    # The 99 % lower bound of the violation rate is at most delta unless so many are this unlikely.
    assert 1 - binomial.cdf(broken - 1, 200, DELTA) > 0.01
