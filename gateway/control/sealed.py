"""Sealed items: what must be kept but never in clear. This table sees ciphertext only; the keys are elsewhere.

One table serves holds, background responses, idempotency replies, conversation maps and the cache.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, and_, delete, not_, or_, select, text

from gateway.control import schema
from gateway.control.database import Database, Write, insert_new, inserting
from gateway.control.errors import ControlUnavailable
from gateway.control.legal_holds import kept
from metrics.proof.erasure import Target
from metrics.proof.retention import LegalHold

PART: Final = "/"  # between the id of an item and the number of what belongs to it
COPIES: Final = ("cache", "idempotency")  # answers that may be given again


@dataclass(frozen=True, slots=True)
class SealedItem:
    """One ciphertext and what finds, expires and erases it. `expires_us` None: kept until deleted."""

    kind: str
    item_id: str
    ciphertext: bytes
    subject_ref: str | None = None
    expires_us: int | None = None
    automation: str | None = None


def _storing(dialect: str, *, expired: bool) -> Any:
    """Return the statement that stores an item in place of another one."""
    new = inserting(dialect)(schema.sealed)
    fresh = {column.name: new.excluded[column.name] for column in schema.sealed.columns}
    gone = schema.sealed.c.expires_us <= new.excluded.created_us if expired else None
    return new.on_conflict_do_update(index_elements=schema.sealed.primary_key, set_=fresh, where=gone)


@lru_cache(maxsize=2)  # built once: each call would pay for it
def _replacing(dialect: str) -> Any:
    return _storing(dialect, expired=False)


@lru_cache(maxsize=2)
def _taking(dialect: str) -> Any:
    return _storing(dialect, expired=True).returning(schema.sealed.c.item_id)


def put(tx: Write, tenant: str, item: SealedItem) -> bool:
    """Store an item unless its id is taken; tell whether it was stored."""
    return insert_new(tx, schema.sealed, _row(tx, tenant, item))


def take(tx: Write, tenant: str, item: SealedItem) -> bool:
    """Store an item unless its id is taken by one that has not expired; tell whether it was stored."""
    return tx.conn.execute(_taking(tx.conn.dialect.name), _row(tx, tenant, item)).first() is not None


def replace(tx: Write, tenant: str, item: SealedItem) -> None:
    """Store an item, in place of the one with its id if there is one."""
    tx.conn.execute(_replacing(tx.conn.dialect.name), _row(tx, tenant, item))


def get(database: Database, tenant: str, kind: str, item_id: str) -> SealedItem | None:
    """Return an item that has not expired."""
    table = schema.sealed
    with database.read() as conn:
        row = conn.execute(select(table).where(_is(tenant, kind, item_id))).mappings().first()
    if row is None or (row["expires_us"] is not None and row["expires_us"] <= database.clock_us()):
        return None
    return _item(row)


def below(database: Database, tenant: str, kind: str, prefix: str, first: str = "") -> list[SealedItem]:
    """Return the items of a kind whose ids begin with a prefix, in the order of their ids, from one on."""
    table = schema.sealed
    mine = select(table).where(
        table.c.tenant == tenant, table.c.kind == kind, table.c.item_id >= (first or prefix),
        table.c.item_id.startswith(prefix, autoescape=True),
    )  # fmt: skip
    with database.read() as conn:
        rows = conn.execute(mine.order_by(table.c.item_id)).mappings().all()
    return [_item(row) for row in rows]


def remove(tx: Write, tenant: str, kind: str, item_id: str) -> bool:
    """Delete an item; tell whether there was one."""
    return tx.execute(delete(schema.sealed).where(_is(tenant, kind, item_id))).rowcount == 1


def remove_parts(tx: Write, tenant: str, kind: str, item_id: str) -> None:
    """Delete all that belongs to an item."""
    table = schema.sealed
    tx.execute(delete(table).where(table.c.tenant == tenant, table.c.kind == kind, _belongs(item_id)))


def sweep(tx: Write, holds: Sequence[LegalHold] = ()) -> int:
    """Delete what has expired and is not held; return how many items."""
    table = schema.sealed
    held = kept(table, "created_us", holds) & table.c.kind.not_in(COPIES)
    return tx.execute(delete(table).where(table.c.expires_us <= tx.now_us, not_(held))).rowcount


def erase(database: Database, target: Target) -> dict[str, int]:
    """Delete what is sealed about a target; return how many items of each kind. Call `scrub` after it.

    Copies that may be given again are not labelled by value: where single records go, all of the tenant's go.
    """
    table = schema.sealed
    about = [table.c.subject_ref.in_(target.subject_refs), *(_is(target.tenant, *item) for item in target.items)]
    about += [_belongs(item_id) for _, item_id in target.items]
    if target.event_ids:
        about.append(table.c.kind.in_(COPIES))
    gone = delete(table).where(table.c.tenant == target.tenant, or_(*about)).returning(table.c.kind)
    with database.write() as tx:
        counts = dict(Counter(tx.execute(gone).scalars()))
        if counts and tx.conn.dialect.name == "sqlite":
            tx.execute(text("PRAGMA user_version = 1"))  # with the rows: a crash before the scrub is made good
        return counts


def of_tenant(database: Database, tenant: str) -> list[SealedItem]:
    """Return all items of a tenant that may hold values of people; copies that may be given again are left out."""
    table = schema.sealed
    mine = select(table).where(table.c.tenant == tenant, table.c.kind.not_in(COPIES)).order_by(*table.primary_key)
    with database.read() as conn:
        return [_item(row) for row in conn.execute(mine).mappings()]


def about(database: Database, tenant: str, subject_ref: str) -> list[SealedItem]:
    """Return the items about a subject."""
    table = schema.sealed
    mine = select(table).where(table.c.tenant == tenant, table.c.subject_ref == subject_ref)
    with database.read() as conn:
        return [_item(row) for row in conn.execute(mine.order_by(*table.primary_key)).mappings()]


def scrub(database: Database, attempts: int = 50, *, always: bool = True) -> None:
    """Remove deleted bytes from disk. SQLite keeps them in rebuilt pages and in its log, PostgreSQL in dead rows.

    Not `always`: on SQLite only if something was erased since the last time.

    Raises:
        ControlUnavailable: somebody reads the log all the time; scrub again.
    """
    with database.outside_transactions() as conn:
        if database.engine.dialect.name == "postgresql":
            conn.execute(text("VACUUM FULL sealed"))
            return
        if not always and not conn.execute(text("PRAGMA user_version")).scalar():
            return
        conn.execute(text("VACUUM"))
        for _ in range(attempts):
            if not conn.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0]:
                conn.execute(text("PRAGMA user_version = 0"))
                return
            time.sleep(0.1)
    raise ControlUnavailable("The control database's log is in use; what was deleted may still stand in it.")


def _is(tenant: str, kind: str, item_id: str) -> ColumnElement[bool]:
    table = schema.sealed
    return and_(table.c.tenant == tenant, table.c.kind == kind, table.c.item_id == item_id)


def _belongs(item_id: str) -> ColumnElement[bool]:
    return schema.sealed.c.item_id.startswith(f"{item_id}{PART}", autoescape=True)


def _item(row: RowMapping) -> SealedItem:
    names = ("kind", "item_id", "ciphertext", "subject_ref", "expires_us", "automation")
    return SealedItem(**{name: row[name] for name in names})


def _row(tx: Write, tenant: str, item: SealedItem) -> dict[str, object]:
    return {
        "tenant": tenant,
        "kind": item.kind,
        "item_id": item.item_id,
        "subject_ref": item.subject_ref,
        "ciphertext": item.ciphertext,
        "created_us": tx.now_us,
        "expires_us": item.expires_us,
        "automation": item.automation,
    }
