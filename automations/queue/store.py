"""Runs in the database: enqueued once per business key, leased to one worker at a time, moved on in one transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Executable, case, exists, func, or_, select, update

from automations.queue.database import QueueDatabase
from automations.queue.schema import lanes, outbox, runs

QUEUED, RUNNING, HELD, DONE, DEAD = "queued", "running", "held", "done", "dead"
CANCELLED, DISCARDED, ERASED = "cancelled", "discarded", "erased"
OPEN: Final = (QUEUED, RUNNING, HELD)
ENDED: Final = (DONE, CANCELLED, DISCARDED, ERASED)
MINUTE_US: Final = 60_000_000
SUSPECT: Final = 2  # workers that ended with a run before it is taken up apart from others like it
Clock = Callable[[], int]


class LeaseLost(Exception):
    """Somebody else has the run now: what was done since is not written down here."""


class QueueFull(Exception):
    """The automation has as many open runs as it may; come again later."""

    def __init__(self, automation: str, most: int) -> None:
        super().__init__(f"{automation} has {most} runs waiting, as many as it may; try again later")
        self.after_s = 5.0


class Lane(NamedTuple):
    """An automation of a tenant."""

    tenant: str
    automation: str


class NewRun(NamedTuple):
    """A run to enqueue. `wrapped` is its key as the gateway gave it; `expires_us` when its texts are no longer kept.

    `about_sealed` says whom it is about, sealed for the event `queued_id(run_id)`.
    """

    run_id: str
    dedup: str
    wrapped: str
    input_sealed: bytes
    deadline_us: int
    expires_us: int
    about_sealed: bytes | None = None


class Event(NamedTuple):
    """Something for the ledger. `words` are closed words and numbers; texts are sealed under the run's key."""

    event_id: str
    run_id: str
    step: str | None
    kind: str
    words: Mapping[str, Any]
    texts_sealed: bytes | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """A run as the worker that holds it knows it."""

    run_id: str
    tenant: str
    automation: str
    token: int
    step: int
    attempts: int
    waits: int
    losses: int
    retries: int
    created_us: int
    deadline_us: int
    cancel: int
    wrapped: str
    input_sealed: bytes | None
    progress_sealed: bytes | None

    @property
    def lane(self) -> Lane:
        """Return whose run this is."""
        return Lane(self.tenant, self.automation)


_LEASED: Final = [runs.c[name] for name in Lease.__dataclass_fields__]


