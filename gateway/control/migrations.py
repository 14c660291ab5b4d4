"""The layout of the control database: how it is created, brought up to date, and recognised as too new."""

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import Connection, inspect, select, text

from gateway.control import schema, schema_reviews, schema_trust
from gateway.control.database import Database, Write, insert_new
from gateway.control.errors import LayoutTooNew

Step = Callable[[Connection], None]
# Any fixed number: two programs that start at once take turns.
LOCK: Final = 7_316_204


def _add_spent(conn: Connection) -> None:
    """Count what was spent apart from what is leased."""
    for table in (schema.allowances, schema.allowance_leases):
        _add_number(conn, table.name, "spent")


def _add_cap(conn: Connection) -> None:
    _add_number(conn, schema.allowances.name, "cap")


def _add_owner(conn: Connection) -> None:
    _add(conn, schema.api_keys.name, "owner", "VARCHAR")


def _add_number(conn: Connection, table: str, name: str) -> None:
    _add(conn, table, name, "BIGINT NOT NULL DEFAULT 0")


def _add_trust(conn: Connection) -> None:
    """Add erasures and legal holds, and whose a sealed item is."""
    schema_trust.erasures.metadata.create_all(conn)
    _add(conn, schema.sealed.name, "automation", "VARCHAR")


def _add_confirmation(conn: Connection) -> None:
    """Let keys wait for somebody to confirm them after a restore."""
    _add(conn, schema.api_keys.name, "unconfirmed_us", "BIGINT")


def _add(conn: Connection, table: str, name: str, kind: str) -> None:
    """Add a column; a table that an earlier step of the same upgrade made has it."""
    if name not in {column["name"] for column in inspect(conn).get_columns(table)}:
        conn.execute(text(f"ALTER TABLE {table} ADD COLUMN {name} {kind}"))


# In order. `create_all` adds the tables that are missing; a step that changes a table says how in SQL that both
# databases speak. A new database is created in the present layout, and all names count as applied.
STEPS: Final[Mapping[str, Step]] = {
    "0001-first-layout": schema.METADATA.create_all,
    "0002-allowances": schema.METADATA.create_all,
    "0003-certificate-withdrawals": schema.METADATA.create_all,
    "0004-learned": schema.METADATA.create_all,
    "0005-spent": _add_spent,
    "0006-reviews": schema_reviews.reviews.metadata.create_all,
    "0007-cap": _add_cap,
    "0008-weekly": schema_reviews.weekly_reviews.metadata.create_all,
    "0009-trust": _add_trust,
    "0010-owner": _add_owner,
    "0011-confirmation": _add_confirmation,
    "0011-retention-runs": schema_trust.retention_runs.metadata.create_all,
}


def upgrade(database: Database, steps: Mapping[str, Step] = STEPS) -> list[str]:
    """Create the tables or bring them up to date; return the names of the steps taken.

    Raises:
        LayoutTooNew: a newer Sluice has written this database.
    """
    with database.write() as tx:
        if tx.conn.dialect.name == "postgresql":
            tx.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        applied = _applied(tx.conn)
        _refuse_newer(applied, steps)
        missing = [name for name in steps if name not in applied]
        for name in missing:
            _take(tx, name, steps[name] if applied else schema.METADATA.create_all)
        insert_new(tx, schema.changes, {"id": 1, "version": 0})
        return missing


def _applied(conn: Connection) -> set[str]:
    if not inspect(conn).has_table(schema.schema_version.name):
        return set()
    return set(conn.execute(select(schema.schema_version.c.name)).scalars())


def _refuse_newer(applied: set[str], steps: Mapping[str, Step]) -> None:
    unknown = sorted(applied - set(steps))
    if unknown:
        raise LayoutTooNew(
            f"The control database has the layout {unknown[-1]!r} of a newer Sluice; "
            "start that version, or restore a backup made by this one."
        )


def _take(tx: Write, name: str, step: Step) -> None:
    step(tx.conn)
    tx.execute(schema.schema_version.insert().values(name=name, applied_us=tx.now_us))
