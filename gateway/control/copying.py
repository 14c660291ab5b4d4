"""The control database as one SQLite file, whichever database it is: read in one transaction, read back into either."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, func, insert, select, text, update

from gateway.control import schema
from gateway.control.database import Database, Position, open_database, position
from gateway.control.migrations import LOCK, upgrade

# What signs people in does not come back with a backup, and neither does who was at work.
LEFT_OUT: Final = frozenset({schema.sessions, schema.login_links, schema.login_attempts, schema.leases})
_AT_ONCE: Final = 1000


def copy_out(database: Database, file: Path) -> Position:
    """Write every row as it stands now into a new file; return the position of that moment."""
    with file_database(file, database) as copy, database.read() as conn, copy.write() as tx:
        schema.METADATA.create_all(tx.conn)
        for table in _tables():
            _copy(conn, tx.conn, table)
        return position(conn)


def copy_in(file: Path, database: Database) -> None:
    """Put what a file holds in place of everything the database holds: in one transaction, so all of it or nothing.

    The database's history goes on after both: a reader of either sees that its own past is gone and reads all anew.
    """
    upgrade(database)
    with file_database(file, database) as copy, copy.read() as conn, database.write() as tx:
        if tx.conn.dialect.name == "postgresql":
            tx.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        version = max(position(tx.conn).version, position(conn).version)
        for table in reversed(schema.METADATA.sorted_tables):
            tx.execute(delete(table))
        for table in _tables():
            _copy(conn, tx.conn, table)
            _count_on(tx.conn, table)
        tx.execute(update(schema.changes).values(version=version))
        tx.bump()


@contextmanager
def file_database(file: Path, like: Database) -> Iterator[Database]:
    """Open a copy; when it is closed it is one file, without a log beside it."""
    opened = open_database(f"sqlite:///{file}", like.clock_us, like.new_id)
    try:
        yield opened
        with opened.outside_transactions() as conn:
            conn.exec_driver_sql("PRAGMA journal_mode = DELETE")
    finally:
        opened.close()


def _tables() -> list[Table]:
    return [table for table in schema.METADATA.sorted_tables if table not in LEFT_OUT]


def _copy(source: Connection, target: Connection, table: Table) -> None:
    rows: list[dict[str, Any]] = []
    for row in source.execution_options(yield_per=_AT_ONCE).execute(select(table)).mappings():
        rows.append(dict(row))
        if len(rows) == _AT_ONCE:
            target.execute(insert(table), rows)
            rows = []
    if rows:
        target.execute(insert(table), rows)


def _count_on(conn: Connection, table: Table) -> None:
    """Let PostgreSQL number further rows after those that were copied."""
    column = table.autoincrement_column
    if column is not None and conn.dialect.name == "postgresql":
        highest = conn.execute(select(func.max(column))).scalar()
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        if highest is not None and conn.execute(select(sequence)).scalar() is not None:
            conn.execute(select(func.setval(sequence, highest)))
