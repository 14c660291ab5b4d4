"""Sealed items: what must be kept but never in clear. This table sees ciphertext only; the keys are elsewhere.

One table serves holds, background responses, idempotency replies, conversation maps and the cache.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Delete, delete, select, text

from gateway.control import schema
from gateway.control.database import Database, Write, insert_new, upsert


@dataclass(frozen=True, slots=True)
class SealedItem:
    """One ciphertext and what finds, expires and erases it. `expires_us` None: kept until deleted."""

    kind: str
    item_id: str
    ciphertext: bytes
    subject_ref: str | None = None
    expires_us: int | None = None


def put(tx: Write, tenant: str, item: SealedItem) -> bool:
    """Store an item unless its id is taken; tell whether it was stored."""
    return insert_new(tx, schema.sealed, _row(tx, tenant, item))


def replace(tx: Write, tenant: str, item: SealedItem) -> None:
    """Store an item, in place of the one with its id if there is one."""
    row = _row(tx, tenant, item)
    stored = upsert(tx.conn, schema.sealed).values(row)
    tx.execute(stored.on_conflict_do_update(index_elements=["tenant", "kind", "item_id"], set_=row))


def get(database: Database, tenant: str, kind: str, item_id: str) -> SealedItem | None:
    """Return an item that has not expired."""
    table = schema.sealed
    with database.read() as conn:
        row = conn.execute(select(table).where(*_is(tenant, kind, item_id))).mappings().first()
    if row is None or (row["expires_us"] is not None and row["expires_us"] <= database.clock_us()):
        return None
    return SealedItem(kind, item_id, row["ciphertext"], row["subject_ref"], row["expires_us"])


def below(database: Database, tenant: str, kind: str, prefix: str) -> list[SealedItem]:
    """Return the items of a kind whose ids begin with a prefix, in the order of their ids."""
    table = schema.sealed
    mine = select(table).where(table.c.tenant == tenant, table.c.kind == kind, table.c.item_id.startswith(prefix))
    with database.read() as conn:
        rows = conn.execute(mine.order_by(table.c.item_id)).mappings().all()
    return [SealedItem(kind, r["item_id"], r["ciphertext"], r["subject_ref"], r["expires_us"]) for r in rows]


def remove(tx: Write, tenant: str, kind: str, item_id: str) -> bool:
    """Delete an item; tell whether there was one."""
    return tx.execute(delete(schema.sealed).where(*_is(tenant, kind, item_id))).rowcount == 1


def remove_expired(tx: Write, tenant: str, kind: str, item_id: str) -> None:
    """Delete an item that has expired and was not swept yet."""
    table = schema.sealed
    tx.execute(delete(table).where(*_is(tenant, kind, item_id), table.c.expires_us <= tx.now_us))


def sweep(database: Database) -> int:
    """Delete what has expired; return how many items."""
    table = schema.sealed
    return _purge(database, delete(table).where(table.c.expires_us <= database.clock_us()))


def erase(database: Database, tenant: str, subject_ref: str) -> int:
    """Delete everything about a subject, also from the database's own leftovers; return how many items."""
    table = schema.sealed
    return _purge(database, delete(table).where(table.c.tenant == tenant, table.c.subject_ref == subject_ref))


def _purge(database: Database, statement: Delete) -> int:
    with database.write() as tx:
        count = tx.execute(statement).rowcount
    if count:
        _scrub(database)
    return count


def _scrub(database: Database) -> None:
    """Remove deleted bytes from disk: SQLite keeps them in its log until it is emptied, PostgreSQL until a vacuum."""
    statement = "VACUUM sealed" if database.engine.dialect.name == "postgresql" else "PRAGMA wal_checkpoint(TRUNCATE)"
    with database.outside_transactions() as conn:
        conn.execute(text(statement))


def _is(tenant: str, kind: str, item_id: str) -> tuple[ColumnElement[bool], ...]:
    table = schema.sealed
    return (table.c.tenant == tenant, table.c.kind == kind, table.c.item_id == item_id)


def _row(tx: Write, tenant: str, item: SealedItem) -> dict[str, object]:
    return {
        "tenant": tenant,
        "kind": item.kind,
        "item_id": item.item_id,
        "subject_ref": item.subject_ref,
        "ciphertext": item.ciphertext,
        "created_us": tx.now_us,
        "expires_us": item.expires_us,
    }
