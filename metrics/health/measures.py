"""The measures: one SQL file each, asked by group and by bucket of time in any time zone, with an interval on rates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

from metrics.client import Table
from metrics.record.calendar import DAY_US, LATEST_US, bucket_sql, day_bucket_sql, day_of, midnight_us, whole_days
from metrics.record.counted import GROUPS, days_sql, has_days, rows_sql, stages_sql
from metrics.record.queries import Parameter, Prepared, Question, check
from metrics.record.refusals import QueryError

Ask = Callable[..., Table]  # a named question and its parameters

_HERE: Final = Path(__file__).parent
_FOLDER: Final = _HERE / "sql"
_HEAD: Final = re.compile(r"^-- (name|question|unit|definition|rows): (.+)$", re.MULTILINE)
BUCKETS: Final = ("day", "week")
_EXACT_DAYS: Final = 35  # percentiles of longer ranges come from the histograms of days
_WEEK_DAYS: Final = 8  # and those of stages from the histograms of ranges longer than a week, however long its days
_STAGES: Final = _FOLDER / "days" / "latency_by_stage.sql"
_LISTED: Final = """SELECT row[1] AS measure, row[2] AS name, row[3] AS question, row[4] AS unit, row[5] AS definition
FROM (SELECT unnest($rows::VARCHAR[][]) AS row)"""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure as its SQL file tells it. `rows`: the files under metrics/record/counted that it counts."""

    key: str
    name: str
    question: str
    unit: str
    definition: str
    rows: tuple[str, ...]
    sql: str
    by_days: str | None = None  # for totals of days, where that is another statement

    @property
    def needs_baselines(self) -> bool:
        """Say whether it takes the minutes that a task took before."""
        return "$baselines" in self.sql


class Value(NamedTuple):
    """One figure. Of a rate `k` of `n` counted and `low` to `high` is its 95 % interval (Wilson).

    `bucket` is an ISO day or week (`2026-11-22`, `2026-W47`), `unknown` counts what could not be counted.
    """

    bucket: str | None
    group: str | None
    part: str
    value: float | None
    low: float | None
    high: float | None
    k: int | None
    n: int | None
    unknown: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time, `until_us` outside, and the time zone of its days."""

    since_us: int
    until_us: int
    tz: str = "UTC"


def load_measures(folder: Path = _FOLDER) -> dict[str, Measure]:
    """Read the shipped measures."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.sql"))}


def evaluate(ask: Ask, measure: str, span: Span, **wanted: Any) -> list[Value]:
    """Ask for one measure; `wanted` is `by`, `bucket`, `automation` and `baselines`. Raises what `ask` raises."""
    answer = ask("measure", measure=measure, since=span.since_us, until=span.until_us, tz=span.tz, **wanted)
    return [Value(*row) for row in answer.rows]


@dataclass(frozen=True, slots=True)
class MeasureQuestion:
    """The named question `measure`: its SQL is put together from a measure, a grouping and a bucket."""

    measures: Mapping[str, Measure] = field(default_factory=load_measures)
    zone: str | None = None  # of the ledger's days; None: it has none to read
    name: str = "measure"
    question: str = "How does one measure stand, by group and by bucket of time?"
    parameters: Mapping[str, Parameter] = field(
        default_factory=lambda: {
            "measure": Parameter("measure", "text", True, None),
            "since": Parameter("since", "int", True, None),
            "until": Parameter("until", "int", True, None),
            "by": Parameter("by", "text", False, None),
            "bucket": Parameter("bucket", "text", False, None),
            "tz": Parameter("tz", "text", False, "UTC"),
            "automation": Parameter("automation", "text", False, None),
            "baselines": Parameter("baselines", "text", False, "{}"),
        }
    )

    def prepare(self, tenant: str, given: Mapping[str, Any]) -> Prepared:
        """Check what is given and compose the statement. Raises `QueryError` with a sentence."""
        values = check(self.name, self.parameters, given)
        measure = self.measures.get(str(values["measure"]))
        if measure is None:
            raise QueryError(f"there is no measure {values['measure']!r}; there are {', '.join(self.measures)}")
        by, bucket = _one_of("by", values["by"], GROUPS), _one_of("bucket", values["bucket"], BUCKETS)
        counted, figures, bound = self._counted(measure, values, by, bucket)
        sql = (_HERE / "answer.sql").read_text().format(counted=counted, measured=figures)
        bound |= {"tenant": tenant, "automation": values["automation"]}
        return Prepared(sql, bound | ({"baselines": values["baselines"]} if measure.needs_baselines else {}))

    def _counted(
        self, measure: Measure, values: Mapping[str, Any], by: str | None, bucket: str | None
    ) -> tuple[str, str, dict[str, object]]:
        """Choose between the totals of whole days and the rows themselves."""
        since, until, tz = values["since"], values["until"], values["tz"]
        at = bucket_sql(tz, since, until, bucket)
        days = whole_days(tz, since, until) if tz == self.zone and has_days(measure.rows, by) else None
        if days is None or (measure.by_days and until - since <= _EXACT_DAYS * DAY_US):
            counted = " UNION ALL BY NAME ".join(rows_sql(rows, at, by) for rows in measure.rows)
            return counted, measure.sql, {"since": since, "until": until}
        bound: dict[str, object] = {"first": str(days[0]), "last": str(days[1])}
        return days_sql(measure.rows, day_bucket_sql(bucket), by), measure.by_days or measure.sql, bound


