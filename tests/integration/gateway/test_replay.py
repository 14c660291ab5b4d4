"""Replay over real records: the policy they were made under changes nothing, another one exactly what it must."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.commands.policy_replay import Thresholds, replayed
from gateway.policy_tools.replay_base import Trees, cuts, needs_run, needs_size
from gateway.policy_tools.replay_report import Report, markdown, text
from gateway.providers.scripted import ScriptedReply, json_reply
from metrics.health.replay import Ask, Span
from metrics.health.replay_ledger import stopped_ledger
from metrics.record.journal import FileJournal
from policy.load import load_tree
from policy.prices import lacking
from policy.snapshot import Snapshot
from policy.usage import BUCKETS, Usage
from tests.e2e.wire import completion
from tests.integration.gateway.test_confidence import LADDER, LOGPROB, sure, tree
from tests.integration.gateway.test_policy_blocks import ROUTING, TOOLS, World, answer, call, offer, with_prompts
from tests.integration.gateway.test_steering import CANARY as GROWING
from tests.integration.metrics.support import TS, recording, write
from tests.unit.gateway.making import snapshot

AT = datetime(2026, 6, 15, tzinfo=UTC)
SPAN = Span(TS - 10**9, TS + 10**9)
SPLIT = """
routing:
  rules:
    - when: "request.input_tokens > 10"
      candidates: [{model: a}, {model: b}]
      split: {name: canary, arms: [{name: old, model: a, share: 0.5}, {name: new, model: b, share: 0.5}]}
    - candidates: [{model: gpt-test, quality: 0.5}, {model: c, quality: 0.9}]
      objective: balanced
