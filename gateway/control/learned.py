"""What the keeper learned from the ledger: written by one, followed by all workers through the `changes` counter."""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select

from gateway.control import schema
from gateway.control.database import Write, upsert

SPLIT: Final = "split"
OUTCOMES: Final = "outcomes"


class Lesson(NamedTuple):
    """One thing learned: of a split its standing, of an automation what became of its candidates' answers."""

    tenant: str
    kind: str
    name: str
    value: Any


def read(conn: Connection) -> list[Lesson]:
    """Return everything that was learned."""
    table = schema.learned
    rows = conn.execute(select(table.c.tenant, table.c.kind, table.c.name, table.c.value)).all()
    return [Lesson(row.tenant, row.kind, row.name, json.loads(row.value)) for row in rows]


def keep(tx: Write, lessons: Sequence[Lesson]) -> None:
    """Write lessons, new or again, and tell the workers."""
    for lesson in lessons:
        row = {**lesson._asdict(), "value": json.dumps(lesson.value), "decided_us": tx.now_us}
        key = ["tenant", "kind", "name"]
        new = upsert(tx.conn, schema.learned).values(row)
        tx.execute(new.on_conflict_do_update(index_elements=key, set_={n: row[n] for n in ("value", "decided_us")}))
    tx.bump()
