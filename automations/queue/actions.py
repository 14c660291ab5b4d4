"""Effects on the outside in the database: the intent is there before the effect, and one key has one effect."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection, func, select, update

from automations.queue.schema import actions, runs
from automations.queue.store import MINUTE_US, Lease, Store, move

# perform: go ahead; repeat: go ahead, it was begun before; ask: a person must allow it; done: it happened before;
# refused: a person said no; unknown: it was begun, and nobody knows how it ended; wait: another run is at it, or the
# pace is used up.
Next = Literal["perform", "repeat", "ask", "done", "refused", "unknown", "wait"]
GO: Final = ("perform", "repeat")
HELD, APPROVED, REJECTED, INTENT, DONE, UNKNOWN = "held", "approved", "rejected", "intent", "done", "unknown"


class Wanted(NamedTuple):
    """An effect that a run wants. `ask`: the policy wants a person to allow it first."""

    key: str
    name: str
    takes_key: bool
    per_minute: int | None
    ask: bool


def action_key(lease: Lease, name: str, business_key: str) -> str:
    """Return the key that a target sees: the same for the same business key, and saying nothing about it."""
    digest = sha256("\0".join((lease.tenant, lease.automation, name, business_key)).encode()).hexdigest()
    return f"act_{digest[:40]}"


_FOREIGN: Final[dict[str, Next]] = {INTENT: "wait", UNKNOWN: "wait"}  # anything else of another run: done already
_OWN: Final[dict[str, Next]] = {HELD: "ask", REJECTED: "refused", DONE: "done", UNKNOWN: "unknown"}


@dataclass(frozen=True, slots=True)
class Actions:
    """The desk of effects; each method is one transaction."""

    store: Store

    def begin(self, lease: Lease, wanted: Wanted) -> Next:
        """Write down what is about to happen, and say whether it may.

        Raises:
            LeaseLost: the run is somebody else's by now.
        """
        now_us = self.store.clock_us()
        with self.store.database.write() as conn:
            move(conn, lease, {"cancel": runs.c.cancel})  # checks the lease, and keeps it until the end
            row = conn.execute(select(actions).where(actions.c.action_key == wanted.key).with_for_update()).first()
            found = _next(row, lease, wanted)
            if found in GO and self._too_fast(conn, lease, wanted, now_us):
                return "wait"
            self._write(conn, lease, wanted, found, now_us, known=row is not None)
            return found

    def _write(self, conn: Connection, lease: Lease, wanted: Wanted, found: Next, now_us: int, *, known: bool) -> None:
        state = {"perform": INTENT, "repeat": INTENT, "ask": HELD, "unknown": UNKNOWN}.get(found)
        if state is None:
            return
        values: dict[str, Any] = {"state": state, "changed_us": now_us}
        values |= {"began_us": now_us} if state == INTENT else {}
        if known:
            conn.execute(update(actions).where(actions.c.action_key == wanted.key).values(values))
            return
        fixed = {"action_key": wanted.key, "tenant": lease.tenant, "automation": lease.automation}
        conn.execute(
            actions.insert().values(**fixed, name=wanted.name, run_id=lease.run_id, created_us=now_us, **values)
        )

    def _too_fast(self, conn: Connection, lease: Lease, wanted: Wanted, now_us: int) -> bool:
        if wanted.per_minute is None:
            return False
        mine = (actions.c.tenant == lease.tenant) & (actions.c.automation == lease.automation)
        recent = mine & (actions.c.name == wanted.name) & (actions.c.began_us > now_us - MINUTE_US)
        counted = select(func.count()).select_from(actions).where(recent, actions.c.action_key != wanted.key)
        return int(conn.execute(counted).scalar_one()) >= wanted.per_minute


def settle(conn: Connection, key: str, state: str, now_us: int, by: str | None = None) -> None:
    """Write down how an effect ended, in a transaction of the caller."""
    values: dict[str, Any] = {"state": state, "changed_us": now_us} | ({"decided_by": by} if by else {})
    conn.execute(update(actions).where(actions.c.action_key == key).values(values))


def _next(row: Any, lease: Lease, wanted: Wanted) -> Next:
    if row is None:
        return "ask" if wanted.ask else "perform"
    if row.run_id != lease.run_id:
        return _FOREIGN.get(row.state, "done")
    if row.state == INTENT:
        return "repeat" if wanted.takes_key else "unknown"
    return _OWN.get(row.state, "perform")  # approved
