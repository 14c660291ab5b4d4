"""Tells people once when an automation has dead letters, and once when all of them are dealt with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from gateway.control import alerts, schema
from gateway.control.database import Database, Write
from gateway.control.leases import Lease, assert_held
from metrics.health.measures import Ask

_SINCE_US: Final = 31 * 86_400_000_000
_NAME: Final = ".dead_letters"


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Looks at what the record says about runs. `channels` get what is new and what is over."""

    database: Database
    ask: Callable[[str], Ask]
    channels: tuple[str, ...] = ()

    def look(self, lease: Lease) -> None:
        """Look once.

        Raises:
            RecorderError: the ledger cannot be asked; the next look tries again.
        """
        with self.database.read() as conn:
            tenants = list(conn.execute(select(schema.tenants.c.tenant)).scalars())
        for tenant in tenants:
            rows = self.ask(tenant)("dead_letters", since=self.database.clock_us() - _SINCE_US).dicts()
            self._tell(lease, tenant, {str(row["automation"]): row for row in rows})

    def _tell(self, lease: Lease, tenant: str, found: dict[str, dict[str, Any]]) -> None:
        with self.database.read() as conn:
            over = alerts.named(conn, tenant, _NAME) - found.keys()
        if not found and not over:
            return
        with self.database.write() as tx:
            assert_held(tx, lease)
            for automation, row in found.items():
                body = {"measure": "dead_letters", "value": row["runs"], "action": "none"}
                if alerts.begin(tx, tenant, automation + _NAME, automation, body):
                    self._message(tx, tenant, automation, _sentence(automation, row))
            for automation in over:
                alerts.end(tx, tenant, automation + _NAME, automation)
                self._message(tx, tenant, automation, f"{automation}: its dead letters are dealt with.")

    def _message(self, tx: Write, tenant: str, automation: str, text: str) -> None:
        about = {"about": automation + _NAME, "subject": f"{automation}: dead letters", "text": text}
        alerts.tell(tx, tenant, self.channels, about)


def _sentence(automation: str, row: dict[str, Any]) -> str:
    count = f"{row['runs']} runs are dead letters" if row["runs"] != 1 else "one run is a dead letter"
    look = f"`sluice runs list --dead --automation {automation}` or the page Runs shows them"
    return f"{automation}: {count} (cause: {row['causes']}). Nothing of them is lost; {look}."
