"""Freezes the weekly reviews that somebody asked for, or whose time has come."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select

from gateway.control import alerts, leases, schema, weekly
from gateway.control.database import Database
from gateway.control.leases import Lease
from gateway.control.tree import TreeInForce
from gateway.control.weekly import Frozen
from gateway.keeper.alerts import Alerts
from gateway.keeper.dead_letters import DeadLetters
from gateway.keeper.duties import Duty, sparing
from gateway.keeper.messages import Messenger
from gateway.settings import Settings
from metrics.client import RecorderClient
from metrics.health.measures import Ask
from metrics.health.review.build import figures_of
from metrics.health.review.inputs import Inputs
from metrics.health.review.weeks import last_week, week_span, weeks_up_to
from metrics.record.calendar import zone
from policy.values import dump

BUILD_S: Final = 1.0
ALERTS_S: Final = 30.0
LETTERS_S: Final = 5.0
ACTOR: Final = "keeper"
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EARLIER: Final = 4  # weeks whose frozen figures are compared with today's
_log = logging.getLogger("gateway.keeper")
Make = Callable[[str, Mapping[str, Any]], bytes]  # a tenant and what the recorder is given; its bytes


@dataclass(frozen=True, slots=True)
class ReviewBuilder:
    """Has the recorder build what is wanted, and stores its bytes."""

    database: Database
    make: Make
    tz: str = "UTC"
    review_at: str | None = None  # such as `mon 07:00`
    channels: tuple[str, ...] = ()

    async def build(self, lease: Lease) -> int:
        """Freeze what waits; return how many.

        Raises:
            RecorderError: the ledger cannot be asked; the next look tries again.
        """
        week = self.due_week()
        if week is not None:
            await asyncio.to_thread(self.want_all, week, ACTOR)
        with self.database.read() as conn:
            waiting = weekly.wanted(conn)
        for asked in waiting:
            await asyncio.to_thread(self.freeze, asked, lease)
        return len(waiting)

    def freeze(self, asked: Frozen, lease: Lease | None = None) -> str:
        """Build and store one review; return its digest. Raises as `build`."""
        content = self.make(asked.tenant, self.inputs(asked.tenant, asked.week).as_json())
        with self.database.write() as tx:
            if lease is not None:
                leases.assert_held(tx, lease)
            digest = weekly.freeze(tx, asked, orjson.loads(content)["seq"], content)
            if asked.wanted_by == ACTOR:
                about = {"about": f"review.{asked.week}", "review": asked.week, "revision": asked.revision}
                alerts.tell(tx, asked.tenant, self.channels, about)
        _log.info("the review of %s is frozen: revision %d, %s", asked.week, asked.revision, digest[:12])
        return digest

    def due_week(self) -> str | None:
        """Return the week whose review the schedule wants now; None before its time."""
        if self.review_at is None:
            return None
        day, _, at = self.review_at.partition(" ")
        hours, _, minutes = at.partition(":")
        after = timedelta(days=_DAYS.index(day), hours=int(hours), minutes=int(minutes))
        now_us = self.database.clock_us()
        week = last_week(now_us, self.tz)
        begun = datetime.fromtimestamp(week_span(week, self.tz).until_us / 1e6, zone(self.tz)) + after
        return week if now_us >= begun.timestamp() * 1e6 else None

    def inputs(self, tenant: str, week: str) -> Inputs:
        """Gather what a review is made from beside the ledger."""
        with self.database.read() as conn:
            tree = TreeInForce().read(conn)
            earlier = tuple(self._earlier(conn, tenant, week))
        entries = () if tree is None else tuple(dump(tree.automations[name]) for name in sorted(tree.automations))
        return Inputs(week, self.tz, None if tree is None else tree.sha256, entries, earlier)

    def tenants(self) -> list[str]:
        """List all tenants."""
        with self.database.read() as conn:
            return list(conn.execute(select(schema.tenants.c.tenant)).scalars())

    def want_all(self, week: str, by: str) -> int:
        """Ask for a week's review of every tenant that has none; return how many."""
        count = 0
        for tenant in self.tenants():
            with self.database.write() as tx:
                if weekly.newest(tx.conn, tenant, week) is None:
                    weekly.ask_for(tx, tenant, week, by)
                    count += 1
        return count

    @staticmethod
    def _earlier(conn: Connection, tenant: str, week: str) -> list[dict[str, Any]]:
        found = []
        for name in weeks_up_to(week, _EARLIER + 1)[:-1]:
            known = weekly.newest(conn, tenant, name)
            if known is not None and known.content is not None:
                about = {"week": name, "revision": known.revision, "seq": known.seq, "sha256": known.sha256}
                found.append({**about, "figures": figures_of(orjson.loads(known.content))})
        return found


def weekly_duties(
    settings: Settings, database: Database, client: Callable[[str], RecorderClient], messenger: Messenger
) -> list[Duty]:
    """Return what the keeper does for the weekly review and for alerts."""
    channels = tuple(each.strip() for each in (settings.notify or "").split(",") if each.strip())
    builder = ReviewBuilder(
        database,
        lambda tenant, given: client(tenant).review(given),
        settings.time_zone,
        settings.review_at,
        channels,
    )

    def ask(tenant: str) -> Ask:
        return client(tenant).query

    return [
        Duty("weekly reviews", BUILD_S, builder.build),
        Duty("alerts", ALERTS_S, sparing(Alerts(database, ask, channels).look)),
        Duty("dead letters", LETTERS_S, sparing(DeadLetters(database, ask, channels).look)),
        Duty("messages", BUILD_S, messenger.send),
    ]
