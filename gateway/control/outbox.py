"""Events that wait to be journalled: written with the change they tell of, read by the relay."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import RowMapping, delete, select, update

from gateway.control import schema
from gateway.control.database import Database, Write
from metrics.record.events import Event

KEEP_RELAYED_S: Final = 7 * 24 * 3600


def unrelayed(database: Database, limit: int = 500) -> list[tuple[int, Event]]:
    """Return the oldest events that are not journalled yet, with their outbox numbers."""
    table = schema.outbox
    waiting = select(table).where(table.c.relayed_us.is_(None)).order_by(table.c.seq).limit(limit)
    with database.read() as conn:
        return [(row["seq"], _event(row)) for row in conn.execute(waiting).mappings()]


def mark_relayed(tx: Write, numbers: Sequence[int]) -> None:
    """Note that these events are journalled."""
    table = schema.outbox
    tx.execute(update(table).where(table.c.seq.in_(numbers)).values(relayed_us=tx.now_us))


def drop_relayed(tx: Write) -> int:
    """Delete journalled events that are older than a week; return how many."""
    table = schema.outbox
    return tx.execute(delete(table).where(table.c.relayed_us < tx.now_us - KEEP_RELAYED_S * 1_000_000)).rowcount


def _event(row: RowMapping) -> Event:
    body: dict[str, Any] = json.loads(row["body"])
    return Event(
        event_id=row["event_id"],
        kind=row["kind"],
        ts_us=row["ts_us"],
        tenant=row["tenant"],
        automation=row["automation"],
        run=row["run"],
        step=row["step"],
        actor=row["actor"],
        subject_ref=row["subject_ref"],
        body=body,
        schema=row["schema"],
    )
