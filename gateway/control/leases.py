"""Leases: one holder at a time, for a limited time, with a number that tells an old holder from the present one.

Expiry is judged by the caller's clock, so machines that share a database keep their clocks together. A holder that
slept through its expiry is caught by the token: what it writes under `assert_held` is refused.
"""

from dataclasses import dataclass, replace

from sqlalchemy import delete, select, update

from gateway.control import schema
from gateway.control.database import Database, Write, upsert
from gateway.control.errors import Conflict


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as its holder knows it; `token` grows with every change of hands."""

    name: str
    holder: str
    token: int
    expires_us: int


def acquire(database: Database, name: str, holder: str, ttl_s: float) -> Lease | None:
    """Take a lease that is free, expired, or held under the same name; return None while somebody else holds it.

    The same name is a holder that was restarted: it must be sure that its former self is gone.
    """
    table = schema.leases
    with database.write() as tx:
        expires_us = tx.now_us + int(ttl_s * 1_000_000)
        row = {"name": name, "holder": holder, "token": 1, "expires_us": expires_us}
        taken = upsert(tx.conn, table).values(row)
        taken_over = taken.on_conflict_do_update(
            index_elements=["name"],
            set_={"holder": holder, "token": table.c.token + 1, "expires_us": expires_us},
            where=(table.c.expires_us <= tx.now_us) | (table.c.holder == holder),
        )
        token = tx.execute(taken_over.returning(table.c.token)).scalar()
    return None if token is None else Lease(name, holder, token, expires_us)


def renew(database: Database, lease: Lease, ttl_s: float) -> Lease | None:
    """Hold a lease for longer; return None when it is lost. One that expired untaken is kept."""
    with database.write() as tx:
        expires_us = tx.now_us + int(ttl_s * 1_000_000)
        kept = _set_expiry(tx, lease, expires_us)
    return replace(lease, expires_us=expires_us) if kept else None


def release(database: Database, lease: Lease) -> bool:
    """Give a lease back at once; tell whether it was still held."""
    with database.write() as tx:
        return _set_expiry(tx, lease, 0)


def drop(tx: Write, name: str) -> None:
    """Forget a lease whose work is done or called off; whoever holds it has lost it."""
    tx.execute(delete(schema.leases).where(schema.leases.c.name == name))


def assert_held(tx: Write, lease: Lease) -> None:
    """Make a transaction fail unless the lease is still this holder's; it stays so until the transaction ends.

    Raises:
        Conflict: somebody else holds it, or it has expired.
    """
    table = schema.leases
    held = select(table.c.expires_us).where(table.c.name == lease.name, table.c.token == lease.token)
    expires_us = tx.execute(held.with_for_update()).scalar()
    if expires_us is None or expires_us <= tx.now_us:
        raise Conflict(f"The lease {lease.name!r} is no longer held.")


def _set_expiry(tx: Write, lease: Lease, expires_us: int) -> bool:
    table = schema.leases
    mine = update(table).where(table.c.name == lease.name, table.c.token == lease.token)
    return tx.execute(mine.values(expires_us=expires_us)).rowcount == 1
