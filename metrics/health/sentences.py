"""Movers and changes in plain sentences, with the figures they rest on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from metrics.health.moved import KINDS, Cause, Change, Mover, Reason, Subject

_WHAT: Final = {
    "prompt": "prompt",
    "policy": "policy",
    "model": "model of step",
    "price": "price of",
    "code": "code of",
}
_NOTHING: Final = "No recorded change explains it."
_REASONS: Final[Mapping[str, Callable[[Reason], str]]] = {
    "model": lambda why: (
        f"The time is spent waiting for the model {why.name}: {why.before:,.0f} ms before, {why.after:,.0f} ms now "
        "at the median. No recorded change explains that."
    ),
    "read": lambda why: f"A call reads {why.after:,.0f} tokens, before {why.before:,.0f}. {_NOTHING}",
    "written": lambda why: f"An answer has {why.after:,.0f} tokens, before {why.before:,.0f}. {_NOTHING}",
    "recovery": lambda why: "It is back where it was before last week.",
}
_VERBS: Final = {"activated": "came in force", "withdrawn": "was withdrawn", "set": "was set", "lifted": "was lifted"}


def mover_sentence(mover: Mover, tz: str = "UTC") -> str:
    """Tell one mover: what, how far, how sure, since when, and what it follows."""
    subject, found = mover.subject, mover.comparison
    verb = "rose" if found.difference > 0 else "fell"
    said = f"{name_of(subject)}: {KINDS[subject.measure].label} {verb} {_figures(mover)}"
    if not mover.causes:
        back = mover.reason is not None and mover.reason.kind == "recovery"
        since = f", since about {day(mover.since_us, tz)}" if mover.since_us and not back else ""
        return f"{said}{since}. {_REASONS[mover.reason.kind](mover.reason) if mover.reason else _NOTHING}"
    others = len(mover.causes) - 1
    more = f" {others} other change{'s' * (others > 1)} of these days would explain it too." if others else ""
    return f"{said}. {cause_sentence(mover.subject, mover.causes[0], tz)}{more}"


def cause_sentence(subject: Subject, cause: Cause, tz: str = "UTC") -> str:
    """Tell a change and the measure around it."""
    found = cause.comparison
    told = f"It follows a change: {change_sentence(cause.change, tz)}"
    if KINDS[subject.measure].ranks:
        return f"{told}; {_odds(found.difference)} than before it."
    return f"{told}; before it {found.before:.1%}, since {found.after:.1%}."


def change_sentence(change: Change, tz: str = "UTC") -> str:
    """Tell a change."""
    when = f"{day(change.ts_us, tz)} {_there(change.ts_us, tz):%H:%M}"
    if change.what in _WHAT:
        old, new = (_version(change, value or "") for value in (change.old, change.new))
        return f"{_WHAT[change.what]} {change.name} went from {old} to {new} on {when}"
    if change.what == "split":
        return f"split {change.name} moved from {change.old} to {change.new} on {when}"
    return f"{change.what} {change.name} {_VERBS.get(change.new or '', change.new or '')} on {when}".replace("  ", " ")


def day(at_us: int, tz: str) -> str:
    """Return the day of a moment."""
    at = _there(at_us, tz)
    return f"{at:%a} {at.day} {at:%b}"


def _there(at_us: int, tz: str) -> datetime:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).astimezone(ZoneInfo(tz))


def _version(change: Change, value: str) -> str:
    """Leave out what the name says already, as in `draft@3` of the prompt `draft`."""
    short = value.removeprefix(f"{change.name}@")
    if short == value:
        return value
    return f"that of {short}" if change.what == "price" else f"version {short}"


def visible_sentence(subject: Subject, visible: float) -> str:
    """Say how large a difference would have been seen."""
    size = _size(subject, visible)
    label = KINDS[subject.measure].label
    return f"{name_of(subject)}: at this volume a change of {label} {size} is seen in four of five weeks."


def name_of(subject: Subject) -> str:
    """Name an automation and its step."""
    return f"{subject.automation or '(no automation)'}{', step ' + subject.step if subject.step else ''}"


def _figures(mover: Mover) -> str:
    found = mover.comparison
    chance = "less than 1 in 10,000" if found.p < 1e-4 else f"1 in {float(f'{1 / found.p:.2g}'):,.0f}"
    low, high = sorted((abs(found.low), abs(found.high)))
    if KINDS[mover.subject.measure].ranks:
        return f"{_typical(mover)}({_odds(found.difference)} than before; by chance alone: {chance})"
    sure = f"by {100 * low:.0f} to {100 * high:.0f} points with 95 %; by chance alone: {chance}"
    return f"from {found.before:.1%} to {found.after:.1%} ({sure})"


def _typical(mover: Mover) -> str:
    if mover.typical is None:
        return ""
    before, after = mover.typical
    if mover.subject.measure == "cost":
        return f"from ${before:.4f} to ${after:.4f} "
    return f"from {before:,.0f} ms to {after:,.0f} ms at the median "


def _odds(difference: float) -> str:
    """Say how often a value from after is above one from before."""
    return f"in {0.5 + abs(difference):.0%} of pairs {'higher' if difference > 0 else 'lower'}"


def _size(subject: Subject, visible: float) -> str:
    if KINDS[subject.measure].ranks:
        return f"that makes it higher (or lower) in {0.5 + visible:.0%} of pairs instead of half"
    return f"by {100 * visible:.1f} points"
