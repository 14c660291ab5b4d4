"""The report of a replay: by automation what would change, with counts, money, examples, and what cannot be known."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gateway.policy_tools.replay import replay
from gateway.policy_tools.replay_base import Effect, Row, Trees
from gateway.policy_tools.replay_spend import Stop

_EXAMPLES = 3
_SAVED = 100


@dataclass(slots=True)
class Change:
    """One effect over all calls that have it."""

    calls: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Count a group's calls."""
        self.calls += row["calls"]
        for example in (row["first_call"], row["last_call"]):
            if example not in self.examples and len(self.examples) < _EXAMPLES:
                self.examples.append(example)


@dataclass(slots=True)
class Part:
    """What would change for one automation. `unpriced`: calls whose cost would not be known."""

    calls: int = 0
    changed: int = 0
    cost_usd: float = 0.0
    new_cost_usd: float = 0.0
    unpriced: int = 0
    effects: dict[Effect, Change] = field(default_factory=lambda: defaultdict(Change))
    unknown: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def factor(self) -> float:
        """How the cost changes: 1.0 where nothing was spent."""
        return self.new_cost_usd / self.cost_usd if self.cost_usd else 1.0


@dataclass(slots=True)
class Report:
    """A whole replay."""

    candidate: str
    base: str
    groups: int = 0
    parts: dict[str, Part] = field(default_factory=lambda: defaultdict(Part))
    stops: list[Stop] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """All calls that were looked at."""
        return sum(part.calls for part in self.parts.values())

    @property
    def changed(self) -> int:
        """Calls for which anything would change."""
        return sum(part.changed for part in self.parts.values())

    @property
    def cost_increase(self) -> float:
        """How much dearer the calls would be, as a share; from nothing to something counts as 1."""
        before = sum(part.cost_usd for part in self.parts.values())
        after = sum(part.new_cost_usd for part in self.parts.values())
        return (after - before) / before if before else float(after > 0)

    @property
    def refusals(self) -> int:
        """Calls that were answered and would be refused, budget stops among them."""
        refused = self._calls(lambda effect: effect.what == "refusal" and effect.before == "answered")
        blocked = self._calls(lambda effect: effect.what == "verdict" and effect.after == "block")
        return refused + blocked + sum(stop.calls for stop in self.stops)

    @property
    def holds(self) -> int:
        """Calls whose answer would be held for a reviewer and was not."""
        return self._calls(lambda effect: effect.what == "verdict" and effect.after == "hold")

    def _calls(self, wanted: Callable[[Effect], bool]) -> int:
        effects = (item for part in self.parts.values() for item in part.effects.items())
        return sum(change.calls for effect, change in effects if wanted(effect))

    def as_dict(self) -> dict[str, Any]:
        """Give the report as plain JSON values."""
        totals = {"calls": self.calls, "changed": self.changed, "groups": self.groups, "refusals": self.refusals}
        totals["holds"] = self.holds
        parts = {name: _plain(part) for name, part in sorted(self.parts.items())}
        cost = {"cost_increase": self.cost_increase, "stops": [asdict(stop) for stop in self.stops]}
        return {"candidate": self.candidate, "base": self.base, **totals, **cost, "automations": parts}


def saved(report: Report, revision: str | None) -> dict[str, Any]:
    """Give what is kept of a report as an event: closed words, names and numbers."""
    plain = report.as_dict()
    parts = plain.pop("automations")
    effects = [{"automation": name, **effect} for name, part in parts.items() for effect in part["effects"]]
    unknown = [[name, calls, reason] for name, part in parts.items() for reason, calls in part["unknown"].items()]
    return {**plain, "revision": revision, "effects": effects[:_SAVED], "unknown": unknown[:_SAVED]}


