"""How an automation stands against what its file in the registry asks of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from metrics.health.measures import Ask, Span, Value, evaluate

State = Literal["kept", "missed", "unsure", "unknown"]
_FEWEST: Final = 20  # below so many, a figure without an interval says nothing
_Z2: Final = 1.959964**2

# Which measure and part each objective is, and by what its value is multiplied.
_PARTS: Final[Mapping[str, tuple[str, str, float]]] = {
    "success": ("success", "success", 1.0),
    "override": ("override", "of_seen", 1.0),
    "latency_p95_s": ("latency", "total_p95", 0.001),
    "cost_per_success_usd": ("cost_per_success", "total", 1.0),
    "hold_age_p95_s": ("holds", "age_p95_h", 3600.0),
}


class Figure(NamedTuple):
    """One objective's value with its interval, where it has one, and how many it rests on."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


Figures = dict[tuple[str | None, str | None], dict[str, Figure]]  # by bucket and automation, then by objective


def figures(ask: Ask, span: Span, bucket: str | None = None, automation: str | None = None) -> Figures:
    """Return every objective of every automation, by bucket of time. Raises what `ask` raises."""
    found: Figures = {}
    asked = {measure for measure, _, _ in _PARTS.values()} | {"volume"}
    given = {"by": "automation", "bucket": bucket, "automation": automation}
    answers = {measure: evaluate(ask, measure, span, **given) for measure in sorted(asked)}
    for objective, (measure, part, times) in _PARTS.items():
        sizes = _counts(answers["holds"], "opened") if measure == "holds" else {}
        for value in answers[measure]:
            if value.part == part and value.value is not None:
                place = (value.bucket, value.group)
                found.setdefault(place, {})[objective] = _figure(value, times, sizes.get(place))
    for place, figure in _errors(answers["volume"]).items():
        found.setdefault(place, {})["error"] = figure
    return found


def judged(figure: Figure | None, at_least: float | None, at_most: float | None) -> State:
    """Say whether a bound is kept; `unsure` when chance may have decided that."""
    if figure is None or figure.value is None:
        return "unknown"
    low, high = figure.low, figure.high
    if low is None or high is None:
        if figure.n < _FEWEST:
            return "unsure"
        low = high = figure.value
    if (at_least is not None and high < at_least) or (at_most is not None and low > at_most):
        return "missed"
    kept = (at_least is None or figure.value >= at_least) and (at_most is None or figure.value <= at_most)
    return "kept" if kept else "unsure"


def bounds(targets: Iterable[Mapping[str, Any]], found: Mapping[str, Figure]) -> list[dict[str, Any]]:
    """Return each target or rollback criterion of the registry with how it stands."""
    return [
        {
            **{name: value for name, value in each.items() if value is not None},
            **_shown(found.get(each["measure"])),
            "state": judged(found.get(each["measure"]), each.get("at_least"), each.get("at_most")),
        }
        for each in targets
    ]


def _shown(figure: Figure | None) -> dict[str, Any]:
    return dict(zip(Figure._fields, figure or Figure(), strict=True))


def _figure(value: Value, times: float, size: int | None) -> Figure:
    low, high = (None if each is None else each * times for each in (value.low, value.high))
    assert value.value is not None
    return Figure(value.value * times, low, high, int(size if size is not None else value.n or 0))


def _counts(values: Iterable[Value], part: str) -> dict[tuple[str | None, str | None], int]:
    return {(each.bucket, each.group): int(each.value or 0) for each in values if each.part == part}


def _errors(volume: list[Value]) -> dict[tuple[str | None, str | None], Figure]:
    calls, failed = _counts(volume, "calls"), _counts(volume, "failed")
    return {place: wilson(failed.get(place, 0), n) for place, n in calls.items() if n}


def wilson(k: int, n: int) -> Figure:
    """Return a share with its 95 % interval."""
    share, z = k / n, _Z2 / n
    spread = math.sqrt(_Z2 * (share * (1 - share) / n + _Z2 / (4 * n * n)))
    low, high = ((share + z / 2 + sign * spread) / (1 + z) for sign in (-1, 1))
    return Figure(share, max(0.0, low), min(1.0, high), n)
