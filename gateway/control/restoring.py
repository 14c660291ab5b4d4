"""A control database from a backup, made fit to serve: nothing that was taken back since comes alive again."""

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, insert, inspect, select, update

from gateway.control import schema, schema_reviews
from gateway.control.database import Database, Note, Position, Write, continues, insert_new
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.control.schema_trust import erasures
from metrics.proof.erasure import Listed

RESTORE: Final = "restore"
_ENDED: Final = (
    (schema.api_keys, "revoked_us"),
    (schema.users, "disabled_us"),
    (schema.service_principals, "disabled_us"),
)
_HOLDERS: Final = (schema.users.c.user_id, schema.service_principals.c.principal_id)
# Rows that only forbid something: those of later come back as well.
_FORBIDDING: Final = (schema_reviews.stops, schema.certificate_withdrawals)


@dataclass(frozen=True, slots=True)
class Later:
    """What the database that is being replaced knows of the time after the backup."""

    ended: tuple[tuple[dict[str, Any], ...], ...]  # by table of _ENDED
    forbidding: tuple[tuple[dict[str, Any], ...], ...]  # by table of _FORBIDDING
    roles: tuple[dict[str, Any], ...]


def later(database: Database, backup: Position) -> Later | None:
    """Read what was taken back since; None when the database's history does not go on from the backup's."""
    with database.read() as conn:
        empty = not inspect(conn).has_table(schema.changes.name)
        if empty or backup.stamp is None or not continues(conn, backup):
            return None
        ended = tuple(_rows(conn, table, table.c[mark].is_not(None)) for table, mark in _ENDED)
        return Later(ended, tuple(_rows(conn, table) for table in _FORBIDDING), _rows(conn, schema.roles))


def settle(database: Database, known: Later | None, listed: list[Listed], backup_id: str) -> dict[str, int]:
    """Take back again what was taken back since the backup; what cannot be known waits to be confirmed.

    Passwords are forgotten in any case: a password changed since would be the old one again.
    """
    with database.write() as tx:
        tx.bump()
        tx.execute(update(schema.users).values(password_hash=None))
        ended = 0 if known is None else _end_again(tx, known)
        waiting = _hold_keys(tx) if known is None else 0
        erased = sum(_ask_again(tx, each) for each in listed)
        counts = {"keys_unconfirmed": waiting, "ended_again": ended, "erasures": erased}
        tx.record(Note("backup.restored", DEFAULT_TENANT, RESTORE, {"backup": backup_id, **counts}))
    return counts


def _end_again(tx: Write, known: Later) -> int:
    count, tenants = 0, set(tx.execute(select(schema.tenants.c.tenant)).scalars())
    for (table, mark), rows in zip(_ENDED, known.ended, strict=True):
        key = next(iter(table.primary_key))
        for row in rows:
            values = {mark: row[mark]}
            if table is schema.api_keys:
                values |= {"revoked_by": row["revoked_by"], "changed": tx.bump()}
            alive = update(table).where(key == row[key.name], table.c[mark].is_(None))
            count += tx.execute(alive.values(values)).rowcount
    for table, rows in zip(_FORBIDDING, known.forbidding, strict=True):
        count += sum(insert_new(tx, table, row) for row in rows if row["tenant"] in tenants)
    people = {name for key in _HOLDERS for name in tx.execute(select(key)).scalars()}
    tx.execute(delete(schema.roles))
    for row in known.roles:
        if row["holder"] in people:
            tx.execute(insert(schema.roles).values(row))
    return count


def _hold_keys(tx: Write) -> int:
    table = schema.api_keys
    values = {"unconfirmed_us": tx.now_us, "changed": tx.bump()}
    return tx.execute(update(table).where(table.c.revoked_us.is_(None)).values(values)).rowcount


def _ask_again(tx: Write, listed: Listed) -> bool:
    """Ask for an erasure that the backup does not know, so that the keeper does it and leaves its receipt."""
    target = listed.target
    row: dict[str, Any] = {"erasure_id": listed.erasure_id, "tenant": target.tenant, "state": "requested"}
    row |= {"target": json.dumps(target.to_json()), "basis": "other", "reference": RESTORE, "acks": "{}"}
    known = tx.execute(select(schema.tenants.c.tenant).where(schema.tenants.c.tenant == target.tenant)).first()
    if known is None or not insert_new(tx, erasures, row | {"requested_by": RESTORE, "requested_us": listed.ts_us}):
        return False
    said: dict[str, Any] = {"erasure_id": listed.erasure_id, "subject_refs": target.subject_refs}
    said |= {"event_ids": target.event_ids, "items": len(target.items), "basis": "other", "reference": RESTORE}
    tx.record(Note("erasure", target.tenant, RESTORE, said))
    return True


def _rows(conn: Connection, table: Table, *only: Any) -> tuple[dict[str, Any], ...]:
    return tuple(dict(row) for row in conn.execute(select(table).where(*only)).mappings())