@dataclass(frozen=True, slots=True)
class Store:
    """The queue. Every method is one transaction; `clock_us` is its only time."""

    database: QueueDatabase
    clock_us: Clock

    def enqueue(self, lane: Lane, new: Sequence[NewRun], most: int) -> dict[str, str]:
        """Add runs; return the run id of each dedup digest: an older run's, where there was one.

        Raises:
            QueueFull: the lane would have more than `most` open runs; nothing was added.
        """
        now_us = self.clock_us()
        with self.database.write() as conn:
            if _open_runs(conn, lane) + len(new) > most:
                raise QueueFull(lane.automation, most)
            conn.execute(self._new_lane(lane))
            added = self._insert(conn, lane, new, now_us)
            about = {each.run_id: each.about_sealed for each in new}
            events = [Event(queued_id(each), each, None, "run.queued", {}, about.get(each)) for each in added.values()]
            post(conn, lane.automation, events, now_us)
            missing = [each.dedup for each in new if each.dedup not in added]
            return added | _known(conn, lane, missing)

    def _insert(self, conn: Connection, lane: Lane, new: Sequence[NewRun], now_us: int) -> dict[str, str]:
        fixed: dict[str, Any] = {"tenant": lane.tenant, "automation": lane.automation, "state": QUEUED, "step": 0}
        fixed |= dict.fromkeys(("attempts", "waits", "losses", "retries", "token", "cancel"), 0)
        times = {"due_us": now_us, "created_us": now_us}
        rows = [
            {name: value for name, value in each._asdict().items() if name != "about_sealed"} | fixed | times
            for each in new
        ]
        adding = self.database.insert(runs).on_conflict_do_nothing().returning(runs.c.dedup, runs.c.run_id)
        return {row.dedup: row.run_id for row in conn.execute(adding.values(rows))} if rows else {}

    def due(self) -> set[Lane]:
        """Return the lanes that have something to do now; what it costs does not grow with what waits."""
        now_us = self.clock_us()
        mine = (runs.c.tenant == lanes.c.tenant) & (runs.c.automation == lanes.c.automation)
        there = [exists().where(mine, wanted) for wanted in (*_ready(now_us), _lost(now_us))]
        with self.database.read() as conn:
            return {Lane(*row) for row in conn.execute(select(lanes.c.tenant, lanes.c.automation).where(or_(*there)))}

    def claim(self, lane: Lane, owner: str, want: int, limits: "Pace", lease_s: float) -> list[Lease]:
        """Take runs that are due, or whose worker was not heard of in time: the longest due first."""
        now_us = self.clock_us()
        with self.database.write() as conn:
            begun = self._lock(conn, lane, now_us)
            if begun is None:
                return []
            most = min(want, limits.concurrency - _running(conn, lane, now_us))
            if limits.per_minute is not None:
                most = min(most, limits.per_minute - begun)
            found = _claimable(conn, lane, now_us, most, owner) if most > 0 else []
            if not found:
                return []
            taken = (
                update(runs)
                .where(runs.c.run_id.in_(found))
                .values(
                    state=RUNNING,
                    owner=owner,
                    lease_us=now_us + int(lease_s * 1e6),
                    token=runs.c.token + 1,
                    losses=runs.c.losses + case((runs.c.state == RUNNING, 1), else_=0),
                )
                .returning(*_LEASED)
            )
            leases = [Lease(*row) for row in conn.execute(taken)]
            mine = (lanes.c.tenant == lane.tenant) & (lanes.c.automation == lane.automation)
            conn.execute(update(lanes).where(mine).values(started=begun + len(leases)))
            return leases

    def _new_lane(self, lane: Lane) -> Executable:
        fresh = {"tenant": lane.tenant, "automation": lane.automation, "window_us": 0, "started": 0}
        return self.database.insert(lanes).values(fresh).on_conflict_do_nothing()

    def _lock(self, conn: Connection, lane: Lane, now_us: int) -> int | None:
        """Lock a lane until the transaction ends; return how many of its runs began in this minute; None: it pauses."""
        mine = (lanes.c.tenant == lane.tenant) & (lanes.c.automation == lane.automation)
        row = conn.execute(select(lanes).where(mine).with_for_update()).one()
        if row.paused_us > now_us:
            return None
        minute_us = now_us - now_us % MINUTE_US
        if row.window_us == minute_us:
            return int(row.started)
        conn.execute(update(lanes).where(mine).values(window_us=minute_us, started=0))
        return 0

    def renew(self, owner: str, run_ids: Sequence[str], lease_s: float) -> None:
        """Keep the runs that this worker is at."""
        mine = (runs.c.owner == owner) & (runs.c.state == RUNNING) & runs.c.run_id.in_(run_ids)
        with self.database.write() as conn:
            conn.execute(update(runs).where(mine).values(lease_us=self.clock_us() + int(lease_s * 1e6)))


def queued_id(run_id: str) -> str:
    """Return the id of the event that tells of a run's beginning."""
    return f"{run_id}.queued"


class Pace(NamedTuple):
    """How many runs of a lane may be under way, and begin in a minute, over all workers."""

    concurrency: int
    per_minute: int | None


def move(conn: Connection, lease: Lease, values: Mapping[str, Any]) -> bool:
    """Write a run's next state in a transaction of the caller; tell whether somebody cancelled the run meanwhile.

    Raises:
        LeaseLost: the run is somebody else's by now.
    """
    mine = (runs.c.run_id == lease.run_id) & (runs.c.token == lease.token) & (runs.c.state == RUNNING)
    row = conn.execute(update(runs).where(mine).values(**values).returning(runs.c.cancel)).first()
    if row is None:
        raise LeaseLost(lease.run_id)
    return bool(row.cancel)


