"""Random traffic as plain Python objects and as a ledger, so that what SQL says can be counted again by hand."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metrics.client import Table, Watermark
from metrics.health.questions import all_questions
from metrics.record.events import Event
from metrics.record.ledger import Ledger
from metrics.record.order import Entry
from metrics.record.reader import Line
from metrics.record.rows import Rows
from metrics.record.sandbox import QueryLimits, Sandbox

FIRST_US = 1_774_000_000_000_000  # 2026-03-20, nine days before Berlin's clocks change
DAY_US = 86_400_000_000
ERRORS = ("held_for_review", "limit_reached", "upstream_timeout")
OUTCOMES = ("ok", "ok", "ok", "ok", "ok", "refused", "error", "client_disconnected")


@dataclass
class Traffic:
    """What happened, and a ledger of it."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)  # by the service layer

    def events(self) -> Iterator[Event]:
        for call in self.calls:
            body = {name: call[name] for name in call if name not in ("ts_us", "automation", "run", "step")}
            end_us = call["ts_us"] + int(call["total_ms"] * 1000)
            who = ("acme", call["automation"], call["run"], call["step"])
            yield Event(f"{call['call_id']}.e", "call.end", end_us, *who, body=body)
        for number, said in enumerate(self.said):
            body = {name: said[name] for name in said if name != "ts_us"}
            yield Event(f"said-{number}", "outcome", said["ts_us"], "acme", "a0", body=body)
        yield from self.told


def traffic(seed: int, calls: int = 400, days: int = 24) -> Traffic:
    """Make calls of a few automations, most of them in runs, and outcomes of some."""
    chance, made = random.Random(seed), Traffic()
    for number in range(calls):
        made.calls.append(_call(chance, number, days))
    for _ in range(calls):
        call = chance.choice(made.calls)
        about = chance.choice(["call_id", "run_id"]) if call["run"] else "call_id"
        metric = chance.choice(["success", "success", "override", "mood"])
        made.said.append({
            about: call["run"] if about == "run_id" else call["call_id"], "metric": metric,
            "value": chance.random() < 0.7 if metric != "mood" else None, "corrected": chance.random() < 0.1,
            "source": chance.choice(["human", "judge", "system"]),
            "ts_us": call["ts_us"] + chance.randrange(5_000_000, 30 * DAY_US),
        })  # fmt: skip
    return made


def _call(chance: random.Random, number: int, days: int) -> dict[str, Any]:
    automation = f"a{number % 3}"
    outcome = chance.choice(OUTCOMES)
    control = chance.random() < 0.05
    return {
        "call_id": f"c{number}", "ts_us": FIRST_US + chance.randrange(days * DAY_US), "automation": automation,
        "run": f"{automation}-{chance.randrange(60)}" if chance.random() < 0.7 else None,
        "step": chance.choice(["read", "draft", None]), "outcome": "refused" if control else outcome,
        "error_code": chance.choice(ERRORS) if control or outcome != "ok" else None,
        "endpoint": "/v1/reviews/{id}" if control else "chat.completions", "total_ms": float(chance.randrange(1, 9000)),
        "overhead_ms": chance.random() * 9, "upstream_ms": float(chance.randrange(1, 9000)),
        "model_answered": chance.choice(["m1", "m2"]), "labels": {"prompt": f"p@{chance.randrange(3)}"},
        "policy": "default", "policy_hash": chance.choice(["aa", "bb"]), "team": f"t{number % 2}",
        "cost_usd": chance.choice([None, 0.25, 0.5, 1.0]) if not control else None,
        "usage": {"input_tokens": chance.randrange(100), "cached_input_tokens": 3, "output_tokens": 7},
        "attempts": [{"n": 1, "cost_usd": 0.125, "purpose": "verifier"}, {"n": 2, "cost_usd": 0.25}],
        "verdict": chance.choice(["pass", "fallback", None]), "retry_count": chance.randrange(2),
        "stages_us": {"admit": 20 + number % 50, "clear": 100 + number * 7 % 900, "invoke": number * 7919 % 900_000},
        "entities": {"request": {} if control else {"PERSON": chance.randrange(1, 4)}},
        "scores": [{"kind": "schema", "score": float(number % 5 > 0)}, {"kind": "grounding", "score": number % 7 / 7}],
        "finish_reasons": ["refusal"] if number % 11 == 0 else ["stop"],
    }  # fmt: skip


