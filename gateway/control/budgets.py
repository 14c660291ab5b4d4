"""Allowances: what may be used up, leased to workers in blocks. One SQL statement decides, so no race can overshoot.

Money is counted in nanodollars, everything else in whole units.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from sqlalchemy import ColumnElement, Executable, case, delete, select, update

from gateway.control import schema
from gateway.control.database import Database, Note, Write, upsert

MOST: Final = 2**61
_FULL: Final = 1000
BUDGETS: Final = ("|day", "|week", "|month")


class Allowance(NamedTuple):
    """What is used up, and in which period; `until_us` 0: it has no period."""

    tenant: str
    name: str
    period_us: int = 0
    until_us: int = 0

    @property
    def kept(self) -> bool:
        """Say whether a dead worker's part must be reconciled; a minute is over before that."""
        return not self.name.endswith("|minute")


@dataclass(frozen=True, slots=True)
class Wish:
    """How much is needed now, how much would be taken at once if there is plenty, and the ceiling.

    Of what is left, a lease takes at most one part in `share`, unless more is needed. `alerts` are shares
    of the ceiling that leave an event.
    """

    need: int
    block: int
    cap: int
    share: int = 4
    alerts: Sequence[float] = ()


class Grant(NamedTuple):
    """What was leased (0: refused), and all that is taken of the ceiling now."""

    granted: int
    taken: int


class Settled(NamedTuple):
    """What calls used since the last word about it, and the wish that knows the ceiling and its alerts."""

    amount: int
    wish: Wish


class AllowanceStore(Protocol):
    """Where all workers take from."""

    def take(self, allowance: Allowance, wish: Wish) -> Grant: ...

    def give_back(self, allowance: Allowance, amount: int, settled: Settled | None = None) -> None:
        """Return what was not used; a negative amount takes more, whatever the ceiling says."""

    def seen(self) -> None:
        """Say that the holder lives."""


class MemoryStore:
    """The fake beside the protocol; takes exactly what is needed or a block, like the database."""

    def __init__(self) -> None:
        self.taken: dict[Allowance, int] = {}

    def take(self, allowance: Allowance, wish: Wish) -> Grant:
        """Lease a part of what is left."""
        before = self.taken.get(allowance, 0)
        granted = first_grant(wish, wish.cap - before)
        self.taken[allowance] = before + granted
        return Grant(granted, before + granted)

    def give_back(self, allowance: Allowance, amount: int, settled: Settled | None = None) -> None:
        """Return what was not used."""
        self.taken[allowance] = self.taken.get(allowance, 0) - amount

    def seen(self) -> None:
        """Nothing is remembered of holders."""


class ControlStore:
    """Allowances in the control database, for one holder."""

    def __init__(self, database: Database, holder: str) -> None:
        self._database, self._holder = database, holder

    def take(self, allowance: Allowance, wish: Wish) -> Grant:
        """Lease a part of what is left.

        Raises:
            ControlUnavailable: the database cannot be reached.
        """
        if wish.need > wish.cap:
            return Grant(0, wish.cap)
        with self._database.write() as tx:
            row = tx.execute(_taking(tx, allowance, wish)).first()
            if row is None:
                _alert(tx, allowance, wish, refused=True)
                return Grant(0, wish.cap)
            if allowance.kept:
                _hold(tx, self._holder, allowance, row.granted)
            return Grant(row.granted, row.taken)

    def give_back(self, allowance: Allowance, amount: int, settled: Settled | None = None) -> None:
        """Return what was not used, and say what was."""
        spent = settled.amount if settled else 0
        with self._database.write() as tx:
            _move(tx, allowance, -amount, spent)
            if allowance.kept:
                _hold(tx, self._holder, allowance, -amount, spent)
            if settled is not None:
                _alert(tx, allowance, settled.wish)

    def seen(self) -> None:
        """Say that the holder lives."""
        table = schema.allowance_leases
        with self._database.write() as tx:
            tx.execute(update(table).where(table.c.holder == self._holder).values(seen_us=tx.now_us))


