"""Names and figures of objectives as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, log10
from typing import Any, Final

OBJECTIVE_NAMES: Final[Mapping[str, str]] = {
    "success": "task success",
    "override": "human override",
    "error": "failed calls",
    "latency_p95_s": "time of a call (95 %)",
    "cost_per_success_usd": "cost per success",
    "hold_age_p95_s": "wait of holds (95 %)",
}
_SHARES: Final = ("success", "override", "error")
_MINUTE, _HOUR = 60.0, 3600.0


def shown(objective: str, value: float | None) -> str:
    """Return an objective's value for reading."""
    if value is None:
        return "unknown"
    if objective in _SHARES:
        return f"{value:.1%}"
    if objective.endswith("_usd"):
        return dollars(value)
    return seconds(value)


def dollars(usd: float) -> str:
    """Return an amount with as many digits as it needs: two that say something, and four places from a cent on."""
    if usd == 0 or usd >= 1:
        return f"${usd:,.2f}" if usd else "$0"
    return f"${usd:.4f}" if usd >= 0.01 else f"${usd:.{min(8, 1 - floor(log10(abs(usd))))}f}"


def seconds(value: float) -> str:
    """Return a span of time for reading."""
    if value < _MINUTE:
        return f"{value:.1f} s"
    return f"{value / _MINUTE:.0f} min" if value < 2 * _HOUR else f"{value / _HOUR:.1f} h"


def interval(objective: str, figure: Mapping[str, Any]) -> str:
    """Return a value with its interval, where it has one."""
    said = shown(objective, figure["value"])
    if figure["value"] is None or figure["low"] is None:
        return said
    return f"{said} ({shown(objective, figure['low'])} to {shown(objective, figure['high'])})"


def bound_text(each: Mapping[str, Any]) -> str:
    """Return what a target or criterion asks."""
    asked = [
        f"{word} {shown(each['measure'], each[key])}"
        for key, word in (("at_least", "at least"), ("at_most", "at most"))
        if each.get(key) is not None
    ]
    return f"{' and '.join(asked)}{' over ' + str(each['over']) if 'over' in each else ''}"
