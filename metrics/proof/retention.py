"""What has served its time, and what is kept all the same: pure decisions over days, rules and legal holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from policy.model import AppliesTo, Facts
from policy.selection import matches, most_specific

_DAYS = re.compile(r":(\d+)d$")
# First parts of the kinds that say what people and Sluice itself did; all others are about calls.
AUDIT_KINDS = frozenset(
    [
        "anchor",
        "audit",
        "backup",
        "budget",
        "certificate",
        "content",
        "doctor",
        "erasure",
        "export",
        "gap",
        "journal",
        "key",
        "legal_hold",
        "link",
        "login",
        "logout",
        "password",
        "policy",
        "restore",
        "retention",
        "role",
        "roles",
        "service",
        "session",
        "stop",
        "subject",
        "tenant",
        "user",
    ]
)


@dataclass(frozen=True, slots=True)
class Rule:
    """How long the records of those facts are kept that a policy governs."""

    applies_to: Mapping[str, Sequence[str]]
    metadata: int  # days
    audit: int
    legal_hold: bool = False

    @property
    def selector(self) -> AppliesTo:
        """Return whom it governs."""
        return AppliesTo(**{name: tuple(values) for name, values in self.applies_to.items()})


@dataclass(frozen=True, slots=True)
class LegalHold:
    """What is kept whatever its retention says; what is None does not limit it. `tenant` None: every tenant."""

    tenant: str | None
    subject_ref: str | None = None
    automation: str | None = None
    since_us: int | None = None
    until_us: int | None = None

    def keeps(self, row: Mapping[str, Any]) -> bool:
        """Say whether it keeps a record of its tenant, given `subject_ref`, `automation` and `ts_us`."""
        return (
            self.subject_ref in (None, row["subject_ref"])
            and self.automation in (None, row["automation"])
            and (self.since_us is None or row["ts_us"] >= self.since_us)
            and (self.until_us is None or row["ts_us"] < self.until_us)
        )


@dataclass(frozen=True, slots=True)
class Group:
    """Records of one day that are alike in everything that retention asks about."""

    day: str
    tenant: str
    facts: Facts
    exact: bool  # all facts of the key are known, as they are of calls
    audit: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that is decided by; `to_json` is what the keeper hands to the recorder."""

    rules: tuple[Rule, ...] = ()
    holds: tuple[LegalHold, ...] = ()
    longest: int = 10**6  # days that anything but audit records is kept

    def to_json(self) -> dict[str, Any]:
        """Return them as plain values."""
        return asdict(self)

    @staticmethod
    def of(value: Mapping[str, Any]) -> Rules:
        """Read what `to_json` returned."""
        rules = tuple(Rule(**each) for each in value.get("rules", ()))
        holds = tuple(LegalHold(**each) for each in value.get("holds", ()))
        return Rules(rules, holds, value.get("longest", 10**6))

    def of_tenant(self, tenant: str) -> list[Rule]:
        """Return the rules that may be about a tenant, without the names of others."""
        mine = [rule for rule in self.rules if tenant in (rule.applies_to.get("tenant") or (tenant,))]
        return [
            replace(rule, applies_to={name: values for name, values in rule.applies_to.items() if name != "tenant"})
            for rule in mine
        ]

    def days(self, group: Group) -> int:
        """Return how long a group is kept. Where no one policy can be named, the longest that might is meant."""
        exact = most_specific([rule.selector for rule in self.rules], group.facts) if group.exact else None
        if exact is not None:
            found = [self.rules[exact]]
        else:
            found = [rule for rule in self.rules if _may(rule, group.facts)] or list(self.rules)
        return max((rule.audit if group.audit else rule.metadata for rule in found), default=10**6)

    def due(self, group: Group, today: str) -> bool:
        """Say whether a group has served its time: the day after its last."""
        return is_over(group.day, self.days(group), today)

    def all_holds(self) -> tuple[LegalHold, ...]:
        """Return the holds, those that policies ask for included."""
        asked = [hold for rule in self.rules if rule.legal_hold for hold in _by_policy(rule)]
        return (*self.holds, *asked)


@dataclass
class Outcome:
    """What one run destroyed, or would: keys by class, frames beside kept ones, records; what a hold kept."""

    day: str
    keys: dict[str, int] = field(default_factory=dict)
    frames: int = 0
    records: int = 0
    subjects: int = 0  # nothing about them is left
    held: int = 0  # records that a legal hold keeps beyond their time
    waiting: int = 0  # due, but their segment is not packed yet
    files: int = 0  # left lying about, and removed
    control: dict[str, int] = field(default_factory=dict)


def is_over(day: str, kept_days: int, today: str) -> bool:
    """Say whether what was made on a day is to go: it is kept so many whole days after it."""
    return date.fromisoformat(today) > date.fromisoformat(day) + timedelta(days=kept_days)


def days_of_class(retention_class: str) -> int | None:
    """Return the days that a class of content carries in its name, such as `content:30d`."""
    found = _DAYS.search(retention_class)
    return int(found[1]) if found else None


def is_audit(kind: str) -> bool:
    """Say whether a kind belongs to the class `audit`."""
    return kind.partition(".")[0] in AUDIT_KINDS


def held_sql(holds: Iterable[LegalHold]) -> tuple[str, dict[str, Any]]:
    """Return a condition on `tenant, subject_ref, automation, ts_us` of `e` that a hold keeps a row, and its values."""
    parts, values = [], {}
    for number, hold in enumerate(holds):
        tests = []
        for name, column, sign in (
            ("tenant", "tenant", "="), ("subject_ref", "subject_ref", "="), ("automation", "automation", "="),
            ("since_us", "ts_us", ">="), ("until_us", "ts_us", "<"),
        ):  # fmt: skip
            value = getattr(hold, name)
            if value is not None:
                values[f"{name}_{number}"] = value
                tests.append(f"e.{column} {sign} ${name}_{number}")
        parts.append(f"({' AND '.join(tests) or 'true'})")
    return (f"coalesce({' OR '.join(parts)}, false)" if parts else "false"), values


def _may(rule: Rule, facts: Facts) -> bool:
    known = {name: rule.applies_to[name] for name in ("tenant", "automation") if name in rule.applies_to}
    return matches(AppliesTo(**{name: tuple(values) for name, values in known.items()}), facts)


def _by_policy(rule: Rule) -> list[LegalHold]:
    tenants = rule.applies_to.get("tenant") or (None,)
    automations = rule.applies_to.get("automation") or (None,)
    return [LegalHold(tenant, automation=automation) for tenant in tenants for automation in automations]