def judge(trees: Trees, rows: Iterable[Row]) -> Report:
    """Replay all groups."""
    report = Report(trees.candidate.sha256[:12], trees.base.sha256[:12])
    for row in rows:
        report.groups += 1
        part, done = report.parts[row["automation"] or "-"], replay(trees, row)
        part.calls += row["calls"]
        part.changed += row["calls"] if done.effects else 0
        before = row["cost_usd"] or 0.0
        part.cost_usd += before
        unpriced = done.cost_usd is None and row["priced"] > 0
        part.unpriced += row["calls"] if unpriced else 0
        part.new_cost_usd += before if done.cost_usd is None else done.cost_usd
        for effect in dict.fromkeys(done.effects):
            part.effects[effect].add(row)
        for reason in dict.fromkeys(done.unknown):
            part.unknown[reason] += row["calls"]
    return report


def text(report: Report) -> Iterator[str]:
    """Give the report for a terminal."""
    yield f"{report.candidate} over {report.calls} calls ({report.groups} kinds of them), beside {report.base}."
    stopped = f"{report.refusals} more refused, {report.holds} more held"
    yield f"{report.changed} would go otherwise; cost {report.cost_increase:+.1%}; {stopped}."
    for name, part in sorted(report.parts.items()):
        yield f"\n{name}: {part.changed} of {part.calls} calls; {_money(part)}"
        for effect, change in _sorted(part):
            yield f"  {change.calls:>8}  {_words(effect)}  ({', '.join(change.examples)})"
        for reason, calls in sorted(part.unknown.items()):
            yield f"  {calls:>8}  not known: {reason}"
    for stop in report.stops:
        yield _stopped(stop)


def markdown(report: Report) -> Iterator[str]:
    """Give the report for a pull request."""
    yield f"**{report.changed} of {report.calls} calls would go otherwise**, cost {report.cost_increase:+.1%}, "
    yield f"{report.refusals} more refused, {report.holds} more held. "
    yield f"Candidate `{report.candidate}`, compared with `{report.base}`.\n"
    if report.changed:
        yield "| automation | what | calls | examples |\n|---|---|---|---|"
    for name, part in sorted(report.parts.items()):
        for effect, change in _sorted(part):
            examples = " ".join(f"`{example}`" for example in change.examples)
            yield f"| {name} | {_words(effect)} | {change.calls} | {examples} |"
    yield "\n| automation | calls | cost before | cost after |\n|---|---|---|---|"
    for name, part in sorted(report.parts.items()):
        after = f"${part.new_cost_usd:.4f}" + (f" ({part.unpriced} calls without a price)" if part.unpriced else "")
        yield f"| {name} | {part.calls} | ${part.cost_usd:.4f} | {after} |"
    unknown = [(name, *item) for name, part in sorted(report.parts.items()) for item in sorted(part.unknown.items())]
    if unknown:
        yield "\nNot known without more than the records hold:\n"
    yield from (f"- {name}, {calls} calls: {reason}" for name, reason, calls in unknown)
    yield from (f"- {_stopped(stop)}" for stop in report.stops)


def _stopped(stop: Stop) -> str:
    times = "period" if stop.periods == 1 else "periods"
    where = f"{stop.policy}: {stop.rule} ({stop.scope})"
    return f"{where} would have been reached in {stop.periods} {times}, stopping about {stop.calls} calls"


def _words(effect: Effect) -> str:
    return f"{effect.what}: {effect.before} -> {effect.after}"


def _money(part: Part) -> str:
    words = f"${part.cost_usd:.4f} -> ${part.new_cost_usd:.4f}"
    return f"{words}, {part.unpriced} calls without a price" if part.unpriced else words


def _sorted(part: Part) -> list[tuple[Effect, Change]]:
    return sorted(part.effects.items(), key=lambda item: (-item[1].calls, item[0]))


def _plain(part: Part) -> Mapping[str, Any]:
    effects = [{**effect._asdict(), **asdict(change)} for effect, change in _sorted(part)]
    figures = {name: getattr(part, name) for name in ("calls", "changed", "cost_usd", "new_cost_usd", "unpriced")}
    return {**figures, "effects": effects, "unknown": dict(part.unknown)}
