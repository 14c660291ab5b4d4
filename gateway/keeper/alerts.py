"""Watches targets and criteria for going back: tells people once, and acts where an automation's file says so."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select

from gateway.control import alerts, schema, snapshots
from gateway.control.database import Database, Note
from gateway.control.identity.roles import Identity
from gateway.control.leases import Lease, assert_held
from gateway.control.snapshots import ROLLBACK, Source
from gateway.control.stops import stop
from gateway.control.tree import TreeInForce
from metrics.health.measures import Ask, Span, evaluate
from metrics.health.review.standing import bounds, figures
from metrics.health.review.words import OBJECTIVE_NAMES, bound_text, shown
from policy.automations import Automation
from policy.values import dump, seconds_of

_TARGETS_OVER: Final = "7d"
_log = logging.getLogger("gateway.keeper")


@dataclass
class Alerts:
    """Looks at every live automation of the registry. `channels` get what is new and what is over."""

    database: Database
    ask: Callable[[str], Ask]
    channels: tuple[str, ...] = ()
    tree: TreeInForce = field(default_factory=TreeInForce)

    def look(self, lease: Lease) -> None:
        """Look once.

        Raises:
            RecorderError: the ledger cannot be asked; the next look tries again.
        """
        now_us = self.database.clock_us()
        with self.database.read() as conn:
            tree = self.tree.read(conn)
            tenants = list(conn.execute(select(schema.tenants.c.tenant)).scalars())
        live = [each for each in tree.automations.values() if each.stage == "live"] if tree else []
        for tenant in tenants if live else ():
            ask = self.ask(tenant)
            seen = _seen(ask, now_us)
            for automation in live:
                if automation.automation in seen:
                    self._judge(lease, tenant, ask, automation)

    def _judge(self, lease: Lease, tenant: str, ask: Ask, automation: Automation) -> None:
        entry, now_us = dump(automation), self.database.clock_us()
        for kind, criteria in (("target", entry["targets"]), ("rollback", entry["rollback"])):
            for each in criteria:
                over = each.get("over") or _TARGETS_OVER
                span = Span(now_us - seconds_of(over) * 1_000_000, now_us)
                found = figures(ask, span, automation=automation.automation).get((None, automation.automation), {})
                [standing] = bounds([each], found)
                name = f"{automation.automation}.{kind}.{each['measure']}.{over}"
                if standing["state"] == "missed":
                    self._missed(lease, tenant, automation, (name, kind, standing))
                elif standing["state"] == "kept":
                    self._kept(tenant, automation.automation, name)

    def _missed(
        self, lease: Lease, tenant: str, automation: Automation, what: tuple[str, str, Mapping[str, Any]]
    ) -> None:
        name, kind, standing = what
        action = standing.get("action", "none") if kind == "rollback" else "none"
        body = {"measure": standing["measure"], "value": standing["value"], "action": action}
        text = _sentence(automation, kind, standing)
        with self.database.write() as tx:
            assert_held(tx, lease)
            if not alerts.begin(tx, tenant, name, automation.automation, body):
                return
            alerts.tell(
                tx, tenant, self.channels, {"about": name, "subject": f"{automation.automation}: {kind}", "text": text}
            )
        _log.warning("%s", text)
        if action == "stop":
            stop(self.database, Identity(alerts.ACTOR, tenant, frozenset({"admin"})), automation.automation)
        elif action == "activate":
            self._go_back(tenant, automation.automation, str(standing["snapshot"]))

    def _kept(self, tenant: str, automation: str, name: str) -> None:
        with self.database.write() as tx:
            if alerts.end(tx, tenant, name, automation):
                text = f"{automation}: {name.split('.', 1)[1]} is kept again. What was stopped or rolled back stays so."
                alerts.tell(tx, tenant, self.channels, {"about": name, "subject": f"{automation}: over", "text": text})

    def _go_back(self, tenant: str, automation: str, sha256: str) -> None:
        """Bring a stored snapshot in force; it stays until the policy folder changes."""
        with self.database.write() as tx:
            present, content = snapshots.active(tx.conn), snapshots.content(tx.conn, sha256)
            if content is None or present is None:
                tx.record(Note("alert.failed", tenant, alerts.ACTOR, {"snapshot": sha256}, automation))
                _log.error("%s: no snapshot %s is stored, so nothing was rolled back", automation, sha256[:12])
                return
            if present.sha256 != sha256:
                snapshots.activate(tx, content, Source(None, False, ROLLBACK), present.generation)


def _seen(ask: Ask, now_us: int) -> set[str]:
    volume = evaluate(ask, "volume", Span(now_us - 31 * 86_400_000_000, now_us), by="automation")
    return {value.group for value in volume if value.group}


def _sentence(automation: Automation, kind: str, standing: Mapping[str, Any]) -> str:
    """Say what is wrong, how far, and what to do."""
    name, value = OBJECTIVE_NAMES[standing["measure"]], shown(standing["measure"], standing["value"])
    said = f"{automation.automation}: {name} is {value}, asked is {bound_text(standing)} ({standing['n']} cases)."
    again = f"`sluice start {automation.automation}` lets it run again."
    todo = {
        "stop": f" It was stopped: all its answers are held. Look at what moved on the page Review; {again}",
        "activate": " The snapshot that its file names is in force until the policy folder changes. Mend it in git.",
    }.get(standing.get("action", ""), " Look at the page Review: what moved, and which change it follows.")
    return f"{said}{todo} Owner: {automation.owner}."
