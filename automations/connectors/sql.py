"""Reads rows of an SQL database and fills in what is empty there; a value that a person wrote is never replaced."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    make_url,
    select,
)
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    NoSuchTableError,
    ProgrammingError,
    SQLAlchemyError,
)

from automations.connectors.base import Refused, Unavailable, offer_all, shaped, tell_refused
from automations.connectors.filled import Filled
from automations.flow.automation import Offer

_NOTES: Final = Table(
    "sluice_written",
    MetaData(),
    *(Column(name, String(200), nullable=False) for name in ("table_name", "row_key", "column_name", "action_key")),
    *(Column(name, Text) for name in ("value", "source", "run")),
    Column("written_s", Float),
)


@dataclass(slots=True)
class SqlTable:
    """One table, whose rows `key` tells apart.

    What this connector wrote stands in the table `sluice_written`, with its source: it only replaces what is empty or
    what it wrote itself and nobody changed since. A row's values and their notes are written in one transaction.
    """

    engine: Engine
    name: str
    key: str
    place: str = "the database"  # what people know it by: the setting that names it
    _table: Table | None = field(default=None, repr=False)
    _noted: bool = False

    def empty(self, column: str, after: Any, at_most: int) -> list[dict[str, Any]]:
        """Give rows in which a column is empty, in the order of their keys, beginning after one of them."""
        with _reported(self.place), self.engine.connect() as conn:
            table = self._reflected(conn)
            wanted = select(table).where(_column(table, column).is_(None)).order_by(table.c[self.key]).limit(at_most)
            if after is not None:
                wanted = wanted.where(table.c[self.key] > after)
            return [dict(row) for row in conn.execute(wanted).mappings()]

    def fill(self, row: Any, values: Mapping[str, Any], sources: Mapping[str, str], key: str, run: str = "") -> Filled:
        """Write values into a row where nobody wrote; the same `key` again changes nothing. `run` is noted beside them.

        Raises:
            Refused: no such row, table or column, or a value that does not fit. Unavailable: the database is away.
        """
        self._make_notebook()
        with _reported(self.place), self.engine.begin() as conn:
            table = self._reflected(conn)
            found = conn.execute(select(table).where(table.c[self.key] == row)).mappings().first()
            if found is None:
                raise Refused(f"{self.place} has no such row in {self.name}")
            ours, done = self._written_before(conn, row), self._was_done(conn, key)
            free = {c: v for c, v in values.items() if _is_free(found[_column(table, c).name], ours.get(c))}
            why = {"action_key": key, "run": run, "written_s": time.time()}
            if free and not done:
                self._write(conn, row, free, found)
                conn.execute(
                    _NOTES.insert(),
                    [{**self._note(row, c, v), **why, "source": sources.get(c, "")} for c, v in free.items()],
                )
            return Filled(tuple(free), tuple(c for c in values if c not in free))

    def _write(self, conn: Connection, row: Any, free: Mapping[str, Any], seen: Mapping[Any, Any]) -> None:
        """Write where the row still says what was seen; somebody who was faster is seen at the next try."""
        table = self._reflected(conn)
        same = [table.c[column].is_not_distinct_from(seen[column]) for column in free]
        if conn.execute(table.update().where(table.c[self.key] == row, *same).values(free)).rowcount != 1:
            raise Unavailable("the row changed meanwhile", 1.0)

    def _reflected(self, conn: Connection) -> Table:
        if self._table is None:
            table = Table(self.name, MetaData(), autoload_with=conn)
            _column(table, self.key)
            self._table = table
        return self._table

    def _make_notebook(self) -> None:
        if not self._noted:
            with (
                _reported(self.place),
                contextlib.suppress(ProgrammingError, IntegrityError),
            ):  # another worker was faster
                _NOTES.create(self.engine, checkfirst=True)
            self._noted = True

    def _written_before(self, conn: Connection, row: Any) -> dict[str, str]:
        """Give what we wrote last into each column of a row."""
        wanted = select(_NOTES.c.column_name, _NOTES.c.value).order_by(_NOTES.c.written_s)
        wanted = wanted.where(_NOTES.c.table_name == self.name, _NOTES.c.row_key == str(row))
        return {found.column_name: found.value for found in conn.execute(wanted)}

    @staticmethod
    def _was_done(conn: Connection, key: str) -> bool:
        return conn.execute(select(_NOTES.c.action_key).where(_NOTES.c.action_key == key).limit(1)).first() is not None

    def _note(self, row: Any, column: str, value: Any) -> dict[str, Any]:
        return {"table_name": self.name, "row_key": str(row), "column_name": column, "value": json.dumps(value)}


@dataclass(slots=True)
class SqlRows:
    """The source of rows in which a column is empty; goes through the table from its first key to its last, again."""

    table: SqlTable
    shape: type[Any]
    empty: str
    every_s: float = 5.0
    at_most: int = 100
    name: str = "sql"
    _after: Any = None

    def poll(self, offer: Offer) -> None:
        """Offer the next rows that wait."""
        adapter = TypeAdapter(self.shape)
        names = adapter.json_schema()["properties"]
        rows = self.table.empty(self.empty, self._after, self.at_most)
        for number, bad in offer_all((shaped(adapter, row, names) for row in rows), offer):
            tell_refused(self.name, f"{self.table.name} {rows[number - 1][self.table.key]}", bad)
        self._after = rows[-1][self.table.key] if len(rows) == self.at_most else None


def engine_of(url: str, setting: str = "the address of the database") -> Engine:
    """Open a database by its address; connections are made when they are needed.

    Raises:
        ValueError: it is no address; the sentence names the setting, and does not repeat what may hold a password.
    """
    try:
        address = make_url(url)
        if address.drivername == "postgresql":  # SQLAlchemy would look for another driver than ours
            address = address.set(drivername="postgresql+psycopg")
        return create_engine(address, pool_pre_ping=True, hide_parameters=True)
    except NoSuchModuleError as error:
        kind = url.partition(":")[0]
        raise ValueError(f"{setting} begins with {kind!r}, a kind of database that is not known here") from error
    except ImportError as error:
        raise ValueError(f"{setting} needs the package {error.name}, which is not installed") from error
    except (SQLAlchemyError, ValueError) as error:
        usual = "sqlite:///customers.db or postgresql+psycopg://user:password@host/database"
        raise ValueError(f"{setting} is no address of a database; it looks like {usual}") from error


def _is_free(stands: Any, ours: str | None) -> bool:
    return stands is None or stands == "" or (ours is not None and json.loads(ours) == stands)


def _column(table: Table, name: str) -> Column[Any]:
    if name not in table.c:
        raise Refused(f"{table.name} has no column {name}")
    return table.c[name]


@contextlib.contextmanager
def _reported(place: str) -> Iterator[None]:
    """Say what a failure of the database means, without the statement or its values."""
    try:
        yield
    except NoSuchTableError as error:
        raise Refused(f"{place} has no table {error}") from error
    except IntegrityError as error:
        raise Refused(f"{place} refused a value: one of its rules is against it") from error
    except DataError as error:
        raise Refused(f"{place} refused a value: it does not fit the column") from error
    except ProgrammingError as error:
        raise Refused(f"{place} refused the statement: a right or a column is missing") from error
    except DBAPIError as error:
        raise Unavailable(f"{place} does not answer, or refuses the sign-in") from error
    except SQLAlchemyError as error:
        raise Refused(f"{place} cannot do this ({type(error).__name__})") from error
