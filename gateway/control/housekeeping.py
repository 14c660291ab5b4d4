"""Removing what has served its time: expired items, sessions, links, attempts and journalled events."""

from typing import Final

from sqlalchemy import Column, Table, delete, select

from gateway.control import budgets, outbox, reviews, schema, sealed
from gateway.control.database import Database, Write

KEEP_CHANGES: Final = 10_000
KEEP_ENDED_S: Final = 30 * 24 * 3600
KEEP_PERIODS_S: Final = 35 * 24 * 3600


def sweep(database: Database) -> dict[str, int]:
    """Delete what is out of date; return how many rows of each table."""
    with database.write() as tx:
        counts = {
            "sessions": _drop(tx, schema.sessions, schema.sessions.c.expires_us, KEEP_ENDED_S),
            "login_links": _drop(tx, schema.login_links, schema.login_links.c.expires_us, KEEP_ENDED_S),
            "login_attempts": _drop(tx, schema.login_attempts, schema.login_attempts.c.window_until_us, 0),
            "outbox": outbox.drop_relayed(tx),
            "change_log": _drop_old_changes(tx),
            "reviews": reviews.sweep(tx),
            "allowances": budgets.sweep(tx, KEEP_PERIODS_S * 1_000_000),
        }
    return counts | {"sealed": sealed.sweep(database)}


def _drop_old_changes(tx: Write) -> int:
    """Forget stamps so old that every living reader has seen later ones."""
    now, log = schema.changes, schema.change_log
    old = log.c.version < select(now.c.version - KEEP_CHANGES).scalar_subquery()
    return tx.execute(delete(log).where(old)).rowcount


def _drop(tx: Write, table: Table, ended_us: Column[int], keep_s: int) -> int:
    return tx.execute(delete(table).where(ended_us < tx.now_us - keep_s * 1_000_000)).rowcount
