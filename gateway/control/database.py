"""The door to the control database: read transactions, write transactions, and the outbox row each change leaves.

Synchronous on purpose: async code calls it in a thread. Time and ids come from the `Database`, so tests and the
demo hand in their own.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, cast

from sqlalchemy import Connection, Engine, Executable, Table, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.control import schema
from gateway.control.engines import BEGIN, make_engine
from gateway.control.errors import Conflict, ControlReadOnly, ControlUnavailable, InvalidInput

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

    Insert: TypeAlias = sqlite.Insert | postgresql.Insert

Clock: TypeAlias = Callable[[], int]
NewId: TypeAlias = Callable[[str], str]
EVENT_SCHEMA: Final = 1
_READ_ONLY: Final = "25006"  # PostgreSQL's code for a change where none is taken
_AWAY: Final = "The control database cannot be reached or read; try again."
_READ: Final[Mapping[str, Mapping[str, Any]]] = {
    # One snapshot for all statements of a read, as SQLite gives it anyway.
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    "sqlite": {BEGIN: "BEGIN"},
}
_WRITE: Final[Mapping[str, Mapping[str, Any]]] = {"postgresql": {}, "sqlite": {BEGIN: "BEGIN IMMEDIATE"}}
_UPKEEP: Final[Mapping[str, Mapping[str, Any]]] = {
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
    "sqlite": {BEGIN: ""},
}


def utc_now_us() -> int:
    """Return the time in UTC microseconds."""
    return time.time_ns() // 1000


def random_id(prefix: str) -> str:
    """Return a new id with 96 random bits, such as `key_4c1f...`."""
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass(frozen=True, slots=True)
class Note:
    """What an event of the control plane says: ids, closed words and numbers only, never free text."""

    kind: str
    tenant: str
    actor: str
    body: Mapping[str, Any]
    automation: str | None = None
    subject_ref: str | None = None


class Position(NamedTuple):
    """A point of a database's history: the `changes` counter, and the stamp it got there. No stamp: no change yet."""

    version: int
    stamp: str | None


class Write:
    """One write transaction. What it records and announces becomes visible together with its rows, or not at all."""

    __slots__ = ("_new_id", "_version", "conn", "now_us")

    def __init__(self, conn: Connection, now_us: int, new_id: NewId) -> None:
        self.conn = conn
        self.now_us = now_us
        self._new_id = new_id
        self._version: int | None = None

    def execute(self, statement: Executable) -> CursorResult[Any]:
        """Run a statement in this transaction."""
        return self.conn.execute(statement)

    def new_id(self, prefix: str) -> str:
        """Return a new id."""
        return self._new_id(prefix)

    def record(self, note: Note) -> str:
        """Leave an event for the journal; return its id."""
        event_id = self._new_id("evt")
        fields = {
            "event_id": event_id,
            "kind": note.kind,
            "schema": EVENT_SCHEMA,
            "ts_us": self.now_us,
            "tenant": note.tenant,
            "automation": note.automation,
            "actor": note.actor,
            "subject_ref": note.subject_ref,
            "body": json.dumps(dict(note.body), separators=(",", ":"), sort_keys=True),
        }
        self.conn.execute(schema.outbox.insert().values(fields))
        return event_id

    def bump(self) -> int:
        """Move the `changes` counter once for this transaction; return its value.

        Call it before writing rows that carry the value: the counter's row lock is what keeps them in order.
        """
        if self._version is None:
            table = schema.changes
            moved = update(table).values(version=table.c.version + 1).returning(table.c.version)
            version: int = self.conn.execute(moved).scalar_one()
            self.conn.execute(schema.change_log.insert().values(version=version, stamp=secrets.token_hex(8)))
            self._version = version
        return self._version


@dataclass(frozen=True, slots=True)
class Database:
    """The control database; share one per process, between threads."""

    engine: Engine
    clock_us: Clock = utc_now_us
    new_id: NewId = random_id

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read transaction: all its statements see one state.

        Raises:
            ControlUnavailable: the database cannot be reached.
        """
        with self._connected(_READ) as conn, conn.begin():
            yield conn

    @contextmanager
    def write(self) -> Iterator[Write]:
        """Open a write transaction: committed when the block ends, rolled back when it raises.

        Raises:
            ControlUnavailable: the database cannot be reached, or is locked for too long.
        """
        with self._connected(_WRITE) as conn, conn.begin():
            yield Write(conn, self.clock_us(), self.new_id)

    @contextmanager
    def outside_transactions(self) -> Iterator[Connection]:
        """Open a connection for upkeep commands that cannot run in a transaction.

        Raises:
            ControlUnavailable: the database cannot be reached.
        """
        with self._connected(_UPKEEP) as conn:
            yield conn

    def resting_connection(self) -> Connection:
        """Return a connection without a transaction; whoever asked for it closes it."""
        return self.engine.connect().execution_options(**_UPKEEP[self.engine.dialect.name])

    def close(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()

    @contextmanager
    def _connected(self, options: Mapping[str, Mapping[str, Any]]) -> Iterator[Connection]:
        with _translated(), self.engine.connect() as plain:
            yield plain.execution_options(**options[self.engine.dialect.name])


def open_database(address: str, clock_us: Clock = utc_now_us, new_id: NewId = random_id) -> Database:
    """Open the database at an address; nothing is read yet (see `migrations.upgrade`)."""
    return Database(make_engine(address), clock_us, new_id)


def position(conn: Connection) -> Position:
    """Return where the database's history stands."""
    now, log = schema.changes, schema.change_log
    found = conn.execute(select(now.c.version, log.c.stamp).outerjoin_from(now, log, now.c.version == log.c.version))
    return Position(*found.one())


def continues(conn: Connection, earlier: Position) -> bool:
    """Tell whether the database's history went through an earlier position."""
    log = schema.change_log
    stamp = conn.execute(select(log.c.stamp).where(log.c.version == earlier.version)).scalar()
    return stamp == earlier.stamp


def insert_new(tx: Write, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is taken; tell whether it was inserted."""
    inserted = upsert(tx.conn, table).values(dict(values)).on_conflict_do_nothing()
    return tx.execute(inserted.returning(*table.primary_key)).first() is not None


def upsert(conn: Connection, table: Table) -> "Insert":
    """Return the database's own INSERT, which can say what happens on a taken key."""
    return inserting(conn.dialect.name)(table)


@lru_cache(maxsize=2)
def inserting(dialect: str) -> "Callable[[Table], Insert]":
    """Give what makes a database's own INSERT. Its engine has imported it; another database's would take 2 MB."""
    return cast("Callable[[Table], Insert]", resolve_name(f"sqlalchemy.dialects.{dialect}:insert"))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise ControlUnavailable(_AWAY) from error
    except DataError as error:
        raise InvalidInput("value", "A value holds characters or numbers that cannot be stored.") from error
    except IntegrityError as error:
        raise Conflict("This exists already, or belongs to something that does not exist.") from error
    except InternalError as error:
        if getattr(error.orig, "sqlstate", None) == _READ_ONLY:
            raise ControlReadOnly("The control database takes no changes: it is read-only, as a standby is.") from error
        raise
    except DatabaseError as error:
        if type(error) is DatabaseError:  # of no narrower kind: SQLite's word for a file that it cannot read
            raise ControlUnavailable(_AWAY) from error
        raise
