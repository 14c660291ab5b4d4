"""SQLAlchemy engines for the two databases, set up so that both keep the same promises."""

import os
import select
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_S: Final = 5
# Execution option of a connection: the words that open its transactions; empty: none is opened.
BEGIN: Final = "sluice_begin"
_FILE: Final = "sluice.file"
_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)


def make_engine(address: str) -> Engine:
    """Build the engine for a `sqlite:///` or `postgresql://` address; connects to nothing yet.

    Raises:
        ValueError: the address names neither; the text does not repeat it, for it may hold a password.
    """
    url = _parsed(address)
    build: Callable[[URL], Engine] | None = {"sqlite": _sqlite, "postgresql": _postgresql}.get(url.get_backend_name())
    if build is None:
        raise ValueError("SLUICE_DATABASE_URL must begin with sqlite:/// or postgresql://")
    return build(url)


def _parsed(address: str) -> URL:
    try:
        return make_url(address)
    except ArgumentError:
        raise ValueError("SLUICE_DATABASE_URL is not a database address") from None


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ValueError("SLUICE_DATABASE_URL must name a file: several processes share the control database")
    engine = create_engine(url, connect_args={"timeout": BUSY_S}, hide_parameters=True)
    file = _File(Path(url.database))
    event.listen(engine, "do_connect", lambda _dialect, record, *_: file.opening(record))
    event.listen(engine, "checkout", lambda _connection, record, _proxy: file.refuse_other(record))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


class _File:
    """Where a database lies. It is made by the first connection; later ones find it there, or are refused."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made = False

    def opening(self, record: ConnectionPoolEntry | None) -> None:
        """Note which file a new connection opens. Raises `sqlite3.OperationalError` when it is gone."""
        if not self._made:
            _make_private(self._path)
            self._made = True
        now = self._there()
        if record is not None:
            record.info[_FILE] = now

    def refuse_other(self, record: ConnectionPoolEntry) -> None:
        """Drop connections to a file that is not at its place any more: a restored backup is seen without a restart.

        Where nothing is at its place, what is written would be in a file without a name, and gone with this process:
        the database is away. Raises `sqlite3.OperationalError`.
        """
        if self._there() != record.info.get(_FILE):
            raise InvalidatePoolError

    def _there(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError as problem:
            raise sqlite3.OperationalError(f"the file of the database is not there: {self._path}") from problem
        return found.st_dev, found.st_ino


def _make_private(path: Path) -> None:
    """Create the file for its owner only; SQLite gives its side files the same mode.

    A file that is there is left alone: closing any descriptor of it drops the locks of this process's connections, and
    then another process that closes the database takes the log away under them.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    # Without this the driver begins transactions by itself, always deferred.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _begin_sqlite(connection: Connection) -> None:
    """Begin as asked. Writers ask for the lock at once: a transaction that reads first would fail without waiting."""
    words = connection.get_execution_options().get(BEGIN, "BEGIN")
    if words:
        connection.exec_driver_sql(words)


def _postgresql(url: URL) -> Engine:
    settings = "-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"connect_timeout": BUSY_S, "application_name": "sluice", "options": settings},
        pool_timeout=BUSY_S,
        hide_parameters=True,
    )
    event.listen(engine, "checkout", _refuse_ended)
    return engine


def _refuse_ended(connection: Any, _entry: object, _proxy: object) -> None:
    """Drop a connection that the server has ended: one in rest has nothing to say. A ping would cost a round trip."""
    heard = select.poll()
    heard.register(connection.fileno(), select.POLLIN)
    if heard.poll(0):
        raise DisconnectionError
