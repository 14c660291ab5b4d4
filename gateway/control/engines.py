"""SQLAlchemy engines for the two databases, set up so that both keep the same promises."""

import os
import select
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
    path = Path(url.database)
    event.listen(engine, "do_connect", lambda _dialect, record, *_: _opening(path, record))
    event.listen(engine, "checkout", lambda _connection, record, _proxy: _refuse_replaced(path, record))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _opening(path: Path, record: ConnectionPoolEntry | None) -> None:
    _make_private(path)
    if record is not None:
        record.info[_FILE] = _file_at(path)


def _refuse_replaced(path: Path, record: ConnectionPoolEntry) -> None:
    """Drop connections to a file that is not at its place any more: a restored backup is seen without a restart."""
    now = _file_at(path)
    if now is not None and now != record.info.get(_FILE):
        raise InvalidatePoolError


def _file_at(path: Path) -> tuple[int, int] | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


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
