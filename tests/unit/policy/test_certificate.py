"""Certificates: what the loader refuses, what passes by one, and the audit coin."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import binomial
from policy.blocks_output import Certified
from policy.certificate import Certificate, CertificateKey, Certificates, audit_coin, certificate_key
from policy.diff import diff
from policy.load import load_tree
from policy.model import Facts, Policy
from policy.snapshot import Snapshot
from tests.unit.policy.certificates import POLICY, certificate, store
from tests.unit.policy.trees import problems, write

NOW = datetime(2026, 12, 1, tzinfo=UTC)
ASKED = Certified(alpha=0.05, audit_deadline=timedelta(days=2))
KEY = CertificateKey("default", "triage", "prompt", "sort@2", "m-1", "0" * 12, "1" * 12)
HELD = Certificates.of([Certificate.model_validate(certificate())])


def test_a_certificate_stands_in_the_snapshot_and_in_a_diff(tmp_path: Path) -> None:
    before = load_tree(write(tmp_path, a=""))
    after = load_tree(store(tmp_path, certificate()))
    assert after.certificates.by_key[KEY].threshold == 0.8
    assert Snapshot.from_bytes(after.to_bytes()).certificates == after.certificates
    assert [str(change)[:39] for change in diff(before, after)] == ["certificates: triage-1 added: {certific"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threshold": 0.5}, "must be that of the last test"),
        ({"tests": [{"threshold": 0.8, "passed": 90, "errors": 9, "p_value": 0.01}]}, "does not show the guarantee"),
        ({"look": {"planned": [100], "used": [300], "delta": 0.06}}, "spends more than was planned"),
        ({"look": {"planned": [100], "used": [100], "delta": 0.2}}, "spends more than was planned"),
        ({"expires": "2026-11-20T00:00:00Z"}, "must be after"),
        ({"expires": "2026-11-20"}, "expires"),
        ({"surprise": 1}, "unknown key"),
    ],
)
def test_a_certificate_that_does_not_show_what_it_says_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    found = problems(store(write(tmp_path, a=""), certificate(**changes)))
    assert len(found) == 1
    assert said in found[0]
    assert found[0].startswith("certificates/triage-1.yaml:1:")


def test_one_key_has_one_certificate(tmp_path: Path) -> None:
    tree = store(write(tmp_path, a=""), certificate())
    assert "for the same key" in problems(store(tree, certificate(certificate="triage-2"), "triage-2"))[0]
    other = certificate(key={"model": "m-2"})
    assert "rename this file to triage-1.yaml" in problems(store(tree, other, "triage-2"))[0]


def test_passes_at_the_threshold_and_only_while_it_holds() -> None:
    def standing(score: float, *, withdrawn: frozenset[str] = frozenset(), now: datetime = NOW, **asked: Any) -> Any:
        return HELD.standing(KEY, score, ASKED.model_copy(update=asked), withdrawn, now)

    passed = standing(0.8)
    assert (passed.passes, passed.reason, passed.threshold, passed.rate) == (True, "certified", 0.8, 0.1)
    assert passed.window == "triage-1/0.1"
    assert passed.probability == pytest.approx(0.7 + 2 / 3 * 0.29)
    assert (standing(0.79).passes, standing(0.79).reason, standing(0.79).rate) == (False, "below", 0.1)
    for found, reason in [
        (standing(1.0, withdrawn=frozenset({"triage-1"})), "withdrawn"),
        (standing(1.0, now=datetime(2027, 2, 21, tzinfo=UTC)), "expired"),
        (standing(1.0, alpha=0.04), "weaker"),
        (standing(1.0, delta=0.05), "weaker"),
    ]:
        assert (found.passes, found.reason, found.threshold, found.rate) == (False, reason, None, 1.0)
        assert found.window == f"triage-1.{reason}/1"


@pytest.mark.parametrize("part", CertificateKey._fields)
def test_other_traffic_is_not_certified(part: str) -> None:
    found = HELD.standing(KEY._replace(**{part: "other"}), 1.0, ASKED, (), NOW)
    assert (found.passes, found.reason, found.window, found.rate) == (False, "absent", "none/1", 1.0)


def test_the_key_moves_with_what_shapes_an_output_and_with_nothing_else() -> None:
    def key(**blocks: Any) -> CertificateKey:
        policy = Policy.model_validate(POLICY | blocks)
        return certificate_key(policy, Facts("acme", automation="x"), "prompt", "p@1", "m")

    before, confidence = key(), POLICY["confidence"]
    laxer = confidence | {"certified": {"alpha": 0.1, "audit_deadline": "3d"}}
    assert key(confidence=laxer, retention={"content": "1d"}, hold={"deadline": "2d", "queue": "r"}) == before
    assert key(redaction={"names": "strict"}).policy != before.policy
    other = confidence | {"scorers": [{"kind": "logprob", "measure": "margin"}]}
    assert key(confidence=other).scorer != before.scorer


def test_the_record_holds_what_a_fit_needs() -> None:
    standing = HELD.standing(KEY, 0.9, ASKED, (), NOW)
    assert standing.record(KEY, ASKED, drawn=True) == {
        "rate": 0.1, "drawn": True, "window": "triage-1/0.1", "deadline_s": 172800, "certificate": "triage-1",
        "reason": "certified", "probability": 0.99, "prompt": "sort@2", "model": "m-1", "scorer": "0" * 12,
        "policy": "1" * 12,
    }  # fmt: skip


def test_the_coin_falls_as_often_as_its_rate_and_always_the_same() -> None:
    calls = [f"call_{n:x}" for n in range(4000)]
    heads = [audit_coin(b"secret", call, 0.1) for call in calls]
    assert abs(sum(heads) - 400) < 100
    assert heads == [audit_coin(b"secret", call, 0.1) for call in calls]
    assert heads != [audit_coin(b"other", call, 0.1) for call in calls]
    assert all(audit_coin(b"secret", call, 1.0) for call in calls)
    assert not any(audit_coin(b"secret", call, 0.0) for call in calls)


@given(st.integers(1, 400), st.floats(0.01, 0.5), st.data())
def test_binomial_probabilities_are_exact(trials: int, share: float, data: st.DataObject) -> None:
    errors = data.draw(st.integers(0, trials))
    terms = (math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(errors + 1))
    assert binomial.cdf(errors, trials, share) == pytest.approx(min(1.0, math.fsum(terms)), rel=1e-9, abs=1e-300)