"""
LABELS = "tighten: [{when: {data_class: health}, redaction: {request: {US_SSN: {operator: block}}}}]\n"
TEXTS = (
    "Write to ann@example.com please.",
    "My card 4111 1111 1111 1111 was charged.",
    "SSN 536-22-8726, call +1 415 555 2671, from 10.1.2.3",
    "Nothing to see. " * 20,
)


def bodies() -> Iterator[dict[str, Any]]:
    for index, content in enumerate(TEXTS):
        for more in ({}, {"max_tokens": 10 * index + 1}, offer("read_mail"), offer("delete_all")):
            yield {"messages": [{"role": "user", "content": content}], **more}


def play(tree: Snapshot, *replies: ScriptedReply) -> World:
    """Make all sorts of calls."""
    world = World(tree, *(replies or tuple(answer() for _ in range(40))))
    for index, body in enumerate(bodies()):
        labels = {"x_sluice_data_class": "health"} if index % 3 == 0 else {}
        world.ask(body, x_sluice_run_id=f"run-{index}", **labels)
    return world


@contextmanager
def ledger(data: Path, world: World) -> Iterator[Ask]:
    async def copy(journal: FileJournal) -> None:
        for event in world.journal.written:
            journal.write(event)
        await asyncio.gather(*(journal.commit(event, None) for event, _ in world.journal.committed))

    write(data, copy)
    with recording(data):
        pass
    with stopped_ledger(data, "acme") as ask:
        yield ask


def replay(ask: Ask, candidate: Snapshot, base: Snapshot) -> Report:
    trees = Trees(candidate, base, "test")
    flags = needs_size(candidate), needs_run(candidate), cuts(candidate)
    return replayed(trees, ask, Span(SPAN.since_us, SPAN.until_us, None, *flags))


def effects(report: Report) -> dict[Any, int]:
    return {effect: change.calls for part in report.parts.values() for effect, change in part.effects.items()}


@pytest.mark.parametrize(
    "block",
    [
        "",
        ROUTING,
        SPLIT,
        LABELS,
        "minimise: {drop: [a]}\nlimits: {requests_per_minute: 9}\n",
        "budget: {rules: [{period: day, usd: 0.001}, {period: week, tokens: 9000}]}\n",
        "tools: {rules: [{tool: read_mail, action: allow}], enforce: observe}\n",
    ],
    ids=["plain", "routing", "split", "labels", "limits", "budget", "tools"],
)
def test_the_policy_of_the_calls_changes_nothing(tmp_path: Path, block: str) -> None:
    tree = snapshot(tmp_path / "policies", routing=block)
    with ledger(tmp_path / "data", world := play(tree)) as ask:
        report = replay(ask, tree, tree)
    assert report.calls == len(world.ends) == 16
    assert (report.changed, report.cost_increase, report.refusals, report.stops) == (0, 0.0, 0, [])
    assert not any(part.effects for part in report.parts.values())


def test_answers_that_were_given_again_went_to_no_model(tmp_path: Path) -> None:
    tree = snapshot(tmp_path / "policies", routing=SPLIT)
    world = World(tree, answer())
    for _ in range(2):
        world.ask({"messages": [{"role": "user", "content": TEXTS[3]}]}, idempotency_key="again")
    assert [body.get("reused") for body in world.ends] == [None, "idempotency"]
    with ledger(tmp_path / "data", world) as ask:
        report = replay(ask, tree, tree)
    assert (report.calls, report.changed) == (2, 0)


def test_denied_tools_and_prompts_stay_denied(tmp_path: Path) -> None:
    with_prompts(tmp_path / "policies", "")
    tree = snapshot(tmp_path / "policies", delivery="buffered", routing="prompts: {unregistered: flag}\n" + TOOLS)
    replies = [answer(**call("refund", '{"amount": 5000}')) if index % 2 else answer() for index in range(40)]
    with ledger(tmp_path / "data", play(tree, *replies)) as ask:
        report = replay(ask, tree, tree)
    assert report.changed == 0


def changed(tmp_path: Path, before: str, after: str, delivery: str = "live") -> Report:
    old = snapshot(tmp_path / "old", routing=before)
    new = snapshot(tmp_path / "new", routing=after, delivery=delivery)
    with ledger(tmp_path / "data", play(old)) as ask:
        return replay(ask, new, old)


def test_another_model_is_seen_and_priced(tmp_path: Path) -> None:
    report = changed(tmp_path, "", "routing: {candidates: [{model: second/large}]}\n")
    assert effects(report) == {("route", "gpt-test", "second/large"): 12}  # four were blocked for their card
    part = report.parts["drafting"]
    assert part.unpriced == 12
    assert all(line for line in (*text(report), *markdown(report)))
    assert any("gpt-test -> second/large" in line and "call_" in line for line in markdown(report))


def test_other_rules_of_redaction_are_seen_by_kind(tmp_path: Path) -> None:
    old = snapshot(tmp_path / "old")
    tree = tmp_path / "new"
    snapshot(tree)
    file = tree / "structured.yaml"
    file.write_text(file.read_text().replace("CREDIT_CARD: {operator: block}", "US_SSN: {operator: block}"))
    new = load_tree(tree)
    with ledger(tmp_path / "data", play(old)) as ask:
        report = replay(ask, new, old)
    found = effects(report)
    assert found["refusal", "content_blocked", "answered"] == 4
    assert found["refusal", "answered", "content_blocked"] == 4
    assert found["redaction", "US_SSN keep", "US_SSN block"] == 4
    assert report.refusals == 4
    assert "what calls would have cost that were refused" in report.parts["drafting"].unknown
    assert not Thresholds(None, 3, None).passed(report)
    assert Thresholds(None, 4, 0.9).passed(report)


def test_another_threshold_is_seen_by_verdict(tmp_path: Path) -> None:
    ladder = "{at_least: 0.8, verdict: pass}, {at_least: 0, verdict: fallback}"
    old, same = tree(tmp_path / "old", LOGPROB, ladder), tree(tmp_path / "same", LOGPROB, ladder)
    lower = tree(tmp_path / "new", LOGPROB, ladder.replace("0.8", "0.5").replace("fallback", "block"))
    plain = snapshot(tmp_path / "plain", "buffered")
    world = World(old, *(sure(share) for share in (0.9, 0.6, 0.7, 0.2)))
    for _ in range(4):
        world.ask()
    with ledger(tmp_path / "data", world) as ask:
        assert replay(ask, old, old).changed == replay(ask, same, old).changed == 0
        report = replay(ask, lower, old)
        assert effects(report) == {("verdict", "fallback", "pass"): 2, ("verdict", "fallback", "block"): 1}
        assert (report.refusals, report.holds) == (1, 0)
        assert effects(replay(ask, plain, old)) == {("verdict", "fallback", "pass"): 3}


def test_verdicts_that_need_texts_are_said_to(tmp_path: Path) -> None:
    plain = snapshot(tmp_path / "old", "buffered")
    scored = tree(tmp_path / "new", LOGPROB, LADDER)
    with ledger(tmp_path / "data", play(plain)) as ask:
        report = replay(ask, scored, plain)
    assert not any(effect.what == "verdict" for part in report.parts.values() for effect in part.effects)
    assert report.parts["drafting"].unknown == {"verdicts of calls that were not scored, which needs the texts": 12}


def test_shadows_and_growing_splits_are_replayed_as_they_were(tmp_path: Path) -> None:
    shadow = "routing: {rules: [{candidates: [{model: gpt-test}], shadow: {model: second/b, share: 0.5}}]}\n"
    grown = GROWING.replace("BOUND", "{measure: error, at_most: 0.1}")
    for name, block, share in (("shadow", shadow, None), ("growing", grown, 0.6)):
        made = snapshot(tmp_path / name / "policies", routing=block)
        world = World(made, *(answer() for _ in range(80)))
        if share is not None:
            (split,) = made.policies["structured"].routing.promoted
            world.pipeline.lessons.learn({("acme", f"structured|{split.key}"): share})
        for number in range(20):
            world.ask(x_sluice_run_id=f"r{number}")
        with ledger(tmp_path / name / "data", world) as ask:
            assert replay(ask, made, made).changed == 0
            plain = snapshot(tmp_path / name / "plain")
            found = effects(replay(ask, plain, made))
        if share is None:
            assert 3 < found["shadow", "second/b", "none"] < 17
        else:
            assert 6 < found["route", "b", "gpt-test"] < 18


def test_retention_delivery_and_what_needs_texts(tmp_path: Path) -> None:
    after = "retention: {content: 10d}\nminimise: {drop: [a]}\n"
    report = changed(tmp_path, "", after)
    assert effects(report) == {("retention", "content 30d", "content 10d"): 16}
    assert report.parts["drafting"].unknown == {"which fields `minimise` would take out, which needs the texts": 16}


def test_what_cannot_be_replayed_is_said(tmp_path: Path) -> None:
    after = "limits: {requests_per_minute: 1}\ncache: {mode: exact}\n"
    unknown = changed(tmp_path, "", after).parts["drafting"].unknown
    assert sorted(reason.split("`")[1] for reason in unknown) == ["cache", "limits"]


def test_a_new_budget_stops_calls(tmp_path: Path) -> None:
    report = changed(tmp_path, "", "budget: {rules: [{period: day, usd: 0.00001, scope: team}]}\n")
    (stop,) = report.stops
    assert (stop.rule, stop.scope, stop.periods) == ("budget.rules[0]", "team support", 1)
    assert stop.calls > 0


def test_models_without_a_price_are_found(tmp_path: Path) -> None:
    tree = snapshot(tmp_path / "policies")
    fast = json_reply(completion() | {"service_tier": "priority"})
    world = World(tree, answer(), json_reply(completion(model="nobody-knows")), fast)
    world.ask()
    world.ask({"model": "nobody-knows"})
    world.ask()
    with ledger(tmp_path / "data", world) as ask:
        rows = {row["model"]: row for row in ask("unpriced").dicts()}
    assert {model: (row["calls"], row["service_tier"]) for model, row in rows.items()} == {
        "nobody-knows": (1, None),
        "gpt-test": (1, "priority"),
    }
    usage = Usage(*(rows["gpt-test"][bucket] for bucket in BUCKETS))
    assert lacking(tree.prices, ("test", "gpt-test"), usage, AT, "priority") == ["tier priority"]
    assert lacking(tree.prices, ("test", "gpt-test"), Usage(audio_input_tokens=1), AT) == ["audio_input_tokens"]
    assert lacking(tree.prices, ("test", "nobody-knows"), usage, AT) == ["model"]


def test_what_observed_rules_would_have_done_is_counted(tmp_path: Path) -> None:
    block = "limits: {requests_per_minute: 1, enforce: observe}\nbudget: {rules: [{period: day, usd: 1}]}\n"
    tools = "tools: {rules: [{tool: '*', action: deny, enforce: observe}], default: allow}\n"
    world = World(snapshot(tmp_path / "policies", routing=block + tools), answer(), answer())
    world.ask(offer("delete_all"))
    world.ask()
    with ledger(tmp_path / "data", world) as ask:
        found = {(row["what"], row["rule"]): row["calls"] for row in ask("observed").dicts()}
        (budget,) = ask("budgets").dicts()
    assert found == {("would refuse", "limits.requests"): 1, ("would refuse", "tools.rules[0]: deny"): 1}
    spent = sum(end["cost_usd"] for end in world.ends)
    assert (budget["allowance"], budget["calls"]) == ("automation:drafting|usd|day", 2)
    assert budget["used"] == round(spent * 1e9)