@dataclass(frozen=True, slots=True)
class StagesQuestion:
    """A question about stages of calls; histograms, of whole days where it can be, answer for more than a week."""

    rows: Question
    zone: str | None = None

    @property
    def name(self) -> str:
        """Return its name."""
        return self.rows.name

    @property
    def question(self) -> str:
        """Return it in words."""
        return self.rows.question

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Return what it takes."""
        return self.rows.parameters

    def prepare(self, tenant: str, given: Mapping[str, Any]) -> Prepared:
        """Check what is given and choose the statement. Raises `QueryError` with a sentence."""
        asked = self.rows.prepare(tenant, given)
        since, until = (int(str(asked.values[name])) for name in ("since", "until"))
        since, until = max(since, 0), min(until, LATEST_US)
        if until - since <= _WEEK_DAYS * DAY_US:
            return asked
        bound = {**asked.values, "since": since, "until": until} | self._whole_days(since, until)
        parts = {"before": ("$since", "$first_us"), "after": ("$last_us", "$until")}
        edges = {name: stages_sql("NULL", *between) for name, between in parts.items()}
        return Prepared(_STAGES.read_text().format(**edges), bound)

    def _whole_days(self, since: int, until: int) -> dict[str, object]:
        """Return the first whole day of a range and the day after its last, and their begins; none without a zone."""
        zone = self.zone or "UTC"
        last = day_of(zone, until)
        first = day_of(zone, since) if self.zone else last
        if midnight_us(zone, first) < since:
            first += timedelta(days=1)
        moments = {"first_us": midnight_us(zone, first), "last_us": midnight_us(zone, last)}
        return {"first": str(first), "last": str(last), **moments}


@dataclass(frozen=True, slots=True)
class MeasuresQuestion:
    """The named question `measures`: which there are, and what each means."""

    measures: Mapping[str, Measure] = field(default_factory=load_measures)
    name: str = "measures"
    question: str = "Which measures are there, and what does each mean?"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def prepare(self, tenant: str, given: Mapping[str, Any]) -> Prepared:
        """List them; the same for every tenant."""
        check(self.name, self.parameters, given)
        rows = [[m.key, m.name, m.question, m.unit, m.definition] for m in self.measures.values()]
        return Prepared(_LISTED, {"rows": rows})


def _one_of(name: str, value: object, known: Mapping[str, str] | tuple[str, ...]) -> str | None:
    if value is None or value in known:
        return None if value is None else str(value)
    raise QueryError(f"{name} must be one of {', '.join(known)}")


def _read(path: Path) -> Measure:
    text = path.read_text()
    heads = dict(_HEAD.findall(text))
    rows = tuple(heads.pop("rows").split(", "))
    of_days = path.parent / "days" / path.name
    by_days = _without_heads(of_days.read_text()) if of_days.exists() else None
    return Measure(path.stem, rows=rows, sql=_without_heads(text), by_days=by_days, **heads)


def _without_heads(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))
