"""Compiled policy trees by the hash of their bytes, which one is in force, and what is wrong with the folder."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, RowMapping, select

from gateway.control import schema
from gateway.control.database import Database, Note, Write, insert_new, upsert
from gateway.control.errors import Conflict, InvalidInput
from gateway.control.identity.tenants import DEFAULT_TENANT

Problem = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a policy tree came from: the git commit, whether files differ from it, and who brought it in force."""

    git_commit: str | None
    dirty: bool
    activated_by: str


@dataclass(frozen=True, slots=True)
class Activation:
    """One entry of the history of what was in force."""

    generation: int
    sha256: str
    source: Source
    activated_us: int


class Named(NamedTuple):
    """A certificate and whose outputs it lets pass."""

    certificate: str
    tenant: str
    automation: str


ROLLBACK: Final = "rollback"  # who brought in force what an automation's file names for going back


def rolled_back_from(conn: Connection) -> str | None:
    """Return the snapshot that a rollback took out of force; None when what is in force came from the folder."""
    last = history(conn, 2)
    return last[1].sha256 if len(last) == 2 and last[0].source.activated_by == ROLLBACK else None


def activate(tx: Write, content: bytes, source: Source, expected: int) -> Activation:
    """Store a snapshot and bring it in force, if generation `expected` still is (0: none is).

    Raises:
        Conflict: another snapshot came in force in between.
    """
    sha256 = _store(tx, content)
    previous = active(tx.conn)
    made = Activation(expected + 1, sha256, source, tx.now_us)
    if (previous.generation if previous else 0) != expected or not insert_new(tx, schema.active_policy, _row(made)):
        raise Conflict("Another policy snapshot was activated in between.")
    said = {"snapshot": sha256, "previous": previous.sha256 if previous else None, "generation": made.generation}
    said |= {"git_commit": source.git_commit, "dirty": source.dirty}
    tx.record(Note("policy.activated", DEFAULT_TENANT, source.activated_by, said))
    _say_certificates(tx, made, certificates_in(content) - certificates_in(_stored(tx.conn, previous)))
    tx.bump()
    return made


def certificates_in(content: bytes | None) -> frozenset[Named]:
    """List the certificates of a snapshot's bytes; none in bytes that are no snapshot."""
    try:
        value = json.loads(content or b"{}")
    except ValueError:
        return frozenset()
    found = value.get("certificates", ()) if isinstance(value, dict) else ()
    return frozenset(Named(each["certificate"], each["key"]["tenant"], each["key"]["automation"]) for each in found)


def _say_certificates(tx: Write, made: Activation, fresh: frozenset[Named]) -> None:
    for each in sorted(fresh):
        said = {"certificate": each.certificate, "snapshot": made.sha256}
        tx.record(Note("certificate.activated", each.tenant, made.source.activated_by, said, each.automation))


def _stored(conn: Connection, previous: Activation | None) -> bytes | None:
    return content(conn, previous.sha256) if previous else None


def active(conn: Connection) -> Activation | None:
    """Return what is in force."""
    return next(iter(history(conn, 1)), None)


def history(conn: Connection, limit: int = 100) -> list[Activation]:
    """Return what was in force, latest first."""
    table = schema.active_policy
    found = select(table).order_by(table.c.generation.desc()).limit(limit)
    return [_activation(row) for row in conn.execute(found).mappings()]


def content(conn: Connection, sha256: str) -> bytes | None:
    """Return the bytes of a snapshot."""
    table = schema.policy_snapshots
    found: bytes | None = conn.execute(select(table.c.content).where(table.c.sha256 == sha256)).scalar()
    return found


def report_problems(database: Database, found: Sequence[Problem], by: str) -> bool:
    """Store what is wrong with the policy folder (nothing: an empty list); tell whether that is news."""
    table, said = schema.policy_problems, json.dumps([dict(problem) for problem in found])
    with database.write() as tx:
        if problems(tx.conn) == [dict(problem) for problem in found]:
            return False
        row = {"id": 1, "found_us": tx.now_us, "problems": said}
        tx.execute(upsert(tx.conn, table).values(row).on_conflict_do_update(index_elements=["id"], set_=row))
        if found:
            tx.record(Note("policy.rejected", DEFAULT_TENANT, by, {"problems": len(found)}))
        tx.bump()
        return True


def problems(conn: Connection) -> list[dict[str, Any]]:
    """Return what is wrong with the policy folder, as `file`, `line`, `column`, `path` and `message`."""
    stored = conn.execute(select(schema.policy_problems.c.problems)).scalar()
    found: list[dict[str, Any]] = json.loads(stored) if stored else []
    return found


def _store(tx: Write, snapshot: bytes) -> str:
    if not snapshot:
        raise InvalidInput("content", "A policy snapshot cannot be empty.")
    sha256 = hashlib.sha256(snapshot).hexdigest()
    insert_new(tx, schema.policy_snapshots, {"sha256": sha256, "content": snapshot, "created_us": tx.now_us})
    return sha256


def _row(made: Activation) -> dict[str, Any]:
    return {
        "generation": made.generation,
        "sha256": made.sha256,
        "git_commit": made.source.git_commit,
        "dirty": made.source.dirty,
        "activated_by": made.source.activated_by,
        "activated_us": made.activated_us,
    }


def _activation(row: RowMapping) -> Activation:
    source = Source(row["git_commit"], row["dirty"], row["activated_by"])
    return Activation(row["generation"], row["sha256"], source, row["activated_us"])
