"""Budgets of a candidate over recorded spending, hour by hour."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.allowances.meter import bounds
from policy.blocks_access import BudgetRule
from policy.snapshot import Snapshot

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stop:
    """One budget that would have been reached: in how many periods, and about how many calls came after."""

    policy: str
    rule: str
    scope: str
    periods: int
    calls: int


def stops(candidate: Snapshot, base: Snapshot, hours: Iterable[Row], factors: Mapping[str, float]) -> Iterator[Stop]:
    """Find the budgets that are new or tighter and would have been reached.

    `factors` give by automation how the cost of calls changes under the candidate.
    """
    rows = list(hours)
    for name, policy in sorted(candidate.policies.items()):
        rules = policy.budget.rules if policy.budget else ()
        before = base.policies.get(name)
        old = before.budget.rules if before and before.budget else ()
        for index, rule in enumerate(rules):
            if rule not in old and rule.enforce == "on":
                mine = [row for row in rows if row["policy"] == name]
                yield from _stopped(name, f"budget.rules[{index}]", rule, mine, factors)


def _stopped(
    policy: str, place: str, rule: BudgetRule, rows: Iterable[Row], factors: Mapping[str, float]
) -> Iterator[Stop]:
    spent: dict[tuple[str, int], float] = defaultdict(float)
    late: dict[tuple[str, int], int] = defaultdict(int)
    for row in rows:
        key = (_scope(rule, row), bounds(rule.period, row["hour_us"])[0])
        if _over(rule, spent[key]):
            late[key] += row["calls"]
        elif _over(rule, spent[key] + _used(rule, row, factors)):
            late[key] += row["calls"] // 2  # somewhere within the hour
        spent[key] += _used(rule, row, factors)
    for scope in sorted({scope for scope, _ in late}):
        periods = [count for (each, _), count in late.items() if each == scope]
        yield Stop(policy, place, scope, len(periods), sum(periods))


def _used(rule: BudgetRule, row: Row, factors: Mapping[str, float]) -> float:
    if rule.usd is None:
        return float(row["tokens"])
    return float(row["usd"]) * factors.get(row["automation"] or "", 1.0)


def _over(rule: BudgetRule, spent: float) -> bool:
    cap = rule.usd if rule.usd is not None else rule.tokens
    return cap is not None and spent >= cap


def _scope(rule: BudgetRule, row: Row) -> str:
    value = row["key_id"] if rule.scope == "key" else row.get(rule.scope)
    return f"{rule.scope} {value or '-'}"
