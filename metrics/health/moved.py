"""What movers are made of: measures that can move, changes, and both read from the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from metrics.health.compare import Comparison, Slices
from metrics.health.measures import Ask

FALSE_PER_LOOK: Final = 0.05  # movers expected per automation and look on unchanged traffic: 0.65 in a quarter of weeks
_COLUMNS: Final = ("k", "n", "kk", "kn", "nn", "slice")
_FIELDS: Final[Mapping[str, Any]] = {"from": "old", "to": "new"}


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
class Reason:
    """Why something moved where no change explains it.

    `model`: calls waited longer or shorter for that model (milliseconds); `read`, `written`: they had another number of
    tokens; `recovery`: the week before was the odd one. `before` and `after` are medians, or means of tokens.
    """

    kind: Literal["model", "read", "written", "recovery"]
    name: str = ""
    before: float = 0.0
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Mover:
    """One measure that moved further than chance explains. `causes`: changes it follows, the best supported first.

    `typical`: of ranked measures the figures to show, before and after: median milliseconds, or USD for each run.
    `since_us`: when it turned, to the day where no change says better; 0: unknown. `told`: last week, too.
    """

    subject: Subject
    comparison: Comparison
    worse: bool
    causes: tuple[Cause, ...] = ()
    typical: tuple[float, float] | None = None
    reason: Reason | None = None
    since_us: int = 0
    told: bool = False


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


def changes_in(ask: Ask, since_us: int, until_us: int, automation: str | None = None) -> list[Change]:
    """Return what was changed in a range, oldest first."""
    answer = ask("changes", since=since_us, until=until_us, automation=automation)
    return [Change(**{_FIELDS.get(name, name): value for name, value in row.items()}) for row in answer.dicts()]


def _slices(rows: Iterable[Sequence[Any]]) -> Slices:
    return Slices(*zip(*rows, strict=True))
