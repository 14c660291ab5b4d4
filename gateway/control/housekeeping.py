"""Removing what has served its time: expired items, sessions, links, attempts and journalled events."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Column, Table, delete, select

from gateway.control import budgets, outbox, reviews, schema, sealed
from gateway.control.database import Database, Write
from gateway.control.legal_holds import in_force
from metrics.proof.retention import LegalHold

KEEP_CHANGES: Final = 10_000
KEEP_ENDED_S: Final = 30 * 24 * 3600
KEEP_PERIODS_S: Final = 35 * 24 * 3600


def sweep(database: Database, asked: Sequence[LegalHold] = ()) -> dict[str, int]:
    """Delete what is out of date; return how many rows of each table. `asked` are holds beside those set here."""
    with database.write() as tx:
        holds = (*in_force(tx.conn), *asked)
        return {
            "sessions": _drop(tx, schema.sessions, schema.sessions.c.expires_us, KEEP_ENDED_S),
            "login_links": _drop(tx, schema.login_links, schema.login_links.c.expires_us, KEEP_ENDED_S),
            "login_attempts": _drop(tx, schema.login_attempts, schema.login_attempts.c.window_until_us, 0),
            "outbox": outbox.drop_relayed(tx),
            "change_log": _drop_old_changes(tx),
            "reviews": reviews.sweep(tx, holds),
            "allowances": budgets.sweep(tx, KEEP_PERIODS_S * 1_000_000),
            "sealed": sealed.sweep(tx, holds),
        }


def _drop_old_changes(tx: Write) -> int:
    """Forget stamps so old that every living reader has seen later ones."""
    now, log = schema.changes, schema.change_log
    old = log.c.version < select(now.c.version - KEEP_CHANGES).scalar_subquery()
    return tx.execute(delete(log).where(old)).rowcount


def _drop(tx: Write, table: Table, ended_us: Column[int], keep_s: int) -> int:
    return tx.execute(delete(table).where(ended_us < tx.now_us - keep_s * 1_000_000)).rowcount
