"""The measures: one SQL file each, asked by group and by bucket of time in any time zone, with an interval on rates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from metrics.client import Table
from metrics.health.calendar import bucket_sql
from metrics.record.queries import Parameter, Prepared, check
from metrics.record.sandbox import QueryError

Ask = Callable[..., Table]  # a named question and its parameters

_FOLDER: Final = Path(__file__).parent / "sql"
_HEAD: Final = re.compile(r"^-- (name|question|unit|definition|rows): (.+)$", re.MULTILINE)
_Z: Final = 1.959964
GROUPS: Final[Mapping[str, str]] = {
    "automation": "automation",
    "step": "step",
    "model": "coalesce(model_answered, model_requested)",
    "prompt": "prompt",
    "policy": "policy || '@' || policy_hash",
    "team": "team",
}
BUCKETS: Final = ("day", "week")
# What joins rows that are no calls to the group that their calls have.
_JOINS: Final[Mapping[str, str]] = {
    "runs": "JOIN (SELECT DISTINCT run_id, {key} AS key {calls}) USING (run_id)",
    "shadows": "JOIN (SELECT call_id, {key} AS key {calls}) k ON k.call_id = body->>'$.call_id'",
    "reviews": "JOIN (SELECT call_id, {key} AS key {calls}) k ON k.call_id = reviewed",
    "values": "JOIN (SELECT seq, {key} AS key {calls}) USING (seq)",
}
# A call that belongs to something of the range began at most a month before or after it.
_CALLS: Final = """FROM model_calls
    WHERE tenant = $tenant AND ts_us >= $since - 2678400000000 AND ts_us < $until + 2678400000000"""
_LISTED: Final = """SELECT row[1] AS measure, row[2] AS name, row[3] AS question, row[4] AS unit, row[5] AS definition
FROM (SELECT unnest($rows::VARCHAR[][]) AS row)"""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure as its SQL file tells it. `rows`: the files under sql/rows whose rows it counts."""

    key: str
    name: str
    question: str
    unit: str
    definition: str
    rows: tuple[str, ...]
    sql: str

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
        at = bucket_sql(str(values["tz"]), int(values["since"] or 0), int(values["until"] or 0), bucket)
        counted = " UNION ALL BY NAME ".join(_rows(rows, by, at) for rows in measure.rows)
        sql = _template("answer").format(counted=counted, measured=measure.sql)
        bound = {"tenant": tenant} | {name: values[name] for name in ("since", "until", "automation")}
        return Prepared(sql, bound | ({"baselines": values["baselines"]} if measure.needs_baselines else {}))


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


def _rows(rows: str, by: str | None, at: str) -> str:
    """Return the rows of one kind, each with its bucket and its group."""
    joined, key = "", GROUPS.get(by or "", "NULL")
    if by not in (None, "automation") and rows in _JOINS:
        joined, key = _JOINS[rows].format(key=key, calls=_CALLS), "key"
    return _template(rows).format(bucket=at, group=f"{key}::VARCHAR", joined=joined)


def _template(rows: str) -> str:
    return (_FOLDER / "rows" / f"{rows}.sql").read_text()


def _one_of(name: str, value: object, known: Mapping[str, str] | tuple[str, ...]) -> str | None:
    if value is None or value in known:
        return None if value is None else str(value)
    raise QueryError(f"{name} must be one of {', '.join(known)}")


def _read(path: Path) -> Measure:
    text = path.read_text()
    heads = dict(_HEAD.findall(text))
    rows = tuple(heads.pop("rows").split(", "))
    return Measure(path.stem, rows=rows, sql="\n".join(_without_heads(text)), **heads)


def _without_heads(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if not line.startswith("--"))
