"""The DuckDB file, opened by the recorder alone: rows and journal positions in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from metrics.record.columns import Inserts
from metrics.record.days import Days
from metrics.record.duck import CONFIG, attach, quoted
from metrics.record.order import Entry
from metrics.record.rows import Columns, Row, id_hash, is_posted

SCHEMA_VERSION = 8
_SQL = Path(__file__).parent
_TABLES = ("events", "posted", "calls", "attempts", "entities", "outcomes", "contents")

_MONTH_US = 31 * 86_400_000_000

LedgerError = duckdb.Error


class NewerLedgerError(RuntimeError):
    """The file was written by a newer Sluice."""


class OlderLedgerError(RuntimeError):
    """The file was written by an older Sluice; it can be made again."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the ledger got: the last number, the newest time seen, and the line of the order file behind it."""

    seq: int = 0
    ts_us: int = 0
    entry: str = ""


class Ledger:
    """One connection for writing; `cursor` gives further ones of the same, locked-down instance."""

    def __init__(self, path: Path, memory_limit: str = "1GB", zone: str = "UTC") -> None:
        self.path = path
        spill = {"memory_limit": memory_limit, "temp_directory": str(path.with_name("ledger.spill"))}
        self._fresh = path.with_name(f"{path.name}.new")
        self._use = f'USE "{path.stem}"'
        self._db = duckdb.connect(config={**CONFIG, **spill})
        self._spare = self._db.cursor()  # cursors for others come from here: the first connection may be at work
        try:
            self._db.execute(attach(path, path.stem))
            self._db.execute(self._use)
            self._set_up()
        except BaseException:
            self.close()
            raise
        self._inserts = Inserts(self._db, _TABLES)
        self._progress = self._read_progress()
        self._segments = set(self.positions())
        self._days = Days(self._db, zone)
        self._place_days()
        self._inode = path.stat().st_ino

    def _set_up(self) -> None:
        ours = [f"{self._fresh}{end}" for end in ("", ".wal", ".wal.checkpoint")]  # all that any statement may reach
        self._db.execute(f"SET allowed_paths = [{', '.join(map(quoted, ours))}]")
        self._db.execute("SET enable_external_access = false")
        self._db.execute("SET lock_configuration = true")
        self._check_layout()
        self._db.execute((_SQL / "schema.sql").read_text())
        first = [("schema", SCHEMA_VERSION, None), ("seq", 0, ""), ("ts_us", 0, None)]
        self._db.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?, ?)", first)

    def _check_layout(self) -> None:
        if not self._db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'facts'").fetchone():
            return
        found = self._db.execute("SELECT number FROM facts WHERE name = 'schema'").fetchone()
        layout = found[0] if found else 0
        if layout > SCHEMA_VERSION:
            raise NewerLedgerError(f"{self.path.name} has layout {layout}; this Sluice knows {SCHEMA_VERSION}")
        if layout < SCHEMA_VERSION:
            raise OlderLedgerError(f"it has layout {layout}, this Sluice writes {SCHEMA_VERSION}")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection for another thread; only one thread may ask at a time."""
        cursor = self._spare.cursor()
        cursor.execute(self._use)
        return cursor

    def progress(self) -> Progress:
        """Return how far the ledger got."""
        return self._progress

    def positions(self) -> dict[str, tuple[int, bool]]:
        """Return for each segment how far it was read, and whether its writer is gone and dealt with."""
        rows = self._db.execute("SELECT segment, read_to, done FROM segments").fetchall()
        return {segment: (read_to, done) for segment, read_to, done in rows}

    def contents_of(self, ids: Sequence[str]) -> list[tuple[str, str, int]]:
        """Return where the sealed content of events stands, as (event id, segment, start)."""
        sql = "SELECT event_id, segment, start FROM contents WHERE event_id IN (SELECT unnest(?))"
        return self._db.execute(sql, [list(ids)]).fetchall()

    def known(self, rows: Sequence[Row]) -> set[str]:
        """Return the ids of those events, rows for `events`, that the ledger holds already.

        A call's record always carries the same time, so only that stretch of time is searched, and nothing at all
        for times that the ledger has not seen; other kinds are looked up in the index of posted events.
        """
        posted = {id_hash(row[1]): row[1] for row in rows if is_posted(row[2], row[8])}
        calls = [row for row in rows if row[3] <= self._progress.ts_us and not is_posted(row[2], row[8])]
        found = self._by_time(calls) if calls else set()
        hits = [posted[number] for number in self._in("SELECT id_hash FROM posted WHERE id_hash IN", [*posted])]
        # 63 bits may meet by chance: the id itself decides
        return found.union(self._in("SELECT event_id FROM events WHERE event_id IN", hits))

    def record(self, entries: Sequence[Entry], columns: Columns, positions: Mapping[str, tuple[int, bool]]) -> None:
        """Insert rows and positions and remember the last line of the order file, all or nothing."""
        self._db.begin()
        try:
            for table, values in columns.items():
                self._inserts.insert(table, values)
            self._move(positions)
            newest_us = max(columns["events"][3]) if "events" in columns else 0
            if entries:
                self._advance(entries[-1], newest_us)
            self._db.commit()
            if entries:
                ts_us = max(self._progress.ts_us, newest_us)
                self._progress = Progress(entries[-1].last, ts_us, mark(entries[-1]))
            self._segments.update(positions)
        except duckdb.Error:
            self._undo()
            raise

    def refresh(self, since_seq: int, seq: int) -> None:
        """Add the records above `since_seq`, up to `seq`, to runs and days; each may be added only once."""
        self._db.begin()
        try:
            numbers = {"since_seq": since_seq, "seq": seq}
            self._run("aggregate", numbers)
            self._lay_faults(numbers)
            self._days.renew("touched")
            self._db.execute("DROP TABLE touched")
            self._db.execute("INSERT OR REPLACE INTO facts VALUES ('aggregated', ?, NULL)", [seq])
            self._db.commit()
        except duckdb.Error:
            self._undo()
            raise

    def forget(self, gone: Sequence[tuple[int, int]]) -> None:
        """Delete the rows of records whose time is over, by stretches of their numbers, and totals without calls."""
        firsts, lasts = [first for first, _ in gone], [last for _, last in gone]
        self._db.begin()
        try:
            self._run("forget", {"firsts": firsts, "lasts": lasts})
            self._days.drop_empty()
            self._db.execute("DROP TABLE ended")
            self._db.commit()
        except duckdb.Error:
            self._undo()
            raise

    def forgotten(self) -> int:
        """Count the deletions whose rows the file still holds: DuckDB never overwrites them of itself."""
        row = self._db.execute("SELECT number FROM facts WHERE name = 'forgotten'").fetchone()
        return row[0] if row else 0

    def copy(self, cursor: duckdb.DuckDBPyConnection) -> Path:
        """Write the ledger as it is now, without what was deleted, into a new file beside its own; return that."""
        for end in ("", ".wal"):
            self._fresh.with_name(self._fresh.name + end).unlink(missing_ok=True)
        cursor.execute(attach(self._fresh, "fresh"))
        try:
            cursor.execute(f'COPY FROM DATABASE "{self.path.stem}" TO fresh')
            cursor.execute("DELETE FROM fresh.facts WHERE name = 'forgotten'")
        finally:
            cursor.execute("DETACH fresh")
        return self._fresh

    def aggregated(self) -> int:
        """Return up to which number the aggregates are right."""
        row = self._db.execute("SELECT number FROM facts WHERE name = 'aggregated'").fetchone()
        return row[0] if row else 0

    def open_begins(self) -> list[tuple[str, str, int]]:
        """Return (event id, segment, offset) of begins without an end whose writers are not dealt with."""
        return self._db.execute(
            """SELECT b.event_id, b.segment, b.start FROM events b JOIN segments s USING (segment)
               WHERE NOT s.done AND b.kind = 'call.begin' AND NOT EXISTS (
                   SELECT 1 FROM events e WHERE e.kind = 'call.end'
                   AND e.event_id = regexp_replace(b.event_id, '[.]b$', '') || '.e')"""
        ).fetchall()

    def ended(self, calls: Sequence[str]) -> set[str]:
        """Return those calls that have an end."""
        ends = self._in("SELECT event_id FROM events WHERE event_id IN", [f"{call}.e" for call in calls])
        return {event_id.removesuffix(".e") for event_id in ends}

    @property
    def in_place(self) -> bool:
        """Whether the file still stands where it was opened."""
        with suppress(FileNotFoundError):
            return self.path.stat().st_ino == self._inode
        return False

    def close(self) -> None:
        """Write everything into the file and close it."""
        self._spare.close()
        self._db.close()

    def _by_time(self, rows: Sequence[Row]) -> set[str]:
        times = [row[3] for row in rows]
        sql = "SELECT event_id FROM events WHERE ts_us BETWEEN ? AND ? AND event_id IN"
        return self._in(sql, [row[1] for row in rows], [min(times), max(times)])

    def _in(self, sql: str, values: Sequence[str | int], before: Sequence[int] = ()) -> set[Any]:
        if not values:
            return set()
        return {row[0] for row in self._db.execute(f"{sql} (SELECT unnest(?))", [*before, values]).fetchall()}

    def _run(self, name: str, values: Mapping[str, object]) -> None:
        """Run the statements of a file, each with those of the values that it names."""
        for statement in duckdb.extract_statements((_SQL / f"{name}.sql").read_text()):
            named = {key: values[key] for key in statement.named_parameters}
            self._db.execute(statement, named or None)

    def _lay_faults(self, numbers: Mapping[str, object]) -> None:
        """Say of the runs in `related` which failed, and in which layer; what belongs to a run comes within a month."""
        sql = """SELECT min(ts_us) FROM (
            SELECT ts_us FROM touched UNION ALL SELECT ts_us FROM events WHERE seq > $since_seq AND seq <= $seq)"""
        oldest = self._db.execute(sql, dict(numbers)).fetchone()
        floor_us = (oldest[0] or 0) - _MONTH_US if oldest else 0
        self._run("related", {**numbers, "floor_us": floor_us})
        found = self._db.execute("SELECT min(ts_us), max(end_us) FROM failed").fetchone()
        if found and found[0] is not None:
            self._run("faults", {"first_us": found[0], "last_us": found[1] or found[0]})
        for name in ("related", "told", "begun", "failed"):
            self._db.execute(f"DROP TABLE {name}")

    def _place_days(self) -> None:
        """Count all days again when they were those of another time zone."""
        row = self._db.execute("SELECT text FROM facts WHERE name = 'zone'").fetchone()
        if row and row[0] == self._days.zone:
            return
        self._db.begin()
        self._days.renew_all()
        self._db.execute("INSERT OR REPLACE INTO facts VALUES ('zone', NULL, ?)", [self._days.zone])
        self._db.commit()

    def _move(self, positions: Mapping[str, tuple[int, bool]]) -> None:
        fresh = [(name, *place) for name, place in positions.items() if name not in self._segments]
        if fresh:
            self._db.executemany("INSERT INTO segments VALUES (?, ?, ?)", fresh)
        moved = [(name, *place) for name, place in positions.items() if name in self._segments]
        if moved:
            sql = """UPDATE segments SET read_to = new.read_to, done = new.done
                     FROM (SELECT unnest(?) AS segment, unnest(?) AS read_to, unnest(?) AS done) AS new
                     WHERE segments.segment = new.segment"""
            self._db.execute(sql, [list(column) for column in zip(*moved, strict=True)])

    def _advance(self, entry: Entry, ts_us: int) -> None:
        self._db.execute(
            """UPDATE facts SET number = CASE name WHEN 'seq' THEN ? ELSE greatest(number, ?) END,
               text = CASE name WHEN 'seq' THEN ? END WHERE name IN ('seq', 'ts_us')""",
            [entry.last, ts_us, mark(entry)],
        )

    def _read_progress(self) -> Progress:
        row = self._db.execute("SELECT number, text FROM facts WHERE name = 'seq'").fetchone()
        newest = self._db.execute("SELECT number FROM facts WHERE name = 'ts_us'").fetchone()
        return Progress(row[0], newest[0], row[1]) if row and newest else Progress()

    def _undo(self) -> None:
        try:
            self._db.rollback()
            self._inserts.clear()
        except duckdb.Error:  # the instance is invalid; the caller opens a new one
            return


def mark(entry: Entry) -> str:
    """Describe a line of the order file, to tell later whether ledger and order file belong together."""
    return f"{entry.seq}+{entry.count} {entry.segment} {entry.start}-{entry.end}"