def pause(conn: Connection, lane: Lane, until_us: int) -> None:
    """Let nothing of a lane be claimed for a while, in a transaction of the caller."""
    mine = (lanes.c.tenant == lane.tenant) & (lanes.c.automation == lane.automation)
    conn.execute(update(lanes).where(mine, lanes.c.paused_us < until_us).values(paused_us=until_us))


def post(conn: Connection, automation: str, events: Iterable[Event], now_us: int) -> None:
    """Put events into the outbox, in a transaction of the caller."""
    rows = [
        {**each._asdict(), "words": orjson.dumps(each.words).decode(), "automation": automation}
        | {"ts_us": now_us, "due_us": now_us}
        for each in events
    ]
    if rows:
        conn.execute(outbox.insert(), rows)


def _of(lane: Lane) -> Any:
    return (runs.c.tenant == lane.tenant) & (runs.c.automation == lane.automation)


def _open_runs(conn: Connection, lane: Lane) -> int:
    counted = select(func.count()).select_from(runs).where(_of(lane), runs.c.state.in_(OPEN))
    return int(conn.execute(counted).scalar_one())


def _running(conn: Connection, lane: Lane, now_us: int) -> int:
    held = (runs.c.state == RUNNING) & (runs.c.lease_us > now_us)
    return int(conn.execute(select(func.count()).select_from(runs).where(_of(lane), held)).scalar_one())


def _known(conn: Connection, lane: Lane, dedups: Sequence[str]) -> dict[str, str]:
    if not dedups:
        return {}
    found = conn.execute(select(runs.c.dedup, runs.c.run_id).where(_of(lane), runs.c.dedup.in_(dedups)))
    return {row.dedup: row.run_id for row in found}


def _claimable(conn: Connection, lane: Lane, now_us: int, most: int, owner: str) -> list[str]:
    """Find runs of ended workers first, then what is due.

    Of runs that several workers have ended with, one may be what ends them: a worker has one such run at a time, so
    that the others are not taken along again and again.
    """
    lost, suspect = _lost(now_us), runs.c.losses >= SUSPECT
    found = _ids(conn, lane, lost & ~suspect, most)
    here = (runs.c.owner == owner) & (runs.c.state == RUNNING) & (runs.c.lease_us > now_us) & (runs.c.losses > SUSPECT)
    if len(found) < most and conn.execute(select(runs.c.run_id).where(here).limit(1)).first() is None:
        found += _ids(conn, lane, lost & suspect, 1)
    left = most - len(found)
    return found + (_ids_of_any(conn, lane, _ready(now_us), left) if left > 0 else [])


def _lost(now_us: int) -> ColumnElement[bool]:
    return (runs.c.state == RUNNING) & (runs.c.lease_us <= now_us)


def _ready(now_us: int) -> tuple[ColumnElement[bool], ...]:
    """Return what waits until now, by state: with one state each the index gives them in order, without sorting."""
    return tuple((runs.c.state == state) & (runs.c.due_us <= now_us) for state in (QUEUED, HELD))


def _ids(conn: Connection, lane: Lane, wanted: ColumnElement[bool], most: int) -> list[str]:
    return _ids_of_any(conn, lane, (wanted,), most)


def _ids_of_any(conn: Connection, lane: Lane, wanted: Sequence[ColumnElement[bool]], most: int) -> list[str]:
    """Lock and return the longest due of several kinds."""
    found: list[tuple[int, str]] = []
    for each in wanted:
        mine = select(runs.c.due_us, runs.c.run_id).where(_of(lane), each).order_by(runs.c.due_us).limit(most)
        found += [(row.due_us, row.run_id) for row in conn.execute(mine.with_for_update(skip_locked=True))]
    return [run_id for _, run_id in sorted(found)[:most]]