def tell(made: Traffic, seed: int) -> None:
    """Add what the service layer says of runs: steps, searches, dead letters; and reviews that nobody answered."""
    chance, days = random.Random(seed), FIRST_US // DAY_US
    began = {call["run"]: call for call in sorted(made.calls, key=lambda call: -call["ts_us"]) if call["run"]}
    runs = [(name, call["automation"], call["ts_us"]) for name, call in began.items()]
    runs += [(f"uncalled-{n}", f"a{n % 3}", (days + n) * DAY_US) for n in range(9)]

    def say(kind: str, about: tuple[str | None, str, int], step: str | None, **body: Any) -> None:
        run, automation, ts_us = about
        at_us = ts_us + chance.randrange(6 * DAY_US)
        made.told.append(Event(f"told-{len(made.told)}", kind, at_us, "acme", automation, run, step, body=body))

    def ids() -> str:
        return " ".join(chance.sample("abcde", chance.randrange(3)))

    for about in runs:
        for _ in range(chance.randrange(3)):
            found = ids()
            say("retrieval", about, "find", ids=found, empty=not found)
        for kind in chance.sample(["retrieval.gold", "retrieval.cited", "run.end", "action.duplicate"], 2):
            more = {"ids": ids()} if kind.startswith("retrieval") else {}
            say(kind, about, None, **more, **({"unknown": chance.randrange(2)} if kind == "retrieval.cited" else {}))
        for step in chance.sample(["find", "draft", "send"], chance.randrange(3)):
            layer = chance.choice([None, "retrieval", "prompt", "orchestration"])
            cause, status = chance.choice(["timeout", "error"]), chance.choice(["ok", "ok", "failed"])
            say("step.end", about, step, status=status, cause=cause, layer=layer, attempt=chance.randrange(1, 3))
        if about[0].startswith("uncalled") or chance.random() < 0.1:
            say("dead_letter", about, "send", cause="timeout", layer="orchestration")
    for call in chance.sample(made.calls, len(made.calls) // 8):
        held = (None, call["automation"], call["ts_us"])
        say("review.decided", held, None, call_id=call["call_id"], state="expired", review_id=call["call_id"])


def ledger(path: Path, events: Iterator[Event] | list[Event], at_once: int = 97, zone: str = "UTC") -> Ledger:
    """Write events as a recorder does: in batches, each counted in when it is there."""
    made, waiting = Ledger(path, zone=zone), list(events)
    for begin in range(0, len(waiting), at_once):
        add(made, waiting[begin : begin + at_once])
    return made


def add(made: Ledger, events: list[Event]) -> None:
    since, rows = made.progress().seq, Rows()
    for seq, event in enumerate(events, since + 1):
        rows.add(seq, "segment", Line(0, 1, event))
    made.record([Entry(since + 1, len(events), "segment", 0, 1, 0)], rows.columns(), {})
    made.refresh(since, since + len(events))


def ask(made: Ledger, name: str, days_of: str | None = None, **params: Any) -> Table:
    """Ask as the recorder's service does; `days_of`: the zone whose days may answer in place of the rows."""
    with made.cursor() as cursor:
        answer = Sandbox(cursor, QueryLimits()).rows(*all_questions(days_of)[name].prepare("acme", params))
    return Table(answer.columns, [list(row) for row in answer.rows], Watermark(answer.seq, answer.ts_us))
