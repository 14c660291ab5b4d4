"""The runs of the four automations: their requests, events and what became of them, drawn from one seed."""

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from automations.triage.rules import CATEGORIES
from demo.samples.read import AUTOMATIONS, articles, samples
from demo.weeks.clock import DAY_US, DemoClock
from demo.weeks.stories import Kind, Story, at

Json = dict[str, Any]
PER_DAY: Final = dict(zip(AUTOMATIONS, (34, 24, 24, 30), strict=True))
_WEEKEND: Final = 0.3
_LATE: Final = 0.02  # of the outcomes come a week late, so that reviews are restated
_LATE_US: Final = 8 * DAY_US
_HOUR_US: Final = DAY_US // 24
# Shares of good results: as a rule, and while something is wrong.
_GOOD: Final[Mapping[str, float]] = dict(zip(AUTOMATIONS, (1.0, 0.94, 0.9, 0.88), strict=True))
_BAD: Final[Mapping[Kind, float]] = {"bad-prompt": 0.45, "retrieval-outage": 0.3, "certificate": 0.1}
_KNOWN: Final[Mapping[str, float]] = dict(zip(AUTOMATIONS, (1.0, 0.9, 0.75, 0.85), strict=True))
_STEPS: Final = {"step.end": "dispatch", "retrieval": "retrieve"}
_BREAKS: Final = 0.015  # of the runs end because a step of their own failed


@dataclass(frozen=True, slots=True)
class Later:
    """A report that is sent at its time."""

    at_us: int
    path: str
    automation: str
    body: Json


@dataclass
class Traffic:
    """Runs one automation at a time against the gateway; `later` gathers what is reported afterwards."""

    http: httpx.AsyncClient
    keys: Mapping[str, str]
    clock: DemoClock
    stories: tuple[Story, ...]
    luck: random.Random
    right: dict[str, str | None]  # by call: the answer that a reviewer would write
    later: list[Later] = field(default_factory=list)
    runs: int = 0
    failed: int = 0

    def times(self, day_us: int, volume: float) -> list[tuple[int, str]]:
        """Draw when runs begin on a day, in order, most of them in working hours."""
        weekend = day_us // DAY_US % 7 in (2, 3)  # the epoch was a Thursday
        share = volume * (_WEEKEND if weekend else 1.0)
        found = []
        for name, count in PER_DAY.items():
            for _ in range(round(count * share)):
                hour = min(max(self.luck.gauss(13, 3), 0.0), 23.9)
                found.append((day_us + int(hour * _HOUR_US), name))
        return sorted(found)

    async def one(self, automation: str) -> None:
        """Make one run, now."""
        self.runs += 1
        run = _Run(self, automation, f"demo-{self.runs:06d}")
        try:
            await _FLOWS[automation](run)
        except httpx.HTTPStatusError:
            self.failed += 1
            await run.end("failed")

    async def send(self, report: Later) -> None:
        """Send what is due."""
        await self.post(report.path, report.automation, report.body)

    async def post(self, path: str, automation: str, body: Json, labels: Mapping[str, str] | None = None) -> Any:
        """Send one request with the automation's key."""
        headers = {"authorization": f"Bearer {self.keys[automation]}", **(labels or {})}
        answer = await self.http.post(path, json=body, headers=headers)
        answer.raise_for_status()
        return answer


@dataclass
class _Run:
    traffic: Traffic
    automation: str
    name: str
    _began_us: int = 0

    def __post_init__(self) -> None:
        self._began_us = self.traffic.clock.us()
        self.suffers = frozenset(at(self.traffic.stories, self.automation, self._began_us))
        self.sample = self.traffic.luck.choice(samples(self.automation))

    @property
    def luck(self) -> random.Random:
        return self.traffic.luck

    async def ask(self, step: str, prompt: str, body: Json) -> httpx.Response:
        labels = {"x-sluice-run-id": self.name, "x-sluice-step": step, "x-sluice-prompt": prompt}
        labels["x-sluice-subject"] = str(self.sample["id"])
        answer: httpx.Response = await self.traffic.post("/chat/completions", self.automation, body, labels)
        return answer

    async def event(self, kind: str, **body: Any) -> None:
        event = {"id": f"{self.name}.{kind}", "kind": kind, "run": self.name, "body": body}
        event |= {"step": _STEPS[kind]} if kind in _STEPS else {}
        await self.traffic.post("/events", self.automation, event)

    async def end(self, status: str = "ok") -> None:
        took_ms = (self.traffic.clock.us() - self._began_us) // 1000
        await self.event("run.end", status=status, duration_ms=took_ms, retries=0)

    def good(self) -> bool:
        share = min([_GOOD[self.automation], *(_BAD[kind] for kind in self.suffers if kind in _BAD)])
        return self.luck.random() < share

    def outcome(self, good: bool, source: str, hours: float, call_id: str | None = None) -> None:
        """Plan what is reported; a person who looked says, too, whether the output was changed."""
        if self.luck.random() >= _KNOWN[self.automation]:
            return
        at_us = self.traffic.clock.us() + int(self.luck.uniform(0.2, 1.8) * hours * _HOUR_US)
        at_us += _LATE_US if self.luck.random() < _LATE else 0
        about: Json = {"run_id": self.name} if call_id is None else {"call_id": call_id}
        metrics = {"success": good} | ({"override": not good} if source == "human" else {})
        for metric, value in metrics.items():
            body = {"id": f"{self.name}.{metric}", "metric": metric, "value": value, "source": source, **about}
            self.traffic.later.append(Later(at_us, "/outcomes", self.automation, body))

    def breaks(self) -> bool:
        return self.luck.random() < _BREAKS


