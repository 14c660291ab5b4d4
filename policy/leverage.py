"""Which workflow to automate next: hours at stake, and how well a workflow is suited to being automated."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from policy.automations import Automation, Leverage

_WEAK: Final = 2
_TOP: Final = 5
_NAMES: Final = {
    "determinism": "the same input calls for different outputs",
    "measurability": "success cannot be counted",
    "ease_of_verification": "nobody sees easily whether an output is right",
    "clarity": "much of it is open to interpretation",
}


class Ranked(NamedTuple):
    """One workflow: `hours` a week at stake, `fit` 0..1, their product as `score`, and what to mend first."""

    automation: Automation
    leverage: Leverage
    hours: float
    fit: float
    score: float
    mend: tuple[str, ...]


def ranked(automations: Iterable[Automation]) -> list[Ranked]:
    """Rank workflows that have grades, the one with the most leverage first."""
    found = [_rank(each, each.leverage) for each in automations if each.leverage is not None]
    return sorted(found, key=lambda rank: (-rank.score, rank.automation.automation))


def _rank(automation: Automation, leverage: Leverage) -> Ranked:
    grades = {
        "determinism": leverage.determinism,
        "measurability": leverage.measurability,
        "ease_of_verification": leverage.ease_of_verification,
        "clarity": _TOP + 1 - leverage.ambiguity,
    }
    hours = leverage.runs_per_week * automation.baseline.minutes_per_task / 60
    fit = (sum(grades.values()) / len(grades) - 1) / (_TOP - 1)
    mend = tuple(_NAMES[name] for name, grade in grades.items() if grade <= _WEAK)
    return Ranked(automation, leverage, hours, fit, hours * fit, mend)
