"""Compares the ledger with the record, row by row: whoever changed a figure there is found out by the journal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import duckdb

from metrics.record.events import BadLineError
from metrics.record.order import OrderFile
from metrics.record.reader import OpenSegments, read_entry
from metrics.record.rows import Row, Rows

TABLES: Final = ("events", "calls", "attempts", "entities", "outcomes")
_AT_ONCE: Final = 20_000
_CONFIG: Final = {"enable_external_access": "false", "threads": "2", "memory_limit": "300MB"}

Problem = tuple[int | None, str]


class LedgerUnreadableError(RuntimeError):
    """The ledger cannot be opened; the sentence says why."""


def ledger_problems(data: Path) -> Iterator[Problem]:
    """Yield what the ledger says otherwise than the journal, or leaves out. Raises `LedgerUnreadableError`.

    Runs and days are sums of these tables and are not compared; `sluice ledger rebuild` makes them again.
    """
    try:
        db = duckdb.connect(str(data / "ledger.duckdb"), read_only=True, config=dict(_CONFIG))
    except duckdb.Error as problem:
        said = "it is in use: stop the recorder, or verify a copy" if "lock" in str(problem) else "it cannot be opened"
        raise LedgerUnreadableError(said) from problem
    with db:
        try:
            yield from compared(db, data / "journal")
        except duckdb.Error as problem:
            yield None, f"the ledger cannot be read: {type(problem).__name__}"


def compared(db: duckdb.DuckDBPyConnection, journal: Path) -> Iterator[Problem]:
    """Yield the same of an open ledger. Raises `duckdb.Error`."""
    done = db.execute("SELECT number FROM facts WHERE name = 'seq'").fetchone()
    last = done[0] if done else 0
    first, rows, segments = 1, Rows(), OpenSegments(journal)
    for entry in OrderFile(journal).entries():
        try:
            for seq, line in enumerate(read_entry(segments, entry), entry.seq):
                if seq <= last:
                    rows.add(seq, entry.segment, line)
        except (BadLineError, OSError, EOFError):
            continue  # the journal itself is at fault, which the offline check names
        if len(rows.events) >= _AT_ONCE:
            yield from _differences(db, rows, first, entry.last)
            first, rows = entry.last + 1, Rows()
    yield from _differences(db, rows, first, 2**62)
    segments.close()


def _differences(db: duckdb.DuckDBPyConnection, rows: Rows, first: int, last: int) -> Iterator[Problem]:
    """Compare the rows of a stretch of numbers, table by table."""
    expected = rows.tables()
    for table in TABLES:
        sql = f"SELECT * FROM {table} WHERE seq BETWEEN ? AND ?"  # noqa: S608 - the name is one of ours
        found = _by_seq(db.execute(sql, [first, last]).fetchall())
        recorded = _by_seq(expected.get(table, []))
        for seq in sorted(found.keys() | recorded.keys()):
            if found.get(seq) != recorded.get(seq):
                yield seq, f"its rows in the ledger's table {table} are not what was recorded"


def _by_seq(rows: list[Row]) -> dict[int, list[str]]:
    sorted_rows: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        sorted_rows[row[0]].append(_text(row))
    return {seq: sorted(texts) for seq, texts in sorted_rows.items()}


def _text(row: tuple[Any, ...]) -> str:
    return repr(row)
