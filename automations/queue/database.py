"""Opens the queue's database so that SQLite and PostgreSQL keep the same promises."""

import os
import select as waiting
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, literal, make_url, select, text, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.schema import CreateColumn

from automations.queue.schema import METADATA, lanes, runs

_BUSY_S: Final = 20
_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON")
_ADVISORY_LOCK: Final = 7_316_205
_WRITES: Final = "sluice_writes"  # execution option: the transaction takes SQLite's write lock at once
POSTGRESQL: Final = "postgresql"


@dataclass(frozen=True, slots=True)
class QueueDatabase:
    """Share one per process, between threads."""

    engine: Engine

    @property
    def is_postgresql(self) -> bool:
        """Tell which of the two databases this is."""
        return self.engine.dialect.name == POSTGRESQL

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a write transaction: committed when the block ends, rolled back when it raises."""
        with self.engine.connect() as plain, plain.execution_options(**{_WRITES: True}).begin():
            yield plain

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read transaction."""
        with self.engine.connect() as conn, conn.begin():
            yield conn

    def insert(self, table: Any) -> "sqlite.Insert | postgresql.Insert":
        """Return the database's own INSERT, which can pass over rows that are there."""
        return postgresql.insert(table) if self.is_postgresql else sqlite.insert(table)

    def close(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()


def open_queue(address: str, connections: int = 10) -> QueueDatabase:
    """Open the queue at a `sqlite:///` or `postgresql://` address, and create its tables where they are missing.

    Raises:
        ValueError: the address names neither; the text does not repeat it, for it may hold a password.
    """
    try:
        url = make_url(address)
    except Exception as error:
        raise ValueError("SLUICE_QUEUE_URL is not a database address") from error
    build = {"sqlite": _sqlite, POSTGRESQL: _postgresql}.get(url.get_backend_name())
    if build is None:
        raise ValueError("SLUICE_QUEUE_URL must begin with sqlite:/// or postgresql://")
    database = QueueDatabase(build(url, connections))
    with database.write() as conn:
        if database.is_postgresql:
            conn.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        METADATA.create_all(conn)
        _add_columns(conn)
        known = select(runs.c.tenant, runs.c.automation, literal(0), literal(0)).distinct().where(true())
        adding = database.insert(lanes).from_select(["tenant", "automation", "window_us", "started"], known)
        conn.execute(adding.on_conflict_do_nothing())  # a queue of before lanes were made with their first run
    return database


def _add_columns(conn: Connection) -> None:
    """Add what later versions of the tables have; such columns are nullable or have a default."""
    for table in METADATA.sorted_tables:
        known = {column["name"] for column in inspect(conn).get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                adding = CreateColumn(column).compile(dialect=conn.dialect)
                conn.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {adding}"))


def _sqlite(url: URL, connections: int) -> Engine:
    assert url.database
    _make_private(Path(url.database))
    engine = create_engine(url, connect_args={"timeout": _BUSY_S}, hide_parameters=True, pool_size=connections)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _make_private(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare(connection: Any, _entry: object) -> None:
    connection.isolation_level = None  # without this the driver begins transactions by itself, always deferred
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _postgresql(url: URL, connections: int) -> Engine:
    settings = "-c statement_timeout=20000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=30000"
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"connect_timeout": 5, "application_name": "sluice-worker", "options": settings},
        pool_size=connections,
        hide_parameters=True,
    )
    event.listen(engine, "checkout", _refuse_ended)
    return engine


def _refuse_ended(connection: Any, _entry: object, _proxy: object) -> None:
    """Drop a connection that the server has ended: one in rest has nothing to say. A ping would cost a round trip."""
    heard = waiting.poll()
    heard.register(connection.fileno(), waiting.POLLIN)
    if heard.poll(0):
        raise DisconnectionError
