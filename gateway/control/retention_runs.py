"""Which day's retention was run, by whom, and what it came to: once a day, tried again until it is done."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, select, update

from gateway.control.database import Database, insert_new
from gateway.control.identity.roles import Identity, require
from gateway.control.schema_trust import retention_runs


@dataclass(frozen=True, slots=True)
class Run:
    """One day's run."""

    day: str
    started_us: int
    done_us: int | None
    outcome: Mapping[str, Any]


def begin(database: Database, day: str) -> bool:
    """Say that a day's run begins; tell whether it is still to be done."""
    with database.write() as tx:
        insert_new(tx, retention_runs, {"day": day, "started_us": tx.now_us, "outcome": "{}"})
        found = select(retention_runs.c.done_us).where(retention_runs.c.day == day)
        return tx.execute(found).scalar() is None


def finish(database: Database, day: str, outcome: Mapping[str, Any]) -> None:
    """Say what a day's run came to."""
    with database.write() as tx:
        mine = update(retention_runs).where(retention_runs.c.day == day)
        tx.execute(mine.values(done_us=tx.now_us, outcome=json.dumps(dict(outcome))))


def listed(database: Database, by: Identity, limit: int = 100) -> list[Run]:
    """List runs, the newest first.

    Raises:
        NotAllowed: `by` is neither auditor nor admin.
    """
    require(by, by.tenant, "auditor", "admin")
    newest = select(retention_runs).order_by(retention_runs.c.day.desc()).limit(limit)
    with database.read() as conn:
        return [_run(row) for row in conn.execute(newest).mappings()]


def _run(row: RowMapping) -> Run:
    return Run(row["day"], row["started_us"], row["done_us"], json.loads(row["outcome"]))
