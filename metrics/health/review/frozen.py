"""The ledger as it stood at one record: every named question asked of it gives the same answer again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import duckdb

from metrics.client import Table, Watermark
from metrics.health.questions import all_questions
from metrics.record.queries import Question
from metrics.record.refusals import QueryError

_SHADOW: Final = "CREATE TEMP VIEW {name} AS SELECT * FROM {base}.{name} WHERE seq <= {seq}"
_NUMBERED: Final = ("events", "calls", "attempts", "entities", "outcomes")


@dataclass(frozen=True, slots=True)
class FrozenLedger:
    """Asks in one transaction, of records up to `seq` only: runs and days are right up to there, and no further."""

    cursor: duckdb.DuckDBPyConnection
    tenant: str
    seq: int
    questions: Mapping[str, Question]

    def ask(self, name: str, **params: Any) -> Table:
        """Ask a named question; a parameter that is None counts as not given. Raises `QueryError`."""
        given = {key: value for key, value in params.items() if value is not None}
        question = self.questions.get(name)
        if question is None:
            raise QueryError(f"there is no question named {name!r}")
        asked = self.cursor.execute(*question.prepare(self.tenant, given))
        columns = tuple(column[0] for column in asked.description or ())
        return Table(columns, [list(row) for row in asked.fetchall()], Watermark(self.seq, 0))


@contextmanager
def frozen(cursor: duckdb.DuckDBPyConnection, tenant: str, zone: str | None = None) -> Iterator[FrozenLedger]:
    """Freeze the ledger on a cursor of its own; nothing stays behind. `zone`: that of its days."""
    cursor.execute("BEGIN TRANSACTION")
    try:
        row = cursor.execute("SELECT number FROM facts WHERE name = 'aggregated'").fetchone()
        seq = int(row[0]) if row else 0
        for statement in _shadows(cursor, seq):
            cursor.execute(statement)
        yield FrozenLedger(cursor, tenant, seq, all_questions(zone))
    finally:
        cursor.execute("ROLLBACK")


def _shadows(cursor: duckdb.DuckDBPyConnection, seq: int) -> list[str]:
    """Return statements that put temporary views, up to a record, before the tables and views of the same names."""
    row = cursor.execute("SELECT current_database()").fetchone()
    base = f'"{row[0]}".main' if row else "main"
    tables = [_SHADOW.format(name=name, base=base, seq=seq) for name in _NUMBERED]
    views = cursor.execute(
        "SELECT sql FROM duckdb_views() WHERE NOT internal AND NOT temporary ORDER BY view_oid"
    ).fetchall()
    return tables + [sql.replace("CREATE VIEW", "CREATE TEMP VIEW", 1) for (sql,) in views]