async def _triage(run: _Run) -> None:
    message = f"Subject: {run.sample['subject']}\n\n{run.sample['text']}"
    order = f"Classify the customer's message. Answer with exactly one of: {', '.join(CATEGORIES)}."
    body = _chat("simulated-small", order, message, temperature=0.3, max_tokens=8)
    answer = await run.ask("classify", "triage-classify@2", body)
    call_id, right = answer.headers["x-sluice-call-id"], str(run.sample["expected"]["category"])
    if not run.good():  # messages of a new kind: none of the known categories would be right
        right = next(each for each in CATEGORIES if each != right)
    run.traffic.right[call_id] = right
    if not answer.headers.get("x-sluice-review-id"):
        said = answer.json()["choices"][0]["message"]["content"] or ""
        run.outcome(said.strip() == right, "system", 4, call_id)
    await run.end()


async def _enrich(run: _Run) -> None:
    record = "\n".join(f"{key.capitalize()}: {value}" for key, value in run.sample["record"].items())
    order = "Extract the company's data from the CRM record."
    await run.ask("extract", "crm-extract@3", _chat("simulated-large", order, f"Record:\n{record}", temperature=0.2))
    await _finish(run, "system", 2)


async def _qualify(run: _Run) -> None:
    order = "Summarise the sales call for the account team."
    notes = f"Notes:\n{run.sample['notes']}"
    await run.ask("summarise", "qualify@1", _chat("simulated-small", order, notes, temperature=0.3))
    await _finish(run, "human", 20)


async def _support(run: _Run) -> None:
    empty = "retrieval-outage" in run.suffers and run.luck.random() < 0.9
    gold = run.sample["expected"]["article"]
    found = {} if empty else {row["id"]: row["text"] for row in _searched(run, gold)}
    score = 0.0 if empty else run.luck.uniform(0.6, 0.95)
    run.traffic.clock.skip(0.12)
    await run.event("retrieval", hits=len(found), empty=empty, top_score=score, duration_ms=120)
    prompt = _prompt_version(run)
    text = f"Ticket:\n{run.sample['text']}\n\nContext:\n{' '.join(found.values()) or '(nothing found)'}"
    order = "Draft a polite reply to the customer. Use only the context."
    await run.ask("draft", prompt, _chat("simulated-large", order, text, temperature=0.5, stream=True))
    await _finish(run, "human", 12)


async def _finish(run: _Run, source: str, hours: float) -> None:
    broken = run.breaks()
    if broken:
        await run.event("step.end", step_kind="dispatch", status="failed", duration_ms=900, attempt=3)
    await run.end("failed" if broken else "ok")
    run.outcome(not broken and run.good(), source, hours)


def _searched(run: _Run, gold: str) -> Sequence[Mapping[str, str]]:
    rows = articles()
    right = [row for row in rows if row["id"] == gold]
    return [*right, *run.luck.sample([row for row in rows if row["id"] != gold], 2)]


def _prompt_version(run: _Run) -> str:
    if "bad-prompt" in run.suffers:
        return "support-draft@5"
    tried = [story for story in run.traffic.stories if story.kind == "bad-prompt"]
    return "support-draft@6" if tried and run.traffic.clock.us() >= tried[0].end_us else "support-draft@4"


def _chat(model: str, system: str, user: str, **more: Any) -> Json:
    return {
        "model": model,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        **more,
    }


_FLOWS: Final[Mapping[str, Callable[[_Run], Awaitable[None]]]] = dict(
    zip(AUTOMATIONS, (_triage, _enrich, _qualify, _support), strict=True)
)
