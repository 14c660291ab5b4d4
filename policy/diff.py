"""What changed between two snapshots, in words, and whether each change tightens or loosens."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from policy.kinds import expand
from policy.model import Policy
from policy.rules import min_score, rule_for
from policy.snapshot import Snapshot
from policy.stricter import MEDIA, NAMES, OPERATORS
from policy.values import Block, Direction, dump, parse_duration

Tendency = Literal["stricter", "looser", "changed"]
_Rank = Callable[[Any], Any]
_ABSENT = object()
_ALL_READABLE = 1 << 30


@dataclass(frozen=True, slots=True)
class Change:
    """One difference; `before` and `after` are plain JSON values, None where there is nothing."""

    policy: str
    path: str
    before: Any
    after: Any
    tendency: Tendency = "changed"

    def __str__(self) -> str:
        where = f"{self.policy}: {self.path}" if self.path else self.policy
        if self.before is _ABSENT:
            words = f"{where} added: {_short(self.after)}" if self.path else f"{where} added"
        elif self.after is _ABSENT:
            words = f"{where} removed, was {_short(self.before)}" if self.path else f"{where} removed"
        else:
            words = f"{where}: {_short(self.before)} -> {_short(self.after)}"
        return words if self.tendency == "changed" else f"{words} ({self.tendency})"


def diff(old: Snapshot, new: Snapshot) -> list[Change]:
    """List the differences of two snapshots, policies first, then certificates, providers and prices."""
    before, after = old.policies, new.policies
    changes: list[Change] = []
    for name in sorted({*before, *after}):
        if name not in after:
            changes.append(Change(name, "", before[name].owner, _ABSENT))
        elif name not in before:
            changes.append(Change(name, "", _ABSENT, after[name].owner))
        else:
            changes.extend(_policy_changes(name, before[name], after[name]))
    changes.extend(_blocks("certificates", _certificates(old), _certificates(new)))
    changes.extend(_blocks("providers.yaml", old.providers, new.providers))
    changes.extend(_blocks("prices.yaml", _prices(old), _prices(new)))
    return changes


def _policy_changes(name: str, before: Policy, after: Policy) -> Iterator[Change]:
    for path, was, now in _leaves(dump(before), dump(after)):
        rule = re.match(r"redaction\.(request|answer)\.(\w+)", path)
        tendency = _of_rule(before, after, rule[1], rule[2]) if rule else _tendency(path, was, now)
        yield Change(name, path, was, now, tendency)


def _blocks(file: str, before: Mapping[str, Block], after: Mapping[str, Block]) -> Iterator[Change]:
    for key in sorted({*before, *after}):
        was, now = (dump(side[key]) if key in side else _ABSENT for side in (before, after))
        yield from (Change(file, path, one, other) for path, one, other in _leaves(was, now, key))


def _certificates(snapshot: Snapshot) -> dict[str, Block]:
    return {each.certificate: each for each in snapshot.certificates.by_key.values()}


def _prices(snapshot: Snapshot) -> dict[str, Block]:
    return {f"{price.provider}/{'+'.join(price.model)}@{price.since}": price for price in snapshot.prices.prices}


def _leaves(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Walk two values and give the smallest parts that differ."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            below = f"{path}.{key}".removeprefix(".")
            yield from _leaves(before.get(key, _ABSENT), after.get(key, _ABSENT), below)
    elif _records(before) and _records(after):
        for index in range(max(len(before), len(after))):
            one, other = (side[index] if index < len(side) else _ABSENT for side in (before, after))
            yield from _leaves(one, other, f"{path}[{index}]")
    else:
        yield path, before, after


def _records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _order(*names: str) -> _Rank:
    return names.index


def _negative(value: Any) -> float:
    return -float(value)


def _brevity(value: Any) -> float:
    return -float(parse_duration(value).total_seconds())  # type: ignore[attr-defined]


def _bar(value: Any) -> float:
    """Give the score that a band asks for; what a certificate asks for counts as the most."""
    return float(value) if isinstance(value, int | float) else 1.0


# Path pattern -> a number that grows with strictness.
_RANKS: Mapping[str, _Rank] = MappingProxyType(
    {
        r".*\.operator": _order(*OPERATORS),
        r".*enforce": _order("observe", "on"),
        r"redaction\..*min_score": _negative,
        r"redaction\.(answer_)?names": _order(*NAMES),
        r"redaction\.media": _order(*MEDIA),
        r"redaction\.on_failure": _order("pass", "block"),
        r"redaction\.restore(_at\..*)?": _order("caller", "never"),
        r"redaction\.allow": lambda value: -len(value),
        r"redaction\.(profiles|presidio)": len,
        r"delivery": _order("live", "buffered"),
        r"failure\.log": _order("serve", "block"),
        r"logging\.provider": _order("caller", "none"),
        r"logging\.(request|answer)": _order("sealed", "none"),
        r"cache\.mode": _order("exact", "off"),
        r"retention\.(content|review|automation)": _brevity,
        r"routing\.(.*\.)?constraints\.min_quality": lambda value: value or 0.0,
        r"routing\.(.*\.)?constraints\.max_(cost_usd|latency_s)": lambda value: -1e12 if value is None else -value,
        r"confidence\.bands\[\d+\]\.verdict": _order("pass", "escalate", "fallback", "hold", "block"),
        r"confidence\.bands\[\d+\]\.at_least": _bar,
        r"confidence\.certified\.(alpha|delta)": _negative,
        r"confidence\.certified\.audit_rate": float,
        r"hold\.at_deadline": _order("release", "fallback", "reject"),
        r"hold\.self_approval": lambda value: value is False,
        r"confidence\.unscored": _order("pass", "escalate", "fallback", "hold", "block"),
        r"tools\.(rules\[\d+\]\.action|default)": _order("allow", "hold", "deny"),
        r"(budget|limits)\..*(usd|tokens|per_minute|calls)": lambda value: -1e18 if value is None else -value,
    }
)


def _tendency(path: str, before: Any, after: Any) -> Tendency:
    if re.fullmatch(r"tighten\[\d+\]", path):
        return "stricter" if before is _ABSENT else "looser"
    rank = next((rank for pattern, rank in _RANKS.items() if re.fullmatch(pattern, path)), None)
    if rank is None or before is _ABSENT or after is _ABSENT:
        return "changed"
    return _compared([(rank(before), rank(after))])


def _of_rule(before: Policy, after: Policy, direction: str, name: str) -> Tendency:
    """Judge a redaction rule by what stands for its kinds: a kind's rule that comes may beat a stricter group's."""
    where: Direction = "answer" if direction == "answer" else "request"
    pairs = ((_strength(before, where, kind), _strength(after, where, kind)) for kind in expand(name))
    return _compared([pair for both in pairs for pair in zip(*both, strict=True)])


def _strength(policy: Policy, direction: Direction, kind: str) -> tuple[float, ...]:
    rule = rule_for(policy.redaction, direction, kind)
    if rule is None:
        return (-1, -1, -2, -_ALL_READABLE)
    readable = {"keep": _ALL_READABLE, "mask": rule.keep_last}.get(rule.operator, 0)
    return (OPERATORS.index(rule.operator), rule.enforce == "on", -min_score(policy.redaction, rule), -readable)


def _compared(pairs: list[tuple[Any, Any]]) -> Tendency:
    up, down = any(now > was for was, now in pairs), any(now < was for was, now in pairs)
    return "changed" if up == down else "stricter" if up else "looser"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        given = {key: each for key, each in value.items() if each not in (None, [], {}, "")}
        return "{" + ", ".join(f"{key}: {_short(each)}" for key, each in given.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_short, value)) + "]"
    return "nothing" if value is None else str(value)
