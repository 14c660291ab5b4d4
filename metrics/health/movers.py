"""What moved between two stretches of time, and which change it follows: a ranked list with its evidence."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from metrics.health.compare import Comparison, Slices, compare
from metrics.health.measures import Ask, Span, evaluate
from metrics.record.calendar import DAY_US

FALSE_PER_LOOK: Final = 0.05  # movers expected per automation and look on unchanged traffic: 0.65 in a quarter of weeks
_BEFORE_DAYS: Final = 28
_AROUND_US: Final = 14 * DAY_US
_MOST_CHANGES: Final = 60
_TOGETHER_US: Final = 6 * 3_600_000_000
_COLUMNS: Final = ("k", "n", "kk", "kn", "nn")


class Kind(NamedTuple):
    """How a measure is compared. `matters`: a smaller difference is not told; `ranks`: its share is a mean rank."""

    label: str
    more_is_better: bool
    matters: float
    ranks: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "success": Kind("task success", True, 0.005),
    "override": Kind("human override of what was seen", False, 0.005),
    "errors": Kind("the share of calls that failed", False, 0.002),
    "refusals": Kind("the share of calls that were refused", False, 0.005),
    "withheld": Kind("the share of answers that were withheld or replaced", False, 0.005),
    "cost": Kind("the cost of a run", False, 0.02, ranks=True),
    "latency": Kind("the time of a call", False, 0.02, ranks=True),
    "slow": Kind("the share of slow calls (above the 95th percentile of both stretches)", False, 0.005),
}


class Subject(NamedTuple):
    """What is compared: a measure of an automation, of some also by step."""

    automation: str | None
    measure: str
    step: str


Pairs = Mapping[Subject, tuple[Slices, Slices]]  # days before and after a moment


@dataclass(frozen=True, slots=True)
class Change:
    """Something that was changed. `automation` None: everywhere."""

    ts_us: int
    automation: str | None
    what: str
    name: str
    old: str | None
    new: str | None
    calls: int | None


@dataclass(frozen=True, slots=True)
class Cause:
    """A change that a movement follows, and the measure before and after that moment."""

    change: Change
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Mover:
    """One measure that moved further than chance explains. `causes`: changes it follows, the best supported first.

    `typical`: of ranked measures the figures to show, before and after: median milliseconds, or USD for each run.
    """

    subject: Subject
    comparison: Comparison
    worse: bool
    causes: tuple[Cause, ...] = ()
    typical: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """What a look found. `visible`: for each comparison the smallest difference that such a volume would show."""

    movers: tuple[Mover, ...]
    changes: tuple[Change, ...]
    visible: Mapping[Subject, float]


def week_movement(ask: Ask, week: Span, automation: str | None = None) -> Movement:
    """Compare a week (or another span) with the four weeks before it, and the days around each change in it.

    Half of `FALSE_PER_LOOK` goes to each, so that it bounds both together.
    """
    before_us = week.since_us - _BEFORE_DAYS * DAY_US
    found, visible = movers(pairs(ask, before_us, week.since_us, week.until_us, automation))
    changes = changes_in(ask, week.since_us - 7 * DAY_US, week.until_us, automation)[-_MOST_CHANGES:]
    around = _around(ask, changes, week.until_us, automation)
    inside = [(change, both) for change, both in around if change.ts_us >= week.since_us]
    found += [mover for mover in after_changes(inside) if mover.subject not in {each.subject for each in found}]
    found.sort(key=lambda mover: (not mover.worse, -abs(mover.comparison.statistic)))
    earlier = Span(before_us, week.since_us, week.tz)
    told = [
        replace(mover, causes=causes(mover, around), typical=_typical(ask, mover.subject, earlier, week))
        for mover in found
    ]
    return Movement(tuple(told), tuple(change for change, _ in inside), visible)


def pairs(ask: Ask, since_us: int, split_us: int, until_us: int, automation: str | None = None) -> Pairs:
    """Return for each subject its days before and after a moment; subjects without both are left out."""
    answer = ask("movement", since=since_us, split=split_us, until=until_us, automation=automation)
    rows: dict[tuple[Subject, bool], list[list[float]]] = defaultdict(list)
    for row in answer.dicts():
        subject = Subject(row["automation"], row["measure"], row["step"])
        rows[subject, row["late"]].append([row[name] for name in _COLUMNS])
    subjects = {subject for subject, _ in rows}
    both = [each for each in subjects if (each, True) in rows and (each, False) in rows]
    return {each: (_slices(rows[each, False]), _slices(rows[each, True])) for each in sorted(both, key=str)}


def movers(found: Pairs) -> tuple[list[Mover], dict[Subject, float]]:
    """Return what moved, and for every subject what would have been seen.

    The level of each comparison is a share of what is allowed to its automation (Bonferroni), which bounds the number
    of false movers to be expected whatever the comparisons have to do with each other.
    """
    looks = Counter(subject.automation for subject in found)
    moved, visible = [], {}
    for subject, both in found.items():
        level = FALSE_PER_LOOK / 2 / looks[subject.automation]
        comparison = compare(*both, level, counts=not KINDS[subject.measure].ranks)
        if comparison is not None:
            visible[subject] = max(comparison.visible, KINDS[subject.measure].matters)
            moved += _moved(subject, comparison, level)
    return moved, visible


def after_changes(around: Sequence[tuple[Change, Pairs]]) -> list[Mover]:
    """Return what moved at a change, be it too late in a week for the week as a whole to show it."""
    looks = Counter(subject.automation for _, found in around for subject in found)
    best: dict[Subject, Mover] = {}
    for _, found in around:
        for subject, both in found.items():
            level = FALSE_PER_LOOK / 2 / looks[subject.automation]
            comparison = compare(*both, level, counts=not KINDS[subject.measure].ranks)
            for mover in _moved(subject, comparison, level) if comparison else []:
                known = best.get(subject, mover)
                best[subject] = max(known, mover, key=lambda each: abs(each.comparison.statistic))
    return list(best.values())


def _moved(subject: Subject, comparison: Comparison, level: float) -> list[Mover]:
    kind = KINDS[subject.measure]
    if comparison.p >= level or abs(comparison.difference) < kind.matters:
        return []
    return [Mover(subject, comparison, (comparison.difference > 0) != kind.more_is_better)]


def changes_in(ask: Ask, since_us: int, until_us: int, automation: str | None = None) -> list[Change]:
    """Return what was changed in a range, oldest first."""
    answer = ask("changes", since=since_us, until=until_us, automation=automation)
    return [Change(**{_FIELDS.get(name, name): value for name, value in row.items()}) for row in answer.dicts()]


def causes(mover: Mover, around: Sequence[tuple[Change, Pairs]]) -> tuple[Cause, ...]:
    """Return the changes that a movement follows: the measure differs before and after them, the same way."""
    about = [(change, found[mover.subject]) for change, found in around if mover.subject in found]
    level, counts = FALSE_PER_LOOK / max(1, len(about)), not KINDS[mover.subject.measure].ranks
    compared = [(change, compare(*both, level, counts)) for change, both in about]
    sure = [Cause(change, found) for change, found in compared if found is not None and found.p < level]
    same = [cause for cause in sure if cause.comparison.difference * mover.comparison.difference > 0]
    return tuple(sorted(same, key=lambda cause: -abs(cause.comparison.statistic)))


def _around(ask: Ask, changes: Sequence[Change], until_us: int, automation: str | None) -> list[tuple[Change, Pairs]]:
    """Return what was measured around each change; those of the same hours (one activation) share one look."""
    found: list[tuple[Change, Pairs]] = []
    since_us = 0
    both: Pairs = {}
    for change in changes:
        if not found or change.ts_us - since_us > _TOGETHER_US:
            since_us, until = change.ts_us, min(until_us, change.ts_us + _AROUND_US)
            both = pairs(ask, since_us - _AROUND_US, since_us, until, automation)
        mine = {each: two for each, two in both.items() if change.automation in (None, each.automation)}
        found.append((change, mine))
    return found


def _typical(ask: Ask, subject: Subject, before: Span, after: Span) -> tuple[float, float] | None:
    if not KINDS[subject.measure].ranks:
        return None
    found = [_figure(ask, subject, span) for span in (before, after)]
    return None if None in found else (found[0] or 0.0, found[1] or 0.0)


def _figure(ask: Ask, subject: Subject, span: Span) -> float | None:
    if subject.measure == "latency":
        values = evaluate(ask, "latency", span, automation=subject.automation, by="step")
        return next((v.value for v in values if v.part == "total_p50" and (v.group or "") == subject.step), None)
    cost = evaluate(ask, "cost", span, automation=subject.automation)
    runs = evaluate(ask, "volume", span, automation=subject.automation)
    spent = next((v.value for v in cost if v.part == "total"), None)
    count = next((v.value for v in runs if v.part == "runs"), None)
    return spent / count if spent is not None and count else None


def _cause(ask: Ask, mover: Mover, change: Change, until_us: int, looks: int) -> Cause | None:
    since_us, until = change.ts_us - _AROUND_US, min(until_us, change.ts_us + _AROUND_US)
    pair = pairs(ask, since_us, change.ts_us, until, mover.subject.automation).get(mover.subject)
    level = FALSE_PER_LOOK / looks
    comparison = compare(*pair, level, counts=not KINDS[mover.subject.measure].ranks) if pair else None
    if comparison is None or comparison.p >= level:
        return None
    return Cause(change, comparison) if comparison.difference * mover.comparison.difference > 0 else None


def _slices(rows: Iterable[Sequence[float]]) -> Slices:
    return Slices(*zip(*rows, strict=True))


_FIELDS: Final[Mapping[str, Any]] = {"from": "old", "to": "new"}
