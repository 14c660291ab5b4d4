"""Movers: the sums they rest on against a count by hand, planted changes found and named, quiet traffic left alone."""

import math
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
    made, chance = traffic(11), random.Random(11)
    for call in made.calls:
        call["run"] = "everyone" if chance.random() < 0.1 else call["run"]  # of three automations and of many days
    events = list(made.events())
    chance.shuffle(events)
    book, until = ledger(tmp_path / "ledger.duckdb", events), FIRST_US + 20 * DAY_US
    answer = ask(book, "movement", since=FIRST_US, split=FIRST_US + 7 * DAY_US, until=until).dicts()
    book.close()
    found = {
        tuple(row[name] for name in ("automation", "measure", "step", "late", "slice")):
            [row[name] for name in ("k", "n", "kk", "kn", "nn")]
        for row in answer if row["measure"] not in ("success", "override")
    }  # fmt: skip
    calls = [c for c in made.calls if not c["endpoint"].startswith("/") and c["ts_us"] < until]
    assert found == {at: pytest.approx(sums, rel=1e-12) for at, sums in by_hand(calls).items()}


def by_hand(calls: list[dict[str, Any]]) -> dict[Any, list[float]]:
    """Add up k, n and their products over runs, the slow and plain way."""
    runs: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    steps: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for call in calls:
        day = (call["ts_us"] - FIRST_US) // DAY_US
        at, run = (day >= 7, day), call["run"] or call["call_id"]
        runs[call["automation"], at, run].append(call)
        if call["outcome"] not in ("refused", "client_disconnected"):
            steps[call["automation"], call["step"] or "", at, run].append(call)
    counted: dict[Any, list[tuple[float, float]]] = defaultdict(list)
    for (automation, at, _), members in runs.items():
        kinds = {
            "errors": [each["outcome"] == "error" for each in members],
            "refusals": [each["outcome"] == "refused" and each["error_code"] != "held_for_review" for each in members],
            "withheld": [each["verdict"] == "fallback" for each in members],
        }
        for measure, which in kinds.items():
            counted[automation, measure, "", *at].append((sum(which), len(members)))
    spent = {run: sum(call["cost_usd"] or 0 for call in members) for run, members in runs.items()}
    places = ranked([(run[0], usd) for run, usd in spent.items() if usd])
    for run, usd in spent.items():
        if usd:
            counted[run[0], "cost", "", *run[1]].append((places[run[0], slot(usd)], 1))
    times = ranked([(each[:2], call["total_ms"]) for each, members in steps.items() for call in members])
    for (automation, step, at, _), members in steps.items():
        held = [times[(automation, step), slot(call["total_ms"])] for call in members]
        counted[automation, "latency", step, *at].append((sum(held), len(held)))
        counted[automation, "slow", step, *at].append((sum(place > 0.95 for place in held), len(held)))
    return {
        at: [sum(k for k, _ in each), sum(n for _, n in each), sum(k * k for k, _ in each),
             sum(k * n for k, n in each), sum(n * n for _, n in each)]
        for at, each in counted.items()
    }  # fmt: skip


def slot(value: float) -> int:
    return math.ceil(math.log(max(value, 0.01)) / math.log(1.02))


def ranked(values: list[tuple[Any, float]]) -> dict[Any, float]:
    """Rank values from 0 to 1 within their groups, by slots of 2 % whose members share the middle of their places."""
    slots: dict[Any, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for group, value in values:
        slots[group][slot(value)] += 1
    found = {}
    for group, counts in slots.items():
        below, total = 0.0, sum(counts.values())
        for at in sorted(counts):
            found[group, at] = math.floor(1e6 * (below + counts[at] / 2) / total + 0.5) / 1e6
            below += counts[at]
    return found
