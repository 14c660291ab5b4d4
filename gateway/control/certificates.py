"""Certificates that no longer hold: withdrawn in the control database, seen by every worker within a second."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, select

from gateway.control import schema
from gateway.control.database import Database, Note, insert_new

WITHDRAWN: Final = "certificate.withdrawn"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Why a certificate was withdrawn; `evidence` holds numbers only."""

    certificate: str
    tenant: str
    automation: str | None
    reason: Literal["drift", "by_hand"]
    evidence: dict[str, float]


def withdraw(database: Database, found: Withdrawal, actor: str) -> bool:
    """Withdraw a certificate for good and leave the alert in the record; tell whether that is news."""
    row: dict[str, Any] = {"certificate": found.certificate, "tenant": found.tenant, "reason": found.reason}
    with database.write() as tx:
        if not insert_new(tx, schema.certificate_withdrawals, row | {"withdrawn_by": actor, "withdrawn_us": tx.now_us}):
            return False
        body = {"certificate": found.certificate, "reason": found.reason, **found.evidence}
        tx.record(Note(WITHDRAWN, found.tenant, actor, body, found.automation))
        tx.bump()
    return True


def withdrawals(conn: Connection) -> dict[str, dict[str, Any]]:
    """Give what was withdrawn by id: for which reason, by whom and when."""
    table = schema.certificate_withdrawals
    rows = conn.execute(select(table)).mappings()
    named = ("reason", "withdrawn_by", "withdrawn_us")
    return {row["certificate"]: {name: row[name] for name in named} for row in rows}


def withdrawn(conn: Connection) -> frozenset[str]:
    """List the ids that were withdrawn."""
    return frozenset(withdrawals(conn))


class Withdrawn:
    """The withdrawn ids as a worker sees them; follows the database through a `ChangeWatch`."""

    def __init__(self) -> None:
        self.ids: frozenset[str] = frozenset()

    def reload(self, conn: Connection, _since: int) -> None:
        """Read all of them: there are few. An id once seen stays, whatever an older database says."""
        self.ids |= withdrawn(conn)
