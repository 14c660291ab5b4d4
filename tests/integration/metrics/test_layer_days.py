"""Layers over days, against a count in plain Python: whatever comes late, in any order, in any time zone."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from metrics.health.measures import Span, evaluate
from metrics.record.calendar import day_of, midnight_us
from metrics.record.events import Event
from metrics.record.ledger import Ledger
from tests.integration.metrics.made_up import DAY_US, FIRST_US, Traffic, add, ask, ledger, tell, traffic
from tests.integration.metrics.test_measures import runs_of

Told = list[Event]
BROKEN = ("error", "truncated", "interrupted")


def made_up(seed: int, calls: int = 90) -> Traffic:
    made = traffic(seed, calls)
    tell(made, seed)
    return made


def span(tz: str) -> Span:
    first, last = (day_of(tz, FIRST_US + days * DAY_US) for days in (0, 32))
    return Span(midnight_us(tz, first), midnight_us(tz, last), tz)


class Plain:
    """What is known, in the order in which it came, counted without SQL."""

    def __init__(self, made: Traffic, events: Told) -> None:
        place = {event.event_id: number for number, event in enumerate(events)}
        told = sorted(made.told, key=lambda event: place[event.event_id])
        self.by_run: dict[str, Told] = defaultdict(list)
        for event in told:
            self.by_run[event.run or ""].append(event)
        self.expired = {event.body["call_id"] for event in told if event.kind == "review.decided"}
        self.runs = {(run["calls"][0]["run"] or run["calls"][0]["call_id"]): run for run in runs_of(made)}
        self.made = made

    def last(self, run: str, kind: str) -> Event | None:
        return next((event for event in reversed(self.by_run[run]) if event.kind == kind), None)

    def found(self, run: str, kind: str) -> list[str]:
        last = self.last(run, kind)
        return last.body["ids"].split() if last else []

    def empty(self, run: str) -> bool:
        last = self.last(run, "retrieval")
        return bool(last and last.body["empty"])

    def faults(self) -> Iterator[tuple[str, str, int, str]]:
        """Yield (run, automation, its begin, layer) of the runs that failed."""
        for name in sorted({*self.runs, *self.by_run} - {""}):
            run, dead = self.runs.get(name), [e for e in self.by_run[name] if e.kind == "dead_letter"]
            if dead or (run and run["success"] is False):
                automation = run["calls"][0]["automation"] if run else dead[0].automation
                yield name, automation or "", run["ts_us"] if run else dead[0].ts_us, self._layer(name, run)

    def _layer(self, name: str, run: dict[str, Any] | None) -> str:
        calls = sorted(run["calls"], key=lambda call: call["ts_us"]) if run else []
        steps = {e.step: e for e in self.by_run[name] if e.kind in ("step.end", "dead_letter")}
        at_fault = [e.body.get("layer") for e in steps.values() if e.body.get("status", "failed") == "failed"]
        by_step = {call["step"]: call for call in calls}
        if any(layer in (None, "orchestration") for layer in at_fault):
            return "orchestration"
        if any(call["outcome"] in BROKEN for call in by_step.values()) or any(
            c["call_id"] in self.expired for c in calls
        ):
            return "orchestration"
        wanted = self.found(name, "retrieval.gold")
        missed = wanted and not set(wanted) & set(self.found(name, "retrieval"))
        if self.empty(name) or "retrieval" in at_fault or missed:
            return "retrieval"
        return "prompt" if self._prompt(name, run, calls) or "prompt" in at_fault else "unknown"

    def _prompt(self, name: str, run: dict[str, Any] | None, calls: list[dict[str, Any]]) -> bool:
        verdicts = {call["step"]: call["verdict"] for call in calls if call["verdict"]}
        unknown = any(e.body["unknown"] for e in self.by_run[name] if e.kind == "retrieval.cited")
        invalid = any(call["scores"][0]["score"] == 0 for call in calls)
        return bool(unknown or invalid or "fallback" in verdicts.values() or (run and run["overridden"]))

    def counts(self, tz: str) -> Counter[tuple[str, str, str, str]]:
        """Count (measure, day, automation, figure)."""
        found: Counter[tuple[str, str, str, str]] = Counter()
        for event in self.made.told:
            at = ("layer_orchestration", day(event.ts_us, tz), event.automation or "")
            if event.kind == "step.end":
                found.update({(*at, "steps"): 1, (*at, "failed"): event.body["status"] == "failed"})
            if event.kind == "retrieval":
                self._search(found, ("layer_retrieval", day(event.ts_us, tz), event.automation or ""), event)
        for name, run in self.runs.items():
            seen = run["seen"] and not self.empty(name)
            for call in run["calls"]:
                if call["verdict"]:
                    at = ("layer_prompt", day(call["ts_us"], tz), call["automation"])
                    found.update({(*at, "answers"): 1, (*at, "valid"): int(call["scores"][0]["score"])})
                    found.update({(*at, "seen"): seen, (*at, "overridden"): seen and run["overridden"]})
        for _, automation, ts_us, layer in self.faults():
            found["failures", day(ts_us, tz), automation, layer] += 1
        return found

    def _search(self, found: Counter[tuple[str, str, str, str]], at: tuple[str, str, str], event: Event) -> None:
        name = event.run or ""
        run = self.runs.get(name)
        accepted = run and run["success"] and run["by"] == "human" and not run["overridden"]
        wanted = self.found(name, "retrieval.gold") or (self.found(name, "retrieval.cited") if accepted else [])
        hits = set(wanted) & set(event.body["ids"].split())
        found.update({(*at, "searches"): 1, (*at, "empty"): event.body["empty"]})
        found.update({(*at, "known"): bool(wanted), (*at, "hits"): bool(hits)})


def day(ts_us: int, tz: str) -> str:
    return f"{datetime.fromtimestamp(ts_us / 1e6, UTC).astimezone(ZoneInfo(tz)):%Y-%m-%d}"


# figure of the count: part of the measure, and which of its numbers
FIGURES = {
    "layer_orchestration": {"steps": ("failed", "n"), "failed": ("failed", "k")},
    "layer_retrieval": {"searches": ("empty", "n"), "empty": ("empty", "k"), "known": ("hit", "n"),
                        "hits": ("hit", "k")},
    "layer_prompt": {"answers": ("declined", "n"), "valid": ("valid", "k"), "seen": ("overridden", "n"),
                     "overridden": ("overridden", "k")},
    "failures": {layer: (layer, "value") for layer in ("orchestration", "retrieval", "prompt", "unknown")},
}  # fmt: skip


def told(book: Ledger, tz: str, days_of: str | None, bucket: str | None = "day") -> Counter[Any]:
    found: Counter[Any] = Counter()
    for measure, figures in FIGURES.items():
        values = evaluate(partial(ask, book, days_of=days_of), measure, span(tz), by="automation", bucket=bucket)
        for value in values:
            for figure, (part, number) in figures.items():
                if value.part == part:
                    found[measure, value.bucket, value.group, figure] = int(getattr(value, number) or 0)
    return found


@pytest.mark.parametrize(("seed", "tz"), [(1, "Europe/Berlin"), (2, "Pacific/Auckland")])
def test_days_of_layers_are_what_a_count_by_hand_says(tmp_path: Path, seed: int, tz: str) -> None:
    made = made_up(seed)
    events = list(made.events())
    random.Random(seed).shuffle(events)  # outcomes before their calls, searches after them, dead letters first
    book, counted = ledger(tmp_path / "ledger.duckdb", events, at_once=120, zone=tz), +Plain(made, events).counts(tz)
    assert +told(book, tz, tz) == counted
    assert +told(book, tz, None) == counted, "and so do the rows themselves"
    whole: Counter[Any] = Counter()
    for (measure, _, automation, figure), number in counted.items():
        whole[measure, None, automation, figure] += number
    assert +told(book, tz, tz, bucket=None) == whole, "days add up to their range"
    rows = ask(book, "faults", since=span(tz).since_us, until=span(tz).until_us).dicts()
    listed = {(row["run_id"], row["automation"], row["ts_us"], row["layer"]) for row in rows}
    assert listed == set(Plain(made, events).faults())
    book.close()


def test_late_outcomes_restate_the_days_of_every_call_and_search_of_their_run(tmp_path: Path) -> None:
    tz, made = "Asia/Kolkata", made_up(5, calls=24)
    events = list(made.events())
    late = [event for event in events if event.kind in ("outcome", "retrieval.gold")]
    early = [event for event in events if event not in late]
    book = ledger(tmp_path / "ledger.duckdb", early, zone=tz)
    silent = Plain(Traffic(made.calls, [], [event for event in made.told if event in early]), early)
    assert +told(book, tz, tz) == +silent.counts(tz)
    for begin in range(3):
        add(book, late[begin::3])
    assert +told(book, tz, tz) == +Plain(made, early + late).counts(tz)
    book.close()


def test_what_is_forgotten_takes_its_days_along_and_no_other(tmp_path: Path) -> None:
    """Days of the ledger's zone, not of UTC: a day whose calls were all before midnight in UTC stays."""
    tz, made = "Pacific/Auckland", made_up(7, calls=80)
    events = sorted(made.events(), key=lambda event: event.ts_us)
    book = ledger(tmp_path / "ledger.duckdb", events, at_once=500, zone=tz)
    before, gone = told(book, tz, tz), len(events) // 3
    end_us = events[gone - 1].ts_us
    book.forget([(1, gone)])
    after = told(book, tz, tz)
    for at, number in after.items():
        assert number == before[at]
    started = {event.event_id: event for event in events[gone:]}
    left = {day(call["ts_us"], tz) for call in made.calls if f"{call['call_id']}.e" in started}
    lost = {at for at in before if at[0] == "layer_prompt" and at not in after}
    kept = {at[1] for at in after if at[0] == "layer_prompt"}
    assert lost
    assert left & {at[1] for at in before if at[0] == "layer_prompt"} <= kept
    assert max(at[1] for at in lost) <= day(end_us, tz)
    known = {row["run_id"] for row in ask(book, "faults", since=0, until=FIRST_US * 2).dicts()}
    whole = {run for run, calls in _calls_of(made).items() if not any(f"{c}.e" in started for c in calls)}
    dead = {event.run for event in events[gone:] if event.kind == "dead_letter"}
    assert known
    assert not {run for run in known & whole - dead if _ended(made, run) <= end_us}
    book.close()


def _calls_of(made: Traffic) -> dict[str, list[str]]:
    found = defaultdict(list)
    for call in made.calls:
        found[call["run"] or call["call_id"]].append(call["call_id"])
    return found


def _ended(made: Traffic, run: str) -> int:
    return int(max(call["ts_us"] for call in made.calls if run in (call["run"], call["call_id"])))
