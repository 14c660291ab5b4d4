"""What people do with runs: look, replay, discard, cancel, allow an effect, say how one ended."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from automations.queue.actions import APPROVED, REJECTED, UNKNOWN, settle
from automations.queue.actions import DONE as HAPPENED
from automations.queue.actions import HELD as ASKED
from automations.queue.schema import actions, runs
from automations.queue.store import (
    CANCELLED,
    DEAD,
    DISCARDED,
    ENDED,
    HELD,
    MINUTE_US,
    QUEUED,
    RUNNING,
    Event,
    Store,
    post,
)

SHOWN: Final = (
    "run_id", "automation", "state", "step", "step_name", "attempts", "waits", "losses", "retries", "due_us",
    "deadline_us", "cause", "layer", "created_us", "ended_us", "owner",
)  # fmt: skip
_FRESH: Final = {"attempts": 0, "waits": 0, "losses": 0, "cause": None, "layer": None, "ended_us": None, "cancel": 0}


class NotPossible(Exception):
    """This cannot be done with the run in its state; the sentence says why."""


class NoRun(LookupError):
    """The tenant has no such run."""


class Wish(NamedTuple):
    """Which runs to list."""

    state: str | None = None
    automation: str | None = None
    cause: str | None = None
    before_us: int | None = None
    limit: int = 100


class Who(NamedTuple):
    """Whoever does something, of a tenant."""

    id: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Every method is one transaction and leaves its event."""

    store: Store

    def listed(self, tenant: str, wish: Wish) -> list[dict[str, Any]]:
        """List runs, the newest first."""
        equal = {"state": wish.state, "automation": wish.automation, "cause": wish.cause}
        mine = select(*(runs.c[name] for name in SHOWN)).where(runs.c.tenant == tenant)
        for name, value in equal.items():
            mine = mine if value is None else mine.where(runs.c[name] == value)
        if wish.before_us is not None:
            mine = mine.where(runs.c.created_us < wish.before_us)
        with self.store.database.read() as conn:
            found = conn.execute(mine.order_by(runs.c.created_us.desc()).limit(wish.limit))
            return [dict(row) for row in found.mappings()]

    def one(self, tenant: str, run_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return a run, sealed columns included, and its effects.

        Raises:
            NoRun: there is none.
        """
        with self.store.database.read() as conn:
            row = _row(conn, tenant, run_id)
            effects = conn.execute(select(actions).where(actions.c.run_id == run_id)).mappings()
            return dict(row), [dict(each) for each in effects]

    def replay(self, who: Who, run_id: str, deadline_s: float, input_sealed: bytes | None = None) -> None:
        """Begin a dead letter again: at its step, or with another input at the first one.

        Raises:
            NoRun, NotPossible: it is no dead letter, or nobody has said yet how its effect ended.
        """
        now_us = self.store.clock_us()
        with self.store.database.write() as conn:
            row = _row(conn, who.tenant, run_id, lock=True)
            _refuse(row["state"] != DEAD, f"it is {row['state']}, no dead letter")
            _refuse(_unknown(conn, run_id), "nobody has said yet whether its action happened; resolve it first")
            values: dict[str, Any] = {**_FRESH, "state": QUEUED, "due_us": now_us}
            values |= {"deadline_us": now_us + int(deadline_s * 1e6)}
            if input_sealed is not None:
                values |= {"input_sealed": input_sealed, "progress_sealed": None, "step": 0, "step_name": None}
            self._change(conn, who, row, values, ("run.replayed", {"status": "edited" if input_sealed else "same"}))

    def discard(self, who: Who, run_id: str, reason_sealed: bytes | None, event_id: str) -> None:
        """Put a dead letter away for good; the reason is kept sealed with the event.

        Raises:
            NoRun, NotPossible: it is no dead letter.
        """
        with self.store.database.write() as conn:
            row = _row(conn, who.tenant, run_id, lock=True)
            _refuse(row["state"] != DEAD, f"it is {row['state']}, no dead letter")
            event = Event(event_id, run_id, None, "run.discarded", {"by": who.id}, reason_sealed)
            conn.execute(update(runs).where(runs.c.run_id == run_id).values(state=DISCARDED))
            post(conn, row["automation"], [event], self.store.clock_us())

    def cancel(self, who: Who, run_id: str) -> None:
        """End a run that is not done: now, or after the step that is under way.

        Raises:
            NoRun, NotPossible: it has ended.
        """
        with self.store.database.write() as conn:
            row = _row(conn, who.tenant, run_id, lock=True)
            _refuse(row["state"] in (*ENDED, DEAD), f"it is {row['state']} already")
            running = row["state"] == RUNNING
            values = (
                {"cancel": 1} if running else {"state": CANCELLED, "ended_us": self.store.clock_us(), "owner": None}
            )
            self._change(conn, who, row, values, ("run.cancelled", {}))

    def decide(self, who: Who, run_id: str, *, allow: bool) -> None:
        """Allow or refuse the effect that a held run waits for.

        Raises:
            NoRun, NotPossible: it waits for nobody.
        """
        with self.store.database.write() as conn:
            row = _row(conn, who.tenant, run_id, lock=True)
            effect = _effect(conn, run_id, ASKED)
            _refuse(row["state"] != HELD, f"it is {row['state']} and waits for nobody")
            _refuse(effect is None, "a reviewer decides about its answer, on the page Reviews")
            assert effect is not None
            now_us = self.store.clock_us()
            settle(conn, effect["action_key"], APPROVED if allow else REJECTED, now_us, who.id)
            said = "action.approved" if allow else "action.rejected"
            words = {"action": effect["name"], "key": effect["action_key"]}
            self._change(conn, who, row, {"state": QUEUED, "due_us": now_us}, (said, words))

    def gold(self, who: Who, run_id: str, ids: Sequence[str]) -> None:
        """Say what the search of a run should have found. Raises NoRun."""
        with self.store.database.write() as conn:
            row = _row(conn, who.tenant, run_id)
            self._tell(conn, row, "retrieval.gold", {"ids": list(ids), "by": who.id})

    def resolve(self, who: Who, run_id: str, *, happened: bool, on: Mapping[str, Any]) -> None:
        """Say whether an effect happened that nobody knew of: the run goes on behind it, or it does it again.

        `on` is where the run goes on, when it happened and other steps follow.

        Raises:
            NoRun, NotPossible: there is none.
        """
        now_us = self.store.clock_us()
        with self.store.database.write() as conn:
            row = _row(conn, who.tenant, run_id, lock=True)
            effect = _effect(conn, run_id, UNKNOWN)
            _refuse(row["state"] != DEAD or effect is None, "none of its actions is unknown")
            assert effect is not None
            settle(conn, effect["action_key"], HAPPENED if happened else APPROVED, now_us, who.id)
            words = {
                "action": effect["name"],
                "key": effect["action_key"],
                "status": "happened" if happened else "repeat",
            }
            again = {**_FRESH, "state": QUEUED, "due_us": now_us, "deadline_us": now_us + 24 * 60 * MINUTE_US, **on}
            self._change(conn, who, row, again, ("action.resolved", words))

    def depth(self, tenant: str | None = None) -> list[dict[str, Any]]:
        """Count runs by automation and state; `oldest_us` is when the oldest was enqueued."""
        counted = select(
            runs.c.automation, runs.c.state, func.count().label("runs"), func.min(runs.c.created_us).label("oldest_us")
        )
        mine = counted if tenant is None else counted.where(runs.c.tenant == tenant)
        with self.store.database.read() as conn:
            return [dict(row) for row in conn.execute(mine.group_by(runs.c.automation, runs.c.state)).mappings()]

    def throughput(self, tenant: str, minutes: int) -> list[dict[str, Any]]:
        """Count by automation and minute how many runs ended."""
        since_us = self.store.clock_us() - minutes * MINUTE_US
        minute = (runs.c.ended_us - runs.c.ended_us % MINUTE_US).label("minute_us")
        mine = select(runs.c.automation, runs.c.state, minute, func.count().label("runs"))
        ended = mine.where(runs.c.tenant == tenant, runs.c.ended_us >= since_us)
        with self.store.database.read() as conn:
            grouped = ended.group_by(runs.c.automation, runs.c.state, minute)
            return [dict(row) for row in conn.execute(grouped).mappings()]

    def forget(self, most: int = 500) -> int:
        """Delete ended runs whose texts are no longer kept, and their effects; return how many."""
        with self.store.database.write() as conn:
            over = (runs.c.expires_us < self.store.clock_us()) & runs.c.state.in_(ENDED)
            old = list(conn.execute(select(runs.c.run_id).where(over).limit(most)).scalars())
            conn.execute(delete(actions).where(actions.c.run_id.in_(old)))
            conn.execute(delete(runs).where(runs.c.run_id.in_(old)))
            return len(old)

    def _change(
        self,
        conn: Connection,
        who: Who,
        row: Mapping[str, Any],
        values: Mapping[str, Any],
        said: tuple[str, dict[str, Any]],
    ) -> None:
        conn.execute(update(runs).where(runs.c.run_id == row["run_id"]).values(**values))
        kind, words = said
        self._tell(conn, row, kind, words | {"by": who.id})

    def _tell(self, conn: Connection, row: Mapping[str, Any], kind: str, words: dict[str, Any]) -> None:
        event = Event(f"{row['run_id']}.{secrets.token_hex(6)}", row["run_id"], row["step_name"], kind, words)
        post(conn, row["automation"], [event], self.store.clock_us())


def _row(conn: Connection, tenant: str, run_id: str, *, lock: bool = False) -> Mapping[str, Any]:
    mine = select(runs).where(runs.c.tenant == tenant, runs.c.run_id == run_id)
    row = conn.execute(mine.with_for_update() if lock else mine).mappings().first()
    if row is None:
        raise NoRun(f"There is no run {run_id}.")
    return dict(row)


def _effect(conn: Connection, run_id: str, state: str) -> Mapping[str, Any] | None:
    mine = select(actions).where(actions.c.run_id == run_id, actions.c.state == state)
    row = conn.execute(mine).mappings().first()
    return None if row is None else dict(row)


def _unknown(conn: Connection, run_id: str) -> bool:
    return _effect(conn, run_id, UNKNOWN) is not None


def _refuse(condition: bool, why: str) -> None:
    if condition:
        raise NotPossible(f"This cannot be done: {why}.")
