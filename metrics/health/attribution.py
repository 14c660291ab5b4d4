"""Since when something moved, which change it follows, and what else explains it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from metrics.health.compare import Slices, compare, turning
from metrics.health.measures import Ask, Span, Value, evaluate
from metrics.health.moved import FALSE_PER_LOOK, KINDS, Cause, Change, Mover, Pairs, Reason, pairs
from metrics.record.calendar import DAY_US

_AROUND_US: Final = 14 * DAY_US
_NEAR_US: Final = 4 * DAY_US  # further from the turn than that no change is looked at
_TOGETHER_US: Final = 6 * 3_600_000_000
_WEEK: Final = 7
# By how much another day may split the measure better (likelihood ratio) than a change does that is to explain it: the
# 95 % confidence set of a turning point (Hansen 2000, "Sample splitting and threshold estimation").
_TURN: Final = 7.35
# What a change cannot move is not blamed on it. A withdrawal follows bad outcomes: it explains only what it holds back.
_MOVES: Final[Mapping[str, tuple[str, ...]]] = {
    "price": ("cost",),
    "certificate withdrawn": ("withheld",),
    "certificate": ("withheld", "success", "override"),
    "stop": ("withheld", "refusals"),
}
_MOST_OF: Final = 0.7  # of what a call takes longer is waiting for the model, if that is to explain it
_FAR: Final = 0.1  # of the median wait: a smaller difference explains nothing
_TOKENS: Final = 0.2  # by so much must the tokens of a call differ to explain anything
_READ: Final = ("input", "cached_input", "cache_write", "audio_input", "image_input")
_WRITTEN: Final = ("output", "reasoning", "audio_output", "image_output")


@dataclass
class Around:
    """What was measured around each change; changes of the same hours (one activation) share one look."""

    ask: Ask
    until_us: int
    automation: str | None
    changes: Sequence[Change]
    _looks: dict[int, Pairs] = field(default_factory=dict)

    def of(self, change: Change) -> Pairs:
        """Return the fourteen days before and after, of the automations that it is about."""
        together = next(each for each in self._moments if change in each)
        moment = together[0].ts_us
        if moment not in self._looks:
            until_us = min(self.until_us, moment + _AROUND_US)
            about = {each.automation for each in together}
            only = self.automation if len(about) > 1 else about.pop() or self.automation
            self._looks[moment] = pairs(self.ask, moment - _AROUND_US, moment, until_us, only)
        found = self._looks[moment]
        return {subject: both for subject, both in found.items() if change.automation in (None, subject.automation)}

    @cached_property
    def _moments(self) -> list[list[Change]]:
        """Return the changes by the activation they are of."""
        found: list[list[Change]] = []
        for each in self.changes:
            if found and each.ts_us - found[-1][0].ts_us <= _TOGETHER_US:
                found[-1].append(each)
            else:
                found.append([each])
        return found


@dataclass(frozen=True, slots=True)
class Look:
    """What one look compares, and the changes that it knows."""

    before: Span
    after: Span
    changes: Sequence[Change]
    around: Around


def explained(ask: Ask, mover: Mover, days: tuple[Slices, Slices] | None, look: Look) -> Mover:
    """Say of a mover since when, and why."""
    up = mover.comparison.difference > 0
    turn = turning(days[0] + days[1], up) if days else None
    since_us = 0 if turn is None or days is None else look.before.since_us + _day(days, turn[0]) * DAY_US
    found = causes(mover, [change for change in look.changes if _may(change, mover, since_us)], look.around)
    if found:
        return replace(mover, causes=found, since_us=found[0].change.ts_us)
    return replace(mover, since_us=since_us, reason=_reason(ask, mover, days, look))


def causes(mover: Mover, changes: Sequence[Change], around: Around) -> tuple[Cause, ...]:
    """Return the changes that a movement follows, the best supported first.

    The measure differs before and after them, the same way, and no other day splits it clearly better.
    """
    found = [(change, around.of(change).get(mover.subject)) for change in changes]
    about = [(change, both) for change, both in found if both is not None]
    level, counts = FALSE_PER_LOOK / max(1, len(about)), not KINDS[mover.subject.measure].ranks
    up, sure = mover.comparison.difference > 0, []
    for change, both in about:
        comparison = compare(*both, level, counts)
        if comparison is None or comparison.p >= level or (comparison.difference > 0) != up:
            continue
        if _at_the_turn(both[0] + both[1], comparison.statistic, up):
            sure.append(Cause(change, comparison))
    return tuple(sorted(sure, key=lambda cause: -abs(cause.comparison.statistic)))


def _at_the_turn(days: Slices, statistic: float, up: bool) -> bool:
    best, count = turning(days, up), len(days.n)
    if best is None:
        return True
    there, here = (1 + each * each / (count - 2) for each in (best[1], statistic))
    return count * math.log(there / here) <= _TURN


def _may(change: Change, mover: Mover, since_us: int) -> bool:
    moves = _MOVES.get(f"{change.what} {change.new}") or _MOVES.get(change.what)
    near = not since_us or abs(change.ts_us - since_us) <= _NEAR_US
    return near and (moves is None or mover.subject.measure in moves)


def _day(days: tuple[Slices, Slices], place: int) -> int:
    return [*days[0].at, *days[1].at][place]


def _reason(ask: Ask, mover: Mover, days: tuple[Slices, Slices] | None, look: Look) -> Reason | None:
    if days is not None and _recovered(mover, *days):
        return Reason("recovery")
    measure = mover.subject.measure
    if measure not in ("latency", "slow", "cost"):
        return None
    return _tokens(ask, mover, look) or (None if measure == "cost" else _waiting(ask, mover, look))


def _recovered(mover: Mover, before: Slices, after: Slices) -> bool:
    """Say whether the week before was the odd one, and the week is like those before it."""
    last = next((place for place, day in enumerate(before.at) if day >= 3 * _WEEK), len(before.at))
    counts = not KINDS[mover.subject.measure].ranks
    odd = compare(before[:last], before[last:], 0.01, counts)
    back, like = compare(before[last:], after, 0.01, counts), compare(before[:last], after, 0.05, counts)
    if odd is None or back is None or like is None or max(odd.p, back.p) >= 0.01:
        return False
    return odd.difference * back.difference < 0 and abs(like.difference) < 0.25 * abs(odd.difference)


def _waiting(ask: Ask, mover: Mover, look: Look) -> Reason | None:
    """Name the model that calls waited for, if that is where their time went."""
    before, after = (
        {(v.group, v.part): v for v in _asked(ask, "latency", mover, span, "model")}
        for span in (look.before, look.after)
    )
    models = [name for name, part in after if part == "total_p50" and name and (name, part) in before]
    for name in sorted(models, key=lambda model: -(after[model, "total_p50"].n or 0))[:1]:
        total, waited = (
            (after[name, part].value or 0.0) - (before[name, part].value or 0.0)
            for part in ("total_p50", "upstream_p50")
        )
        both = (before[name, "upstream_p50"].value or 0.0, after[name, "upstream_p50"].value or 0.0)
        far = abs(waited) >= _FAR * both[0]
        if far and total * mover.comparison.difference > 0 and waited / total >= _MOST_OF:
            return Reason("model", name, *both)
    return None


def _tokens(ask: Ask, mover: Mover, look: Look) -> Reason | None:
    """Say whether calls read or wrote so many more or fewer tokens that this explains it."""
    before, after = (_of_a_call(ask, mover, span) for span in (look.before, look.after))
    found = [
        Reason(kind, "", before[kind], after[kind])
        for kind in ("written", "read")
        if before[kind] and abs(after[kind] / before[kind] - 1) >= _TOKENS
    ]
    way = mover.comparison.difference
    return next((each for each in found if (each.after - each.before) * way > 0), None)


def _of_a_call(ask: Ask, mover: Mover, span: Span) -> dict[str, float]:
    sums = {v.part: v.value or 0.0 for v in _asked(ask, "tokens", mover, span)}
    calls = next((v.value or 0.0 for v in _asked(ask, "volume", mover, span) if v.part == "answered"), 0.0)
    kinds = {"read": _READ, "written": _WRITTEN}
    return {kind: sum(sums.get(part, 0.0) for part in parts) / (calls or 1.0) for kind, parts in kinds.items()}


def _asked(ask: Ask, measure: str, mover: Mover, span: Span, by: str | None = None) -> list[Value]:
    return evaluate(ask, measure, span, automation=mover.subject.automation, by=by)
