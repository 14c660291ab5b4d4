"""Removing what has served its time: expired items, sessions, links, attempts and journalled events."""

from typing import Final

from sqlalchemy import Column, Table, delete

from gateway.control import outbox, schema, sealed
from gateway.control.database import Database, Write

KEEP_ENDED_S: Final = 30 * 24 * 3600


def sweep(database: Database) -> dict[str, int]:
    """Delete what is out of date; return how many rows of each table."""
    with database.write() as tx:
        counts = {
            "sessions": _drop(tx, schema.sessions, schema.sessions.c.expires_us, KEEP_ENDED_S),
            "login_links": _drop(tx, schema.login_links, schema.login_links.c.expires_us, KEEP_ENDED_S),
            "login_attempts": _drop(tx, schema.login_attempts, schema.login_attempts.c.window_until_us, 0),
            "outbox": outbox.drop_relayed(tx),
        }
    return counts | {"sealed": sealed.sweep(database)}


def _drop(tx: Write, table: Table, ended_us: Column[int], keep_s: int) -> int:
    return tx.execute(delete(table).where(ended_us < tx.now_us - keep_s * 1_000_000)).rowcount
