"""What a bundle says about itself: scope, questions, counts, gaps with their reason, policies, checkpoint."""

from __future__ import annotations

import importlib.metadata
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import duckdb

from metrics.proof.bundle_rows import Part, Source
from metrics.proof.profiles import answered

FORMAT: Final = "sluice-bundle/1"
# The rows of `evidence`, without what is joined to them.
OUTPUTS: Final = """SELECT seq, policy, policy_hash, snapshot, git_commit, dirty FROM calls
    WHERE tenant = $tenant AND ts_us >= $since AND ts_us < $until AND seq BETWEEN $from_seq AND $to_seq
        AND seq <= $through
        AND ($automation IS NULL OR automation IN (SELECT unnest(string_split($automation::VARCHAR, ','))))"""
_POLICIES: Final = """SELECT policy, policy_hash, snapshot, git_commit, dirty, count(*) AS calls, min(seq) AS first_seq,
    max(seq) AS last_seq FROM ({evidence}) WHERE policy IS NOT NULL GROUP BY ALL ORDER BY min(seq), policy"""
_ENTITIES: Final = """SELECT side, kind, sum(n)::BIGINT AS n FROM entities
    WHERE tenant = $tenant AND seq IN (SELECT seq FROM ({evidence})) GROUP BY side, kind ORDER BY side, kind"""
_KINDS: Final = "SELECT kind, count(*) AS n FROM ({events}) GROUP BY kind ORDER BY kind"
_PRESENT: Final = """SELECT CASE WHEN tenant <> $tenant THEN 'other tenants'
        WHEN kind IN ('call.begin', 'call.reserved') THEN 'beginnings of calls: the end says it all'
        ELSE 'other automations, or outside the time' END AS why, count(*) AS n
    FROM events WHERE seq BETWEEN $first AND $last GROUP BY ALL ORDER BY ALL"""
_HOLES: Final = """SELECT seq + 1, next - 1 FROM (
        SELECT seq, lead(seq) OVER (ORDER BY seq) AS next FROM events WHERE seq BETWEEN $first AND $last)
    WHERE next > seq + 1 ORDER BY seq"""
_LOST: Final = "cannot be read any more: the journal's segment is gone or damaged, or its retention ended"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked for, by whom and why. The same scope over the same records gives the same bytes."""

    tenant: str
    since_us: int
    until_us: int
    automations: tuple[str, ...]
    profile: str
    actor: str
    legal_basis: str = ""
    time_zone: str = "UTC"

    @property
    def export_id(self) -> str:
        """The id of the job, and the name of the bundle."""
        return f"exp_{sha256(repr(asdict(self)).encode()).hexdigest()[:24]}"

    def values(self, through: int) -> dict[str, object]:
        """Return the values that the questions take."""
        chosen = ",".join(self.automations) or None
        ends = {"from_seq": 0, "to_seq": 2**63 - 1, "through": through}
        return {"tenant": self.tenant, "since": self.since_us, "until": self.until_us, "automation": chosen, **ends}


@dataclass(frozen=True, slots=True)
class Made:
    """What was written: its parts, the columns of each table, the files with their hashes."""

    sources: Sequence[Source]
    columns: Mapping[str, list[tuple[str, str]]]
    parts: Sequence[Part]
    files: Mapping[str, dict[str, Any]]


def manifest(cursor: duckdb.DuckDBPyConnection, scope: Scope, made: Made, checkpoint: str, key: str) -> dict[str, Any]:
    """Describe a bundle; everything in it follows from the records, so that it is the same each time."""
    evidence, events = made.sources
    values = dict(evidence.values)
    kinds = dict(cursor.execute(_KINDS.format(events=events.sql), values).fetchall())
    return {
        "format": FORMAT,
        "generator": {"name": "sluice", "version": importlib.metadata.version("sluice")},
        "scope": asdict(scope) | {"since": _iso(scope.since_us), "until": _iso(scope.until_us)},
        "questions": {source.name: source.sql for source in made.sources},
        "tables": {source.name: _table(source.name, made) for source in made.sources},
        "sequence": _sequence(cursor, scope.tenant, made.parts),
        "policies": _dicts(cursor, _POLICIES.format(evidence=evidence.chosen), values),
        "entities": _dicts(cursor, _ENTITIES.format(evidence=evidence.chosen), values),
        "events": kinds,
        "controls": answered(scope.profile, kinds),
        "files": dict(sorted(made.files.items())),
        "checkpoint": checkpoint,
        "key": key,
    }


def git_files(folder: Path | None, commits: Sequence[str]) -> dict[str, list[list[str]]]:
    """Return for each commit the policy files with their git ids; nothing where there is no such repository."""
    found = {}
    for commit in commits if folder and folder.is_dir() else ():
        command = ["git", "-C", str(folder), "ls-tree", "-r", "--format=%(path) %(objectname)", commit, "--", "."]
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=30)
        if done.returncode == 0:
            found[commit] = [line.rsplit(" ", 1) for line in done.stdout.splitlines()]
    return found


def _table(name: str, made: Made) -> dict[str, Any]:
    parts = [part for part in made.parts if part.table == name]
    rows = sum(part.rows for part in parts)
    about = {"rows": rows, "columns": made.columns[name], "parts": [asdict(part) for part in parts]}
    return about | {
        "first_seq": parts[0].first_seq if parts else None,
        "last_seq": parts[-1].last_seq if parts else None,
    }


def _sequence(cursor: duckdb.DuckDBPyConnection, tenant: str, parts: Sequence[Part]) -> dict[str, Any]:
    """Account for every number between the first and the last row: exported, left out and why, or missing."""
    exported = sum(part.rows for part in parts)
    if not exported:
        return {"first": None, "last": None, "exported": 0, "left_out": {}, "missing": []}
    ends = {"first": min(part.first_seq for part in parts), "last": max(part.last_seq for part in parts)}
    present = dict(cursor.execute(_PRESENT, {"tenant": tenant, **ends}).fetchall())
    present["other automations, or outside the time"] = (
        present.get("other automations, or outside the time", 0) - exported
    )
    missing = [[*hole, _LOST] for hole in cursor.execute(_HOLES, ends).fetchall()]
    return {**ends, "exported": exported, "left_out": {why: n for why, n in present.items() if n}, "missing": missing}


def _dicts(cursor: duckdb.DuckDBPyConnection, sql: str, values: dict[str, object]) -> list[dict[str, Any]]:
    asked = cursor.execute(sql, values)
    names = [column[0] for column in asked.description or ()]
    return [dict(zip(names, row, strict=True)) for row in asked.fetchall()]


def _iso(ts_us: int) -> str:
    try:
        return datetime.fromtimestamp(ts_us / 1_000_000, UTC).isoformat()
    except (ValueError, OverflowError):
        return str(ts_us)
