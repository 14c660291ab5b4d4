"""Steering by the ledger: shares of split arms that grow or fall back, and how candidates did in each step."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from typing import Any, Final

from sqlalchemy import select

from gateway.control import learned, leases, schema
from gateway.control.database import Database, Note
from gateway.control.learned import OUTCOMES, SPLIT, Lesson
from gateway.control.leases import Lease
from gateway.control.tree import TreeInForce
from metrics.health.replay import Ask
from policy.blocks_routing import Split
from policy.measures import Counts
from policy.model import Policy
from policy.promotion import Standing, begin, decide, evidence
from policy.snapshot import Snapshot

ACTOR: Final = "keeper"
OUTCOMES_EVERY_US: Final = 60_000_000
WINDOW_US: Final = 28 * 86_400_000_000
_FIELDS: Final = tuple(field.name for field in fields(Counts))
_log = logging.getLogger("gateway.keeper")


class Steerer:
    """Asks the recorder, decides, and writes what the workers follow. Without such policies it asks nothing."""

    def __init__(self, database: Database, ask: Callable[[str], Ask]) -> None:
        self._database, self._ask = database, ask
        self._tree = TreeInForce()
        self._outcomes_due_us = 0

    def decide(self, lease: Lease) -> None:
        """Decide once.

        Raises:
            RecorderError: the ledger cannot be asked; everything stays as it is.
        """
        tree, known = self._read()
        policies = tree.policies.values() if tree else ()
        growing = [(policy, split) for policy in policies for split in policy.routing.promoted]
        learns, now_us = any(policy.routing.learns for policy in policies), self._database.clock_us()
        for tenant in self._tenants() if growing or learns else ():
            ask = self._ask(tenant)
            for policy, split in growing:
                if not policy.applies_to.tenant or tenant in policy.applies_to.tenant:
                    self._promote(lease, ask, (tenant, policy, split), known)
            if learns and now_us >= self._outcomes_due_us:
                self._count(lease, ask, tenant, known)
        if learns and now_us >= self._outcomes_due_us:
            self._outcomes_due_us = now_us + OUTCOMES_EVERY_US

    def _read(self) -> tuple[Snapshot | None, dict[tuple[str, str, str], Any]]:
        with self._database.read() as conn:
            return self._tree.read(conn), {each[:3]: each.value for each in learned.read(conn)}

    def _tenants(self) -> list[str]:
        with self._database.read() as conn:
            return list(conn.execute(select(schema.tenants.c.tenant)).scalars())

    def _promote(
        self, lease: Lease, ask: Ask, what: tuple[str, Policy, Split], known: dict[tuple[str, str, str], Any]
    ) -> None:
        tenant, policy, split = what
        name = f"{policy.policy}|{split.key}"
        said = known.get((tenant, SPLIT, name))
        if said is None:
            self._keep(lease, Lesson(tenant, SPLIT, name, asdict(begin(split, self._database.clock_us()))))
            return
        standing = Standing(**said)
        if standing.over:
            return
        counts = _of_arm(ask, policy, split, standing.since_us)
        after = decide(split, standing, counts, self._database.clock_us())
        if after != standing:
            arm = split.promote.arm if split.promote else None
            body: dict[str, Any] = {"policy": policy.policy, "split": split.name, "arm": arm}
            body |= {"from": standing.share, "to": after.share, "reason": after.reason, "calls": counts.calls}
            note = Note("split.moved", tenant, ACTOR, body | {"measures": list(evidence(split, counts))})
            self._keep(lease, Lesson(tenant, SPLIT, name, asdict(after)), note)
            _log.info("split %s of %s: share %g, %s", split.name, policy.policy, after.share, after.reason)

    def _count(self, lease: Lease, ask: Ask, tenant: str, known: dict[tuple[str, str, str], Any]) -> None:
        now_us = self._database.clock_us()
        found: dict[str, list[list[Any]]] = defaultdict(list)
        for row in ask("candidates", since=now_us - WINDOW_US, until=now_us).dicts():
            counts = [row[name] for name in ("known", "succeeded", "seen", "overridden")]
            if counts[0] or counts[2]:
                found[row["automation"] or ""].append([row["step"] or "", row["model"], *counts])
        for name, value in found.items():
            if known.get((tenant, OUTCOMES, name)) != value:
                self._keep(lease, Lesson(tenant, OUTCOMES, name, value))

    def _keep(self, lease: Lease, lesson: Lesson, note: Note | None = None) -> None:
        with self._database.write() as tx:
            leases.assert_held(tx, lease)
            learned.keep(tx, [lesson])
            if note is not None:
                tx.record(note)


def _of_arm(ask: Ask, policy: Policy, split: Split, since_us: int) -> Counts:
    """Count the calls of the arm that grows."""
    assert split.promote is not None
    slow = (bound.at_most or bound.at_least for bound in split.promote.requires if bound.measure == "latency_p95_s")
    slow_ms = next((round(seconds * 1000) for seconds in slow if seconds is not None), None)
    rows = ask("candidates", since=since_us, policy=policy.policy, split=split.name, by_arm=1, slow_ms=slow_ms).dicts()
    return next(_counts(row for row in rows if row["arm"] == split.promote.arm), Counts())


def _counts(rows: Iterator[dict[str, Any]]) -> Iterator[Counts]:
    return (Counts(**{name: row[name] for name in _FIELDS}) for row in rows)
