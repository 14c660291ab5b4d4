"""What can be counted: the rows under `counted/` with their buckets of time and groups, and the totals by day."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from metrics.record.rows import STAGES

_FOLDER: Final = Path(__file__).parent / "counted"
GROUPS: Final[Mapping[str, str]] = {
    "automation": "automation",
    "step": "step",
    "model": "coalesce(model_answered, model_requested)",
    "prompt": "prompt",
    "policy": "policy || '@' || policy_hash",
    "team": "team",
}
# What joins rows that are no calls to the groups of their calls. What belongs to a run comes within a month of it.
_CALLS: Final[Mapping[str, str]] = {
    "begun": """FROM model_calls
        WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until + 2678400000000 AND run_id IN (
            SELECT run_id FROM runs WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until)""",
    "around": """FROM model_calls
        WHERE tenant = $tenant AND ts_us >= $since - 2678400000000 AND ts_us < $until + 2678400000000""",
    "same": "FROM model_calls WHERE tenant = $tenant AND ts_us >= $since - 86400000000 AND ts_us < $until",
}
_JOINS: Final[Mapping[str, str]] = {
    "runs": "JOIN (SELECT DISTINCT * FROM (SELECT run_id, {keys} {begun})) USING (run_id)",
    "faults": "JOIN (SELECT DISTINCT * FROM (SELECT run_id, {keys} {begun})) USING (run_id)",
    "shadows": "JOIN (SELECT call_id AS copied, {keys} {same}) ON copied = body->>'$.call_id'",
    "reviews": "JOIN (SELECT call_id, {keys} {around}) ON call_id = reviewed",
    "steps": "JOIN (SELECT DISTINCT * FROM (SELECT run_id, {keys} {around})) ON run_id = run",
    "searches": "JOIN (SELECT DISTINCT * FROM (SELECT run_id, {keys} {around})) ON run_id = run",
    "values": "JOIN (SELECT seq, {keys} {same}) USING (seq)",
}
_DIMS: Final = ", ".join(
    f"{{'dim': '{name}', 'key': {'NULL' if name == 'automation' else expression}}}"
    for name, expression in GROUPS.items()
)
_STAGES: Final = ", ".join(f"'{stage}'" for stage in STAGES)
_TIMES: Final = ", ".join(f"{stage}_us" for stage in STAGES)
_ALL_KEYS: Final = f"unnest([{_DIMS}], recursive := true)"


def rows_sql(rows: str, bucket: str, by: str | None) -> str:
    """Return a statement for rows of one kind, `bucket` and `grp` (their value of `by`) with each."""
    key = GROUPS.get(by or "", "NULL")
    if by not in (None, "automation") and rows in _JOINS:
        joined = _JOINS[rows].format(keys=f"{key} AS key", **_CALLS)
        return _template(rows).format(bucket=bucket, groups="key::VARCHAR AS grp", joined=joined)
    return _template(rows).format(bucket=bucket, groups=f"({key})::VARCHAR AS grp", joined="")


def keyed_sql(rows: str, bucket: str) -> str:
    """Return a statement for rows of one kind, once for each dimension that their totals have: `dim` and `key`."""
    if rows in _UNDIVIDED:
        return _template(rows).format(bucket=bucket, groups="'automation' AS dim, NULL AS key", joined="")
    if rows not in _JOINS:
        return _template(rows).format(bucket=bucket, groups=_ALL_KEYS, joined="")
    joined = _JOINS[rows].format(keys=_ALL_KEYS, **_CALLS)
    return _template(rows).format(bucket=bucket, groups="dim, key", joined=joined)


def days_sql(rows: tuple[str, ...], bucket: str, by: str | None) -> str:
    """Return a statement for the totals by day in place of the rows themselves; `$first` and `$last` are days."""
    kinds = rows[0] if rows[0] in (*KINDED, *LAYERED) else None
    table = "day_kinds" if kinds in KINDED else "day_layers" if kinds else "days"
    return _template("days").format(
        table=table,
        bucket=bucket,
        grp="automation" if by == "automation" else "key",
        dim=by or "automation",
        only=f"AND rows = '{kinds}'" if kinds else "",
    )


def _template(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text()


def stages_sql(bucket: str, since: str, until: str) -> str:
    """Return a statement for the totals of the stages of calls, from the calls between two moments."""
    return _template("stages").format(bucket=bucket, since=since, until=until, stages=_STAGES, times=_TIMES)


def has_days(rows: tuple[str, ...], by: str | None) -> bool:
    """Say whether totals by day can answer for these rows in this grouping."""
    return _BY_DAY.issuperset(rows) and (by in (None, "automation") or _UNDIVIDED.isdisjoint(rows))


KINDED: Final = ("endings", "values", "charges")
LAYERED: Final = ("answers", "searches", "steps")
_UNDIVIDED: Final = frozenset({"searches", "steps"})  # not joined to the groups of calls: that reads months of them
_BY_DAY: Final = frozenset({"calls", "runs", "shadows", *KINDED, *LAYERED})
