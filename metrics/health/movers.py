"""What moved between two stretches of time, and which change it follows: a ranked list with its evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from metrics.health.attribution import Around, Look, explained
from metrics.health.compare import Comparison, compare
from metrics.health.measures import Ask, Span, evaluate
from metrics.health.moved import FALSE_PER_LOOK, KINDS, Change, Mover, Pairs, Subject, changes_in, pairs
from metrics.record.calendar import DAY_US

_BEFORE_DAYS: Final = 28
_MOST_CHANGES: Final = 60


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
    both = pairs(ask, before_us, week.since_us, week.until_us, automation)
    found, visible = movers(both)
    changes = changes_in(ask, before_us, week.until_us, automation)[-_MOST_CHANGES:]
    inside = [change for change in changes if change.ts_us >= week.since_us]
    around = Around(ask, week.until_us, automation, changes)
    late = after_changes([(change, around.of(change)) for change in inside])
    found += [mover for mover in late if mover.subject not in {each.subject for each in found}]
    found.sort(key=lambda mover: (not mover.worse, -abs(mover.comparison.statistic)))
    look = Look(Span(before_us, week.since_us, week.tz), week, changes, around)
    known = _told_before(ask, week, automation) if found else set()
    told = [_told(ask, mover, both, look, known) for mover in found]
    return Movement(tuple(told), tuple(inside), visible)


def _told(ask: Ask, mover: Mover, both: Pairs, look: Look, known: set[tuple[Subject, bool]]) -> Mover:
    """Add to a mover the figures to show, since when and why, and whether last week told it."""
    found = explained(ask, mover, both.get(mover.subject), look)
    typical = _typical(ask, mover.subject, look.before, look.after)
    again = found.since_us < look.after.since_us and (mover.subject, mover.worse) in known
    return replace(found, typical=typical, told=again)


def _told_before(ask: Ask, week: Span, automation: str | None) -> set[tuple[Subject, bool]]:
    """Return what the look a week earlier told."""
    begin_us = week.since_us - 7 * DAY_US
    found, _ = movers(pairs(ask, begin_us - _BEFORE_DAYS * DAY_US, begin_us, week.since_us, automation))
    return {(mover.subject, mover.worse) for mover in found}


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
