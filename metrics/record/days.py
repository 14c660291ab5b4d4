"""The totals by day: counted again, from calls, runs and events, for each day that new records touch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

import duckdb

from metrics.record.calendar import bucket_sql, midnight_us
from metrics.record.counted import KINDED, keyed_sql
from metrics.record.rows import STAGES

_KEYS: Final = ("day", "tenant", "automation", "dim", "key")
_AT_ONCE: Final = 31
_SLOTS: Final = "histogram(ceil(ln(greatest({0}_ms, 0.01)) / ln(1.02))::INTEGER) FILTER (refused = 0 AND abandoned = 0)"
_SUMMED: Final = ", ".join(
    f"{{{{'stage': '{stage}', 'calls': count({stage}_us), 'total_us': sum({stage}_us)::BIGINT, 'slots': "
    f"histogram(ceil(ln(greatest({stage}_us, 1)) / ln(1.02))::INTEGER) FILTER ({stage}_us IS NOT NULL)}}}}"
    for stage in STAGES
)
_STAGES: Final = f"""INSERT INTO day_stages BY NAME
    SELECT * EXCLUDE (bucket), bucket::DATE AS day, $tenant AS tenant FROM (
        SELECT bucket, automation, unnest(stages, recursive := true) FROM (
            SELECT {{bucket}} AS bucket, automation, [{_SUMMED}] AS stages FROM model_calls
            WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND outcome <> 'interrupted'
                AND ($automation::VARCHAR IS NULL OR automation = $automation)
            GROUP BY ALL)
    ) WHERE calls > 0"""  # noqa: S608
_TIMES: Final = ("total", "upstream", "overhead")
_NOT_SUMMED: Final = {"total_ms", "upstream_ms", "overhead_ms", "ttft_ms", "bucket", "automation", "dim", "key"}


class Days:
    """Keeps `days` and `day_kinds` of one ledger, for days of one time zone."""

    def __init__(self, db: duckdb.DuckDBPyConnection, zone: str) -> None:
        self._db, self.zone = db, zone
        self._columns = {rows: self._sums(rows) for rows in ("calls", "runs", "shadows")}

    def renew(self, touched: str) -> None:
        """Count those days again on which a table of (tenant, ts_us) has a row."""
        for tenant, first, last in self._stretches(touched):
            self._recount(tenant, first, last)

    def renew_all(self) -> None:
        """Count every day again."""
        self._db.execute("CREATE OR REPLACE TEMP TABLE every AS SELECT DISTINCT tenant, ts_us FROM model_calls")
        self.renew("every")
        self._db.execute("DROP TABLE every")

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
        for table in ("days", "day_kinds", "day_stages"):
            self._db.execute(f"DELETE FROM {table} WHERE tenant = ? AND day >= ? AND day < ?", [tenant, first, last])  # noqa: S608
        for rows, sums in self._columns.items():
            self._insert("days", rows, day, sums, bound)
        for rows in KINDED:
            refused = "refused, " if rows == "endings" else ""
            sums = f"'{rows}' AS rows, kind, {refused}sum(n) AS n, sum(times) AS times"
            self._insert("day_kinds", rows, day, sums, bound)
        self._db.execute(_STAGES.format(bucket=day), bound)

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
