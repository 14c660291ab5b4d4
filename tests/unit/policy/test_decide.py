"""Judging and routing: tables of what is decided, and that no input falls through."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.blocks_output import Confidence, Hold
from policy.blocks_routing import Routing, Split
from policy.decide import held_by_tool, judge
from policy.routing import Choice, Measured, Passed, Request, pick_arm, route

HOLD = Hold.model_validate({"queue": "leads", "deadline": "4h"})
LADDER: dict[str, Any] = {
    "scorers": [{"kind": "logprob"}],
    "bands": [
        {"at_least": 0.8, "verdict": "pass"},
        {"at_least": 0.5, "verdict": "hold", "queue": "seniors"},
        {"at_least": 0, "verdict": "fallback"},
    ],
    "template": "sorry",
    "unscored": "hold",
}


@pytest.mark.parametrize(
    ("score", "verdict", "rule"),
    [
        (1.0, "pass", "bands[0]"), (0.8, "pass", "bands[0]"), (0.7999, "hold", "bands[1]"), (0.5, "hold", "bands[1]"),
        (0.49, "fallback", "bands[2]"), (0.0, "fallback", "bands[2]"), (-1.0, "fallback", "bands[2]"),
        (None, "hold", "unscored"), (float("nan"), "hold", "unscored"),
    ],
)  # fmt: skip
def test_the_first_band_reached_decides(score: float | None, verdict: str, rule: str) -> None:
    found = judge(Confidence.model_validate(LADDER), HOLD, score)
    assert (found.verdict, found.would, found.rule) == (verdict, verdict, rule)


def test_a_verdict_carries_what_acting_on_it_needs() -> None:
    ladder = Confidence.model_validate(LADDER)
    held, unscored, fallback = (judge(ladder, HOLD, score) for score in (0.6, None, 0.1))
    assert (held.queue, held.deadline) == ("seniors", timedelta(hours=4))
    assert (unscored.queue, unscored.deadline) == ("leads", timedelta(hours=4))
    assert fallback.template == "sorry"


def test_observed_rules_pass_and_say_what_they_would_have_done() -> None:
    observed = judge(Confidence.model_validate(LADDER | {"enforce": "observe"}), HOLD, 0.1)
    assert (observed.verdict, observed.would) == ("pass", "fallback")
    nothing = judge(None, None, None)
    assert (nothing.verdict, nothing.would) == ("pass", "pass")


def test_a_certified_band_needs_a_certificate() -> None:
    bands = [{"at_least": "certified", "verdict": "pass"}, {"at_least": 0, "verdict": "hold"}]
    wish = LADDER | {"bands": bands, "certified": {"alpha": 0.05, "audit_deadline": "2d"}}
    ladder = Confidence.model_validate(wish)
    assert judge(ladder, HOLD, 0.99).verdict == "hold"
    assert judge(ladder, HOLD, 0.99, threshold=0.9).verdict == "pass"
    assert judge(ladder, HOLD, 0.89, threshold=0.9).verdict == "hold"


@given(st.one_of(st.none(), st.floats()), st.one_of(st.none(), st.floats(0, 1)))
def test_every_score_is_judged(score: float | None, threshold: float | None) -> None:
    assert judge(Confidence.model_validate(LADDER), HOLD, score, threshold).verdict in ("pass", "hold", "fallback")


def chosen(routing: dict[str, Any], request: Request, **known: Measured) -> Choice:
    return route(Routing.model_validate(routing), request, lambda model: known.get(model, Measured()))


def test_a_model_that_no_rule_mentions_is_left_alone() -> None:
    rules = [{"models": ["gpt-4o*"], "candidates": [{"model": "openai/gpt-4.1"}]}]
    assert chosen({"rules": rules}, Request("o3")) == Choice(("o3",), "unmatched")
    assert chosen({"rules": rules}, Request("gpt-4o-mini")).models == ("openai/gpt-4.1",)


def test_the_first_matching_rule_decides_and_observed_rules_only_leave_a_trace() -> None:
    rules = [
        {"when": "request.has_images", "candidates": [{"model": "eyes"}]},
        {"enforce": "observe", "candidates": [{"model": "trial"}]},
        {"candidates": [{"model": "main"}]},
    ]
    assert chosen({"rules": rules}, Request("m", needs=frozenset({"vision"}))).models == ("eyes",)
    plain = chosen({"rules": rules}, Request("m"))
    assert (plain.models, plain.rule, plain.observed) == (("main",), "rules[2]", ("rules[1]",))


CANDIDATES = [
    {
        "model": "small",
        "quality": 0.7,
        "latency_s": 1,
        "region": "eu",
        "capabilities": ["tools"],
        "context_tokens": 1000,
    },
    {"model": "large", "quality": 0.9, "latency_s": 4, "region": "us"},
    {"model": "local", "quality": 0.8, "latency_s": 9, "region": "eu"},
]
KNOWN = {"small": Measured(cost_usd=0.001), "large": Measured(cost_usd=0.02), "local": Measured(cost_usd=0.0)}


@pytest.mark.parametrize(
    ("objective", "order"),
    [
        ("first", ("small", "large", "local")),
        ("cost", ("local", "small", "large")),
        ("quality", ("large", "local", "small")),
        ("latency", ("small", "large", "local")),
        ("cost_per_success", ("local", "small", "large")),
    ],
)
def test_objectives_order_candidates(objective: str, order: tuple[str, ...]) -> None:
    assert chosen({"objective": objective, "candidates": CANDIDATES}, Request("m"), **KNOWN).models == order


@pytest.mark.parametrize(
    ("constraints", "request_", "passed"),
    [
        ({"min_quality": 0.75}, Request("m"), [("small", "min_quality")]),
        ({"regions": ["eu"]}, Request("m"), [("large", "regions")]),
        ({"max_cost_usd": 0.01}, Request("m"), [("large", "max_cost_usd")]),
        ({"max_latency_s": 5}, Request("m"), [("local", "max_latency_s")]),
        ({}, Request("m", needs=frozenset({"vision"})), [("small", "capabilities: vision")]),
        ({}, Request("m", input_tokens=800, max_output_tokens=300), [("small", "context_tokens")]),
        ({"regions": ["ch"]}, Request("m"), [("small", "regions"), ("large", "regions"), ("local", "regions")]),
    ],
)
def test_who_is_passed_over_says_why(constraints: Any, request_: Request, passed: list[tuple[str, str]]) -> None:
    found = chosen({"constraints": constraints, "candidates": CANDIDATES}, request_, **KNOWN)
    assert found.passed == tuple(Passed(*each) for each in passed)
    assert not set(found.models) & {model for model, _ in passed}


def test_what_is_measured_beats_what_is_declared() -> None:
    known = KNOWN | {"large": Measured(cost_usd=0.02, quality=0.5), "local": Measured(available=False)}
    found = chosen({"objective": "quality", "candidates": CANDIDATES}, Request("m"), **known)
    assert found.models == ("small", "large")
    assert found.passed == (Passed("local", "unavailable"),)


def test_a_label_orders_admitted_candidates_and_admits_none() -> None:
    rule = {
        "candidates": CANDIDATES,
        "constraints": {"regions": ["eu"]},
        "prefer": [{"label": {"tier": ["gold"]}, "models": ["large", "local"]}],
    }
    assert chosen({"rules": [rule]}, Request("m")).models == ("small", "local")
    assert chosen({"rules": [rule]}, Request("m", labels={"tier": "gold"})).models == ("local", "small")


def test_measured_success_and_overrides_stand_in_place_of_what_is_declared() -> None:
    routing = {
        "candidates": [{"model": "a", "quality": 0.9}, {"model": "b", "quality": 0.9}, {"model": "c", "quality": 0.9}],
        "objective": "cost_per_success",
        "constraints": {"max_override": 0.2, "min_quality": 0.3},
    }
    plain = {name: Measured(cost_usd=cost) for name, cost in (("a", 1.0), ("b", 1.5), ("c", 2.0))}
    assert chosen(routing, Request("m"), **plain).models == ("a", "b", "c")
    poor = plain["a"]._replace(quality=0.5)  # 2.00 for a success, where b costs 1.67 and c 2.22
    assert chosen(routing, Request("m"), **plain | {"a": poor}).models == ("b", "a", "c")
    corrected = plain["b"]._replace(override=0.3)
    bad = plain["c"]._replace(quality=0.2)
    found = chosen(routing, Request("m"), a=poor, b=corrected, c=bad)
    assert found.models == ("a",)
    assert found.passed == (Passed("b", "max_override"), Passed("c", "min_quality"))
    steady = chosen({**routing, "sticky": "run"}, Request("m"), **plain | {"a": poor._replace(typical_cost_usd=1.0)})
    assert steady.models[0] == "a"  # the only one whose usual cost is known


def test_a_hold_of_a_tool_beats_every_verdict_but_a_block() -> None:
    confidence = Confidence.model_validate({**LADDER, "unscored": "block"})
    held = held_by_tool(judge(confidence, HOLD, 0.9), "rules[1]", HOLD)
    assert (held.verdict, held.rule, held.queue, held.deadline) == ("hold", "tools.rules[1]", "leads", HOLD.deadline)
    assert held_by_tool(judge(confidence, HOLD, 0.6), "rules[1]", HOLD).rule == "tools.rules[1]"
    assert held_by_tool(judge(confidence, HOLD, None), "rules[1]", HOLD).verdict == "block"


def test_fallbacks_are_by_cause() -> None:
    fallbacks = [{"after": ["rate_limited"], "models": ["other"]}]
    found = chosen({"candidates": CANDIDATES, "fallbacks": fallbacks}, Request("m"))
    assert found.after("rate_limited") == ("other",)
    assert found.after("timeout") == ("large", "local")


@given(st.floats(0, 1))
def test_every_point_falls_into_one_arm(point: float) -> None:
    arms = [{"name": "a", "model": "m", "share": 0.9}, {"name": "b", "model": "n", "share": 0.1}]
    split = Split.model_validate({"name": "s", "arms": arms})
    assert pick_arm(split, point)[0].name == ("a" if point < 0.9 else "b")
