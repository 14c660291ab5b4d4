"""Erasures in the control database: asked for once, answered for by each store, done when all have answered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from sqlalchemy import Connection, RowMapping, select, update

from gateway.control.database import Database, Note, Write
from gateway.control.errors import Conflict, InvalidInput, NotFound
from gateway.control.identity.names import checked_optional_name
from gateway.control.identity.roles import Identity, require
from gateway.control.schema_trust import erasures
from metrics.proof.erasure import Ack, Listed, Target

Basis = Literal["gdpr-17", "ccpa", "contract", "other"]
REQUESTED, DONE = "requested", "done"
_BASES: Final = get_args(Basis)


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure: what goes, why, who asked, and the answer of each store so far."""

    erasure_id: str
    tenant: str
    state: str
    target: Target
    basis: str
    reference: str | None
    requested_by: str
    requested_us: int
    acks: Mapping[str, Mapping[str, Any]]
    done_us: int | None = None

    @property
    def listed(self) -> Listed:
        """Return its line of the erasure list."""
        return Listed(self.erasure_id, self.requested_us, self.target)


def request(database: Database, by: Identity, target: Target, basis: str, reference: str | None = None) -> Erasure:
    """Ask for an erasure; from here on it will be done, whatever crashes.

    Raises:
        NotAllowed: `by` is no admin of the tenant.
        InvalidInput: there is nothing to erase, or basis or reference cannot be used.
    """
    require(by, target.tenant, "admin")
    if basis not in _BASES:
        raise InvalidInput("basis", f"basis must be one of {', '.join(_BASES)}.")
    if not (target.subject_refs or target.event_ids or target.items):
        raise InvalidInput("subject", "Nothing is stored under this subject or value.")
    reference = checked_optional_name("reference", reference)
    with database.write() as tx:
        erasure_id = tx.new_id("ers")
        row: dict[str, Any] = {"erasure_id": erasure_id, "tenant": by.tenant, "state": REQUESTED, "basis": basis}
        row |= {"target": json.dumps(target.to_json()), "reference": reference, "acks": "{}"}
        tx.execute(erasures.insert().values(row | {"requested_by": by.holder, "requested_us": tx.now_us}))
        said: dict[str, Any] = {
            "erasure_id": erasure_id,
            "subject_refs": target.subject_refs,
            "event_ids": target.event_ids,
        }
        said |= {"items": len(target.items), "basis": basis, "reference": reference}
        tx.record(Note("erasure", by.tenant, by.holder, said))
        return find(tx.conn, by.tenant, erasure_id)


def find(conn: Connection, tenant: str, erasure_id: str) -> Erasure:
    """Return one erasure of a tenant.

    Raises:
        NotFound: there is none with this id.
    """
    mine = select(erasures).where(erasures.c.tenant == tenant, erasures.c.erasure_id == erasure_id)
    row = conn.execute(mine).mappings().first()
    if row is None:
        raise NotFound("There is no such erasure.")
    return _erasure(row)


def listed(database: Database, by: Identity) -> list[Erasure]:
    """List the erasures of the caller's tenant, the newest first.

    Raises:
        NotAllowed: `by` is neither auditor nor admin.
    """
    require(by, by.tenant, "auditor", "admin")
    mine = select(erasures).where(erasures.c.tenant == by.tenant)
    with database.read() as conn:
        rows = conn.execute(mine.order_by(erasures.c.requested_us.desc(), erasures.c.erasure_id)).mappings()
        return [_erasure(row) for row in rows]


def unfinished(database: Database) -> list[Erasure]:
    """List the erasures that are not done, of all tenants, the oldest first."""
    open_ones = select(erasures).where(erasures.c.state == REQUESTED).order_by(erasures.c.requested_us)
    with database.read() as conn:
        return [_erasure(row) for row in conn.execute(open_ones).mappings()]


def acknowledge(database: Database, erasure: Erasure, ack: Ack) -> Erasure:
    """Keep a store's answer. What it counted before a crash is not known any more; the first kept answer stands."""
    with database.write() as tx:
        now = find(tx.conn, erasure.tenant, erasure.erasure_id)
        acks = {ack.store: {"counts": dict(ack.counts), "note": ack.note, "at_us": tx.now_us}} | dict(now.acks)
        _set(tx, erasure, {"acks": json.dumps(acks)})
        return find(tx.conn, erasure.tenant, erasure.erasure_id)


def finish(database: Database, erasure: Erasure) -> Erasure:
    """Say that all stores were asked twice and have nothing left; the receipt becomes a record.

    Raises:
        Conflict: it is done already.
    """
    with database.write() as tx:
        if not _set(tx, erasure, {"state": DONE, "done_us": tx.now_us}):
            raise Conflict("This erasure is done already.")
        done = find(tx.conn, erasure.tenant, erasure.erasure_id)
        said: dict[str, Any] = {
            "erasure_id": done.erasure_id,
            "stores": {name: ack["counts"] for name, ack in done.acks.items()},
        }
        said |= {"verified": True, "seconds": round((tx.now_us - done.requested_us) / 1e6, 3)}
        tx.record(Note("erasure.done", done.tenant, done.requested_by, said))
        return done


def _set(tx: Write, erasure: Erasure, values: Mapping[str, Any]) -> bool:
    still = update(erasures).where(erasures.c.erasure_id == erasure.erasure_id, erasures.c.state == REQUESTED)
    return tx.execute(still.values(**values)).rowcount == 1


def _erasure(row: RowMapping) -> Erasure:
    values = dict(row) | {"target": Target.of(json.loads(row["target"])), "acks": json.loads(row["acks"])}
    return Erasure(**values)
