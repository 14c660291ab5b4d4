"""Legal holds in the control database: what is kept whatever its retention says, until somebody lifts it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, and_, false, func, or_, select, true, update

from gateway.control.database import Database, Note
from gateway.control.errors import InvalidInput, NotFound
from gateway.control.identity.names import checked_name, checked_optional_name
from gateway.control.identity.roles import Identity, require
from gateway.control.schema_trust import legal_holds
from metrics.proof.retention import LegalHold


@dataclass(frozen=True, slots=True)
class Held:
    """One hold: what it keeps, for which case, and who set and lifted it."""

    hold_id: str
    tenant: str
    subject_ref: str | None
    automation: str | None
    since_us: int | None
    until_us: int | None
    reference: str
    set_by: str
    set_us: int
    lifted_by: str | None = None
    lifted_us: int | None = None

    @property
    def scope(self) -> LegalHold:
        """Return what it keeps."""
        return LegalHold(self.tenant, self.subject_ref, self.automation, self.since_us, self.until_us)


def set_hold(database: Database, by: Identity, scope: LegalHold, reference: str) -> Held:
    """Keep something from now on; `reference` names the case.

    Raises:
        NotAllowed: `by` is neither auditor nor admin.
        InvalidInput: it limits nothing, or a name cannot be used.
    """
    require(by, by.tenant, "auditor", "admin")
    automation = checked_optional_name("automation", scope.automation)
    if not (scope.subject_ref or automation or scope.since_us or scope.until_us):
        raise InvalidInput("subject", "A hold is about a subject, an automation or a range of time.")
    row: dict[str, Any] = {"tenant": by.tenant, "subject_ref": scope.subject_ref, "automation": automation}
    row |= {"since_us": scope.since_us, "until_us": scope.until_us, "reference": checked_name("reference", reference)}
    with database.write() as tx:
        row |= {"hold_id": tx.new_id("lhd"), "set_by": by.holder, "set_us": tx.now_us}
        tx.execute(legal_holds.insert().values(row))
        tx.record(Note("legal_hold.set", by.tenant, by.holder, _said(row)))
    return Held(**row)


def lift(database: Database, by: Identity, hold_id: str) -> Held:
    """End a hold; what is due goes with the next run.

    Raises:
        NotAllowed: `by` is no admin.
        NotFound: there is no such hold in force.
    """
    require(by, by.tenant, "admin")
    mine = and_(legal_holds.c.tenant == by.tenant, legal_holds.c.hold_id == hold_id)
    with database.write() as tx:
        ended = update(legal_holds).where(mine, legal_holds.c.lifted_us.is_(None))
        if tx.execute(ended.values(lifted_by=by.holder, lifted_us=tx.now_us)).rowcount != 1:
            raise NotFound("There is no such hold in force.")
        row = tx.execute(select(legal_holds).where(mine)).mappings().one()
        tx.record(Note("legal_hold.lifted", by.tenant, by.holder, _said(row)))
        return Held(**row)


def listed(database: Database, by: Identity) -> list[Held]:
    """List the holds of the caller's tenant, those in force first.

    Raises:
        NotAllowed: `by` is neither auditor nor admin.
    """
    require(by, by.tenant, "auditor", "admin")
    mine = select(legal_holds).where(legal_holds.c.tenant == by.tenant)
    with database.read() as conn:
        found = [Held(**row) for row in conn.execute(mine.order_by(legal_holds.c.set_us.desc())).mappings()]
    return sorted(found, key=lambda hold: hold.lifted_us is not None)


def in_force(conn: Connection, tenant: str | None = None) -> list[LegalHold]:
    """Return what is kept, of one tenant or of all."""
    found = select(legal_holds).where(legal_holds.c.lifted_us.is_(None))
    if tenant is not None:
        found = found.where(legal_holds.c.tenant == tenant)
    return [Held(**row).scope for row in conn.execute(found).mappings()]


def kept(table: Table, time_column: str, holds: Iterable[LegalHold]) -> ColumnElement[bool]:
    """Return the condition that a hold keeps a row of a table with `tenant`, `subject_ref` and `automation`."""
    columns, at = table.c, table.c[time_column]
    tests: list[ColumnElement[bool]] = [false()]
    for hold in holds:
        named = {"tenant": hold.tenant, "subject_ref": hold.subject_ref, "automation": hold.automation}
        limits = [columns[name] == value for name, value in named.items() if value is not None]
        limits += [at >= hold.since_us] if hold.since_us is not None else []
        limits += [at < hold.until_us] if hold.until_us is not None else []
        tests.append(func.coalesce(and_(true(), *limits), false()))
    return or_(*tests)


def _said(row: dict[str, Any] | RowMapping) -> dict[str, Any]:
    names = ("hold_id", "subject_ref", "automation", "since_us", "until_us", "reference")
    return {name: row[name] for name in names if row[name] is not None}
