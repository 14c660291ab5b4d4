"""The measures of the last seven days as gauges: counts that add up, so that rates of any group can be made of them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import duckdb

from metrics.record import otel_names as n
from metrics.record.ledger_file import NotReadyError
from metrics.record.otel_instruments import GAUGE, OTHER, Family, Point, Spec

if TYPE_CHECKING:
    from metrics.record.recorder import Recorder

_WHO: Final = (n.TENANT, n.AUTOMATION)
_SPECS: Final[Mapping[str, Spec]] = {
    "runs": Spec(
        "sluice.week.runs", GAUGE, "Runs begun in the last seven days, by state.", (*_WHO, "sluice.run.state")
    ),
    "calls": Spec("sluice.week.calls", GAUGE, "Model calls of the last seven days.", (*_WHO, "sluice.call.ending")),
    "cost": Spec("sluice.week.cost_usd", GAUGE, "Cost of the last seven days, by part.", (*_WHO, "sluice.cost.part")),
}
_PARTS: Final[Mapping[str, Sequence[str]]] = {
    "runs": ("runs", "known", "succeeded", "seen", "overridden"),
    "calls": ("answered", "held", "refused", "failed", "abandoned"),
    "cost": ("cost_usd", "failed_usd", "retried_usd", "judge_usd", "shadow_usd"),
}
_MOST: Final = 200  # automations with series of their own; the others are added up
_FRESH_S: Final = 30.0
_SQL: Final = """
WITH w AS (
    SELECT tenant, coalesce(automation, '') AS automation, sum(runs) AS runs, sum(known) AS known,
        sum(succeeded) AS succeeded, sum(seen) AS seen, sum(overridden) AS overridden, sum(answered) AS answered,
        sum(held) AS held, sum(refused) AS refused, sum(failed) AS failed, sum(abandoned) AS abandoned,
        sum(cost_usd) AS cost_usd, sum(failed_usd) AS failed_usd, sum(retried_usd) AS retried_usd,
        sum(judge_usd) AS judge_usd, sum(shadow_usd) AS shadow_usd, sum(calls) AS calls
    FROM days WHERE dim = 'automation' AND day > ? GROUP BY ALL
), placed AS (SELECT *, row_number() OVER (ORDER BY calls DESC, tenant, automation) AS place FROM w)
SELECT tenant, CASE WHEN place <= ? THEN automation ELSE ? END AS automation,
    sum(COLUMNS(* EXCLUDE (tenant, automation, place)))
FROM placed GROUP BY ALL ORDER BY ALL
"""


class WeekGauges:
    """Looks into the totals by day at most twice a minute."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._until_s, self._found = 0.0, [Family(spec, []) for spec in _SPECS.values()]

    def families(self) -> list[Family]:
        """Return the gauges; as they were while the ledger is not open."""
        now_s = time.time()
        if now_s >= self._until_s:
            self._until_s = now_s + _FRESH_S
            try:
                self._found = self._look(now_s)
            except (NotReadyError, duckdb.Error):
                return self._found
        return self._found

    def _look(self, now_s: float) -> list[Family]:
        today = datetime.fromtimestamp(now_s, UTC).astimezone(ZoneInfo(self._recorder.zone)).date()
        with self._recorder.door.cursor() as cursor:
            asked = cursor.execute(_SQL, [today - timedelta(days=7), _MOST, OTHER])
            names = [column[0] for column in asked.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in asked.fetchall()]
        return [Family(spec, [*_points(rows, _PARTS[name])]) for name, spec in _SPECS.items()]


def _points(rows: Sequence[Mapping[str, object]], parts: Sequence[str]) -> list[Point]:
    return [
        Point((str(row["tenant"]), str(row["automation"]), part.removesuffix("_usd")), float(str(row[part])))
        for row in rows
        for part in parts
        if row[part] is not None
    ]
