"""The totals by day: counted again, from calls, runs and events, for each day that new records touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import duckdb

from metrics.record.calendar import bucket_sql, day_of, midnight_us
from metrics.record.counted import KINDED, LAYERED, keyed_sql, stages_sql

_TABLES: Final = ("days", "day_kinds", "day_stages", "day_layers")
_AT_ONCE: Final = 31
_SLOTS: Final = "histogram(ceil(ln(greatest({0}_ms, 0.01)) / ln(1.02))::INTEGER) FILTER (refused = 0 AND abandoned = 0)"
_KNOWN: Final = """SELECT min(day), (SELECT max(ts_us) FROM ended) FROM (
    SELECT day FROM days UNION ALL SELECT day FROM day_kinds UNION ALL SELECT day FROM day_layers)"""
_ALIVE: Final = """CREATE TEMP TABLE alive AS SELECT DISTINCT tenant, automation, {day}::DATE AS day FROM (
    SELECT tenant, automation, ts_us FROM calls UNION ALL SELECT tenant, automation, ts_us FROM events WHERE kind IN (
        'call.shadow', 'retrieval', 'step.end', 'dead_letter', 'action.duplicate', 'run.end')
    ) WHERE ts_us >= $since AND ts_us < $until"""
_EMPTY: Final = """DELETE FROM {table} d WHERE d.day < $last AND NOT EXISTS (SELECT 1 FROM alive a
    WHERE a.tenant = d.tenant AND a.day = d.day AND a.automation IS NOT DISTINCT FROM d.automation)"""
_TIMES: Final = ("total", "upstream", "overhead")
_NOT_SUMMED: Final = frozenset(
    {"total_ms", "upstream_ms", "overhead_ms", "ttft_ms", "bucket", "automation", "dim", "key"}
)


class Days:
    """Keeps the totals by day of one ledger, for days of one time zone."""

    def __init__(self, db: duckdb.DuckDBPyConnection, zone: str) -> None:
        self._db, self.zone = db, zone
        self._columns = {rows: self._sums(rows) for rows in ("calls", "runs", "shadows", *LAYERED)}

    def renew(self, touched: str) -> None:
        """Count those days again on which a table of (tenant, ts_us) has a row."""
        for tenant, first, last in self._stretches(touched):
            self._recount(tenant, first, last)

    def renew_all(self) -> None:
        """Count every day again."""
        self._db.execute("CREATE OR REPLACE TEMP TABLE every AS SELECT DISTINCT tenant, ts_us FROM model_calls")
        self.renew("every")
        self._db.execute("DROP TABLE every")

    def drop_empty(self) -> None:
        """Drop the totals, up to the last moment in the table `ended`, of which nothing that they count is left."""
        row = self._db.execute(_KNOWN).fetchone()
        if not row or None in row:
            return
        first, last = row[0], day_of(self.zone, row[1]) + timedelta(days=1)
        since, until = midnight_us(self.zone, first), midnight_us(self.zone, max(first, last))
        day = bucket_sql(self.zone, since, until, "day")
        self._db.execute(_ALIVE.format(day=day), {"since": since, "until": until})
        for table in _TABLES:
            self._db.execute(_EMPTY.format(table=table), {"last": last})
        self._db.execute("DROP TABLE alive")

    def _stretches(self, touched: str) -> Iterator[tuple[str, date, date]]:
        """Yield stretches of days that follow each other, as (tenant, first day, day after the last)."""
        known = self._db.execute(f"SELECT min(ts_us), max(ts_us) FROM {touched}").fetchone()  # noqa: S608
        if not known or known[0] is None:
            return
        day = bucket_sql(self.zone, known[0], known[1] + 1, "day")
        sql = f"SELECT DISTINCT tenant, {day}::DATE AS day FROM {touched} WHERE ts_us IS NOT NULL ORDER BY ALL"  # noqa: S608
        yield from stretches(self._db.execute(sql).fetchall())

    def _recount(self, tenant: str, first: date, last: date) -> None:
        since, until = midnight_us(self.zone, first), midnight_us(self.zone, last)
        bound = {"tenant": tenant, "since": since, "until": until, "automation": None}
        day = bucket_sql(self.zone, since, until, "day")
        for table in _TABLES:
            self._db.execute(f"DELETE FROM {table} WHERE tenant = ? AND day >= ? AND day < ?", [tenant, first, last])  # noqa: S608
        for rows, sums in self._columns.items():
            if rows in LAYERED:
                self._insert("day_layers", rows, day, f"'{rows}' AS rows, {sums}", bound)
            else:
                self._insert("days", rows, day, sums, bound)
        for rows in KINDED:
            refused = "refused, " if rows == "endings" else ""
            sums = f"'{rows}' AS rows, kind, {refused}sum(n) AS n, sum(times) AS times"
            self._insert("day_kinds", rows, day, sums, bound)
        stages = stages_sql(day, "$since", "$until")
        placed = "SELECT * EXCLUDE (bucket), bucket::DATE AS day, $tenant AS tenant"
        self._db.execute(f"INSERT INTO day_stages BY NAME {placed} FROM ({stages})", bound)

    def _insert(self, table: str, rows: str, day: str, sums: str, bound: dict[str, object]) -> None:
        counted = f"SELECT bucket::DATE AS day, $tenant AS tenant, automation, dim, key, {sums}"
        sql = f"INSERT INTO {table} BY NAME {counted} FROM ({keyed_sql(rows, day)}) GROUP BY ALL"
        self._db.execute(sql, bound)

    def _sums(self, rows: str) -> str:
        bound = {"tenant": "", "since": 0, "until": 0, "automation": None}
        found = self._db.execute(keyed_sql(rows, "NULL"), bound).description or ()
        sums = [f"sum({name}) AS {name}" for name, *_ in found if name not in _NOT_SUMMED]
        slots = [f"{_SLOTS.format(name)} AS {name}_slots" for name in _TIMES] if rows == "calls" else []
        return ", ".join(sums + slots)


def stretches(days: Sequence[tuple[str, date]]) -> Iterator[tuple[str, date, date]]:
    """Join days in order, as (tenant, first day, day after the last); a stretch has at most a month."""
    begin = 0
    for place in range(1, len(days) + 1):
        whole = place - begin == _AT_ONCE
        if place == len(days) or whole or days[place] != (days[begin][0], days[place - 1][1] + timedelta(days=1)):
            yield days[begin][0], days[begin][1], days[place - 1][1] + timedelta(days=1)
            begin = place
