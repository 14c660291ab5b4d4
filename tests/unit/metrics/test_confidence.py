"""Calibration, certification and the watch: what an operator may rely on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.campaign_confidence import WORLDS, Truth, allowed, cells, review_bias, wrongs
from metrics.health.confidence.calibrate import calibration_error, isotonic, reliability
from metrics.health.confidence.certify import Plan, certify, outlook
from metrics.health.confidence.fit import NotYet, Signature, fit
from metrics.health.confidence.sample import Stretch, stretches
from metrics.health.confidence.watch import wealth
from policy.blocks_output import Certified
from policy.certificate import Certificate, CertificateKey

PLAN = Plan(0.05, 0.1, (100, 300, 1000, 3000))
KEY = CertificateKey("default", "triage", None, None, "m", "0" * 12, "1" * 12)
ASKED = Certified(alpha=0.05, audit_deadline=timedelta(days=2))
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def rows(n: int, *, error_rate: float, window: str = "none/1", seed: int = 0, **more: Any) -> list[dict[str, Any]]:
    """Rows as the question `audited` gives them: high scores are right, low scores are wrong."""
    rng = np.random.default_rng(seed)
    scores = rng.random(n)
    errors = np.where(scores > 0.5, rng.random(n) < error_rate / 10, rng.random(n) < 2 * error_rate)
    row: dict[str, Any] = {"step": None, "prompt": None, "model": "m", "scorer": "0" * 12, "policy": "1" * 12}
    row |= {"window": window, "rate": 1.0, "certificate": None, "reason": "absent", "automation": "triage"}
    return [
        row
        | {"call_id": f"call_{i:x}", "end_us": i * 10**6, "deadline_us": 10**15, "score": float(s), "error": bool(e)}
        | more
        for i, (s, e) in enumerate(zip(scores, errors, strict=True))
    ]


def stretch(n: int, **how: Any) -> Stretch:
    [found] = stretches(rows(n, **how), "default")
    return found


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_calibration_rises_and_stays_between_0_and_1(outcomes: list[tuple[float, bool]]) -> None:
    scores, correct = np.array([s for s, _ in outcomes]), np.array([c for _, c in outcomes])
    curve = isotonic(scores, correct)
    found = curve.at(np.linspace(0, 1, 30))
    assert (np.diff(found) >= -1e-12).all()
    assert found.min() > 0
    assert found.max() < 1


def test_a_calibrated_score_agrees_with_what_is_observed_on_other_outcomes() -> None:
    rng = np.random.default_rng(1)
    scores = rng.random(8000)
    correct = rng.random(8000) < scores**3  # overconfident
    bins = reliability(isotonic(scores[:4000], correct[:4000]), scores[4000:], correct[4000:])
    assert calibration_error(bins) < 0.03
    assert sum(each.n for each in bins) == 4000


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_the_promise_is_kept_in_every_world_and_at_every_look(world: Any) -> None:
    found = cells(world, Truth(world, 5), 60, 6)
    assert [cell for cell in found if cell.broken / cell.draws > allowed(60)] == []
    assert world is not WORLDS[0] or list(wrongs(world, Truth(world, 5), found)) == []


def test_audits_are_unbiased_and_reviews_of_held_outputs_are_not() -> None:
    (_, held, error), (_, audited, own_error) = review_bias(WORLDS[0], Truth(WORLDS[0], 5), 60, 6)
    assert held > 10 * error
    assert abs(audited) < 4 * own_error


def test_looks_spend_delta_once() -> None:
    assert sum(PLAN.spent_at(look) for look in PLAN.looks) == pytest.approx(0.1)
    assert (PLAN.reached(99), PLAN.reached(1500)) == ((), (100, 300, 1000))


def test_only_the_outcomes_of_the_look_count() -> None:
    scores, errors = WORLDS[0].draw(np.random.default_rng(3), 3000)
    longer = certify(scores, errors, PLAN, 1000)
    assert certify(scores[:1000], errors[:1000], PLAN, 1000) == longer


@given(st.integers(0, 2**32 - 1), st.integers(0, 299))
def test_one_more_error_never_lets_more_pass(seed: int, at: int) -> None:
    scores, errors = WORLDS[0].draw(np.random.default_rng(seed), 300)
    errors[at if at >= 60 else 60] = False
    worse = errors.copy()
    worse[at if at >= 60 else 60] = True
    before, after = (certify(scores, each, Plan(0.1, 0.1, (300,)), 300).threshold for each in (errors, worse))
    assert after is None or (before is not None and before <= after)


def test_a_certificate_says_where_it_is_from_and_is_accepted_by_the_loader() -> None:
    made = fit(stretch(320, error_rate=0.04), ASKED, Signature("o@example.com", NOW))
    assert isinstance(made, Certificate)
    assert (made.sample.n, made.sample.calibration, made.look.used) == (300, 60, (100, 300))
    assert made.threshold == made.tests[-1].threshold
    assert 0.4 < made.coverage <= 1
    assert made.of() == KEY
    assert made.expires == NOW + timedelta(days=90)
    assert made.calibration.at(0.9) > made.calibration.at(0.1)


def test_what_nobody_answered_counts_as_an_error() -> None:
    answered = fit(stretch(300, error_rate=0.04), ASKED, Signature("o@example.com", NOW))
    silent = fit(stretch(300, error_rate=0.04, error=None), ASKED, Signature("o@example.com", NOW))
    assert isinstance(answered, Certificate)
    assert isinstance(silent, NotYet)
    assert silent.finding is not None
    assert silent.finding.errors == 300


def test_not_yet_says_how_many_more_outcomes_are_needed() -> None:
    few = fit(stretch(50, error_rate=0), ASKED, Signature("o@example.com", NOW))
    assert isinstance(few, NotYet)
    assert few.finding is None
    # At the look of 300, delta is 0.1 * 300 / 4400: 98 outcomes without an error must pass after those that calibrate.
    assert few.if_no_error.look == 300
    assert few.if_no_error.more is not None
    assert 70 <= few.if_no_error.more <= 80
    bad = fit(stretch(300, error_rate=0.5), ASKED, Signature("o@example.com", NOW))
    assert isinstance(bad, NotYet)
    assert bad.at_this_rate.more is None or bad.at_this_rate.more >= (bad.if_no_error.more or 0)


def test_outlooks_come_true() -> None:
    scores, errors = WORLDS[0].draw(np.random.default_rng(8), 120)
    plan = Plan(0.1, 0.1, (100, 400))
    seen = outlook(scores, errors, plan, rate=False)
    assert seen.look == 400
    more = np.random.default_rng(9).choice(scores, 400 - 120)
    assert certify(np.r_[scores, more], np.r_[errors, np.zeros(280, bool)], plan, 400).threshold is not None


def test_a_new_rate_or_certificate_starts_a_new_window() -> None:
    mixed = rows(100, error_rate=0.1) + rows(100, error_rate=0.1, window="c/0.1", rate=0.1)
    assert sorted((each.window, len(each.audits)) for each in stretches(mixed, "default")) == [
        ("c/0.1", 100), ("none/1", 100),
    ]  # fmt: skip


def test_the_watch_counts_open_audits_as_errors_only_after_their_deadline() -> None:
    open_ones = stretch(200, error_rate=0, error=None, reason="certified", deadline_us=500)
    assert not wealth(open_ones.passed_errors(499), 0.05, 0.1).withdrawn
    assert wealth(open_ones.passed_errors(501), 0.05, 0.1).withdrawn
    assert len(stretch(200, error_rate=0, reason="below").passed_errors(0)) == 0


def test_the_watch_rarely_withdraws_what_holds_and_soon_what_does_not() -> None:
    rng = np.random.default_rng(2)
    held = [wealth(rng.random(1000) < 0.05, 0.05, 0.1).withdrawn for _ in range(100)]
    lost = [wealth(rng.random(1000) < 0.15, 0.05, 0.1).crossed_at for _ in range(50)]
    assert np.mean(held) <= 0.1
    assert all(lost)
    assert np.median([each for each in lost if each]) < 100
    assert not wealth([], 0.05, 0.1).withdrawn
