"""Movers: the sums they rest on against a count by hand, planted changes found and named, quiet traffic left alone."""

import random
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from metrics.health.measures import Span
from metrics.health.movers import Movement, week_movement
from metrics.health.sentences import change_sentence, mover_sentence, visible_sentence
from tests.integration.metrics.made_up import DAY_US, FIRST_US, Traffic, ask, ledger, traffic

WEEK = Span(FIRST_US + 28 * DAY_US, FIRST_US + 35 * DAY_US, "Europe/Berlin")
SPLIT = FIRST_US + 30 * DAY_US


def steady(calls: int = 3000) -> Traffic:
    """Five weeks of one automation in which nothing changes."""
    chance, made = random.Random(5), Traffic()
    for number in range(calls):
        at = FIRST_US + chance.randrange(35 * DAY_US)
        made.calls.append({
            "call_id": f"c{number}", "ts_us": at, "automation": "triage", "run": None, "step": "draft", "outcome": "ok",
            "endpoint": "chat.completions", "total_ms": float(chance.randrange(400, 1600)), "model_answered": "m1",
            "labels": {"prompt": "draft@3"}, "cost_usd": 0.01 + chance.random() / 100, "policy": "p",
            "policy_hash": "aa", "provider": "p", "price_id": "old",
        })  # fmt: skip
        made.said.append({
            "call_id": f"c{number}", "metric": "success", "value": chance.random() < 0.9, "source": "system",
            "ts_us": at + 60_000_000,
        })  # fmt: skip
    return made


def moved(tmp_path: Path, plant: Callable[[dict[str, Any], dict[str, Any]], None] | None = None) -> Movement:
    """Look at the last week, after something was planted in what happened from its third day on."""
    made = steady()
    for call, said in zip(made.calls, made.said, strict=True):
        if plant and call["ts_us"] >= SPLIT:
            plant(call, said)
    book = ledger(tmp_path / "ledger.duckdb", made.events(), at_once=6000)
    found = week_movement(partial(ask, book), WEEK)
    book.close()
    return found


def test_a_quiet_week_says_nothing_but_what_it_would_have_seen(tmp_path: Path) -> None:
    found = moved(tmp_path)
    assert (found.movers, found.changes) == ((), ())
    said = [visible_sentence(subject, visible) for subject, visible in found.visible.items()]
    assert any("task success by" in each and "points is seen in four of five weeks" in each for each in said)


def test_a_bad_prompt_version_is_found_and_named(tmp_path: Path) -> None:
    def worse(call: dict[str, Any], said: dict[str, Any]) -> None:
        call["labels"] = {"prompt": "draft@4"}
        said["value"] = call["total_ms"] % 10 < 6

    (mover,) = moved(tmp_path, worse).movers
    assert (mover.subject.measure, mover.worse) == ("success", True)
    said = mover_sentence(mover, WEEK.tz)
    assert said.startswith("triage: task success fell from ")
    assert "prompt draft went from version 3 to version 4 on Sun 19 Apr" in said


def test_a_price_rise_and_a_slow_model_are_told_apart(tmp_path: Path) -> None:
    def dear(call: dict[str, Any], _said: dict[str, Any]) -> None:
        call["cost_usd"] *= 1.6
        call["price_id"] = "new"

    def slow(call: dict[str, Any], _said: dict[str, Any]) -> None:
        call["total_ms"] *= 1.5
        call["model_answered"] = "m2"

    for folder in ("dear", "slow"):
        (tmp_path / folder).mkdir()
    (mover,) = moved(tmp_path / "dear", dear).movers
    assert (mover.subject.measure, mover.worse) == ("cost", True)
    assert "price of p/m1 went from old to new" in mover_sentence(mover)
    found = {mover.subject.measure: mover for mover in moved(tmp_path / "slow", slow).movers}
    assert set(found) <= {"latency", "slow"}
    assert "model of step draft went from m1 to m2" in mover_sentence(found["latency"])


def test_going_back_to_a_version_is_a_change_too(tmp_path: Path) -> None:
    def back(call: dict[str, Any], _said: dict[str, Any]) -> None:
        call["labels"] = {"prompt": "draft@3" if call["ts_us"] > SPLIT + 2 * DAY_US else "draft@4"}

    changes = [change_sentence(change) for change in moved(tmp_path, back).changes]
    assert [each.split(" on ")[0] for each in changes] == [
        "prompt draft went from version 3 to version 4", "prompt draft went from version 4 to version 3"
    ]  # fmt: skip


def test_the_sums_of_movement_are_those_of_a_count_by_hand(tmp_path: Path) -> None:
    made = traffic(11)
    book = ledger(tmp_path / "ledger.duckdb", made.events())
    until = FIRST_US + 20 * DAY_US
    found = {
        tuple(row[name] for name in ("automation", "measure", "step", "late", "slice")):
            [row[name] for name in ("k", "n", "kk", "kn", "nn")]
        for row in ask(book, "movement", since=FIRST_US, split=FIRST_US + 7 * DAY_US, until=until).dicts()
    }  # fmt: skip
    book.close()
    runs: dict[Any, list[tuple[int, int]]] = defaultdict(list)
    calls = [c for c in made.calls if not c["endpoint"].startswith("/") and c["ts_us"] < until]
    by_run: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for call in calls:
        slice_ = (call["ts_us"] - FIRST_US) // DAY_US
        by_run[call["automation"], slice_ >= 7, slice_, call["run"] or call["call_id"]].append(call)
    for (automation, late, slice_, _), members in by_run.items():
        failed = sum(call["outcome"] == "error" for call in members)
        runs[automation, "errors", "", late, slice_].append((failed, len(members)))
    expected = {
        at: [sum(k for k, _ in each), sum(n for _, n in each), sum(k * k for k, _ in each),
             sum(k * n for k, n in each), sum(n * n for _, n in each)]
        for at, each in runs.items()
    }  # fmt: skip
    assert {at: sums for at, sums in found.items() if at[1] == "errors"} == expected
    ranks = defaultdict(float)
    for (_automation, measure, step, _late, _slice), sums in found.items():
        if measure == "latency":
            ranks[_automation, step, "k"] += sums[0]
            ranks[_automation, step, "n"] += sums[1]
    assert all(ranks[a, s, "k"] / ranks[a, s, "n"] == pytest.approx(0.5) for a, s, _ in list(ranks))