def first_grant(wish: Wish, left: int) -> int:
    """Give how much is leased of what is left; 0: refused."""
    return 0 if wish.need > left else max(wish.need, min(wish.block, left // wish.share))


def _taking(tx: Write, allowance: Allowance, wish: Wish) -> Executable:
    table = schema.allowances
    first = first_grant(wish, wish.cap)
    part = (wish.cap - table.c.taken) // wish.share
    block = case((part < wish.block, part), else_=wish.block)
    granted = case((block < wish.need, wish.need), else_=block)
    new = {**allowance._asdict(), "taken": first, "granted": first, "alerted": 0, "cap": wish.cap}
    return (
        upsert(tx.conn, table)
        .values(new)
        .on_conflict_do_update(
            index_elements=["tenant", "name", "period_us"],
            set_={"taken": table.c.taken + granted, "granted": granted, "cap": wish.cap},
            where=table.c.taken + wish.need <= wish.cap,
        )
        .returning(table.c.granted, table.c.taken)
    )


def _hold(tx: Write, holder: str, allowance: Allowance, amount: int, spent: int = 0) -> None:
    table = schema.allowance_leases
    key = {"holder": holder, "tenant": allowance.tenant, "name": allowance.name, "period_us": allowance.period_us}
    row = {**key, "taken": amount, "spent": spent, "since_us": tx.now_us, "seen_us": tx.now_us}
    new = upsert(tx.conn, table).values(row)
    more = {"taken": table.c.taken + amount, "spent": table.c.spent + spent, "seen_us": tx.now_us}
    tx.execute(new.on_conflict_do_update(index_elements=list(key), set_=more))


def _move(tx: Write, allowance: Allowance, amount: int, spent: int) -> None:
    table = schema.allowances
    more = {"taken": table.c.taken + amount, "spent": table.c.spent + spent}
    tx.execute(update(table).where(*_is(table.c, allowance)).values(more))


def _alert(tx: Write, allowance: Allowance, wish: Wish, *, refused: bool = False) -> None:
    """Leave one event for the highest share of the ceiling that was spent, once in a period.

    Where a call was refused all counts as spent: the last of it may be too little for any call.
    """
    table = schema.allowances
    spent = tx.execute(select(table.c.spent).where(*_is(table.c, allowance))).scalar() or 0
    passed = [int(share * _FULL) for share in wish.alerts if refused or spent >= share * wish.cap]
    if not passed:
        return
    mine = update(table).where(*_is(table.c, allowance), table.c.alerted < max(passed)).values(alerted=max(passed))
    if tx.execute(mine).rowcount:
        scope, unit, period = allowance.name.rsplit("|", 2)
        kind, _, value = scope.partition(":")
        body = {"scope": kind, "unit": unit, "period": period, "share": max(passed) / _FULL, "cap": wish.cap}
        automation = value if kind == "automation" else None
        note = {"period_us": allowance.period_us, "spent": spent, "refused": refused}
        tx.record(Note("budget.alert", allowance.tenant, "gateway", body | note, automation=automation))


def _is(columns: "object", allowance: Allowance) -> Iterable[ColumnElement[bool]]:
    names = ("tenant", "name", "period_us")
    return [getattr(columns, name) == getattr(allowance, name) for name in names]


@dataclass(frozen=True, slots=True)
class Left:
    """What a holder took of an allowance, and what it said was spent of that."""

    holder: str
    allowance: Allowance
    taken: int
    spent: int
    since_us: int
    seen_us: int


def held(database: Database) -> list[Left]:
    """List what holders, dead or alive, have of allowances."""
    with database.read() as conn:
        rows = conn.execute(select(schema.allowance_leases)).all()
    return [
        Left(
            row.holder, Allowance(row.tenant, row.name, row.period_us), row.taken, row.spent, row.since_us, row.seen_us
        )
        for row in rows
    ]


def reconcile(database: Database, left: Left, spent: int) -> bool:
    """Return what a dead holder did not spend; tell whether it was still to be done."""
    table = schema.allowance_leases
    mine = delete(table).where(table.c.holder == left.holder, *_is(table.c, left.allowance))
    with database.write() as tx:
        if not tx.execute(mine.where(table.c.taken == left.taken)).rowcount:
            return False
        _move(tx, left.allowance, spent - left.taken, spent - left.spent)
    return True


@dataclass(frozen=True, slots=True)
class State:
    """How an allowance stands, for people."""

    allowance: Allowance
    taken: int
    spent: int
    cap: int
    alerted: float


def states(database: Database, tenant: str, now_us: int) -> list[State]:
    """List the allowances of a tenant whose period is not over."""
    table = schema.allowances
    current = select(table).where(table.c.tenant == tenant, (table.c.until_us > now_us) | (table.c.until_us == 0))
    with database.read() as conn:
        rows = conn.execute(current.order_by(table.c.name)).all()
    return [
        State(
            Allowance(row.tenant, row.name, row.period_us, row.until_us),
            *(row.taken, row.spent, row.cap, row.alerted / _FULL),
        )
        for row in rows
    ]


def sweep(tx: Write, keep_us: int) -> int:
    """Delete allowances whose period ended that long ago; return how many."""
    table, left = schema.allowances, schema.allowance_leases
    over = (table.c.until_us > 0) & (table.c.until_us < tx.now_us - keep_us)
    tx.execute(delete(left).where(left.c.period_us > 0, left.c.seen_us < tx.now_us - keep_us))
    return tx.execute(delete(table).where(over)).rowcount
