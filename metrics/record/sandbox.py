"""Runs one reading statement against the ledger, with limits, on a connection that can do nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from metrics.record.refusals import QueryError, QueryTimeoutError


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one question may cost."""

    seconds: float = 10.0
    rows: int = 100_000


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows as tuples, or one Arrow table; `truncated` when the row limit cut it."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    table: pa.Table | None
    truncated: bool
    seq: int
    ts_us: int


class Sandbox:
    """Asks on a cursor of the ledger's locked-down instance."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, limits: QueryLimits) -> None:
        self._cursor, self._limits = cursor, limits

    def rows(self, sql: str, values: Mapping[str, object]) -> Answer:
        """Answer with rows."""
        with self._reading(sql) as (seq, ts_us):
            asked = self._cursor.execute(sql, dict(values))
            columns = tuple(column[0] for column in asked.description or ())
            rows = asked.fetchmany(self._limits.rows + 1)
        cut = len(rows) > self._limits.rows
        return Answer(columns, rows[: self._limits.rows], None, cut, seq, ts_us)

    def arrow(self, sql: str, values: Mapping[str, object]) -> Answer:
        """Answer with an Arrow table."""
        with self._reading(sql) as (seq, ts_us):
            relation = self._cursor.sql(sql, params=dict(values)).limit(self._limits.rows + 1)
            table = relation.to_arrow_table()
        cut = table.num_rows > self._limits.rows
        return Answer(tuple(table.column_names), [], table.slice(0, self._limits.rows), cut, seq, ts_us)

    @contextmanager
    def _reading(self, sql: str) -> Iterator[tuple[int, int]]:
        """Refuse all but one SELECT; read in a read-only transaction; give up when time is over."""
        _check(sql)
        alarm = threading.Timer(self._limits.seconds, self._cursor.interrupt)
        alarm.start()
        try:
            self._cursor.execute("BEGIN TRANSACTION READ ONLY")
            try:
                yield self._watermark()
            finally:
                self._cursor.execute("ROLLBACK")
        except duckdb.InterruptException as problem:
            raise QueryTimeoutError(f"the question took longer than {self._limits.seconds:g} s") from problem
        except duckdb.OutOfMemoryException as problem:
            raise QueryError("the question needs more memory than the recorder may use") from problem
        finally:
            alarm.cancel()

    def _watermark(self) -> tuple[int, int]:
        rows = self._cursor.execute("SELECT name, number FROM facts WHERE name IN ('seq', 'ts_us')").fetchall()
        facts = dict(rows)
        return facts.get("seq", 0), facts.get("ts_us", 0)


def _check(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as problem:
        raise QueryError("the question is not SQL") from problem
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError("a question is exactly one SELECT statement")
