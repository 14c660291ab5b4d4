"""Rows from and to SQL databases: SQLite and a real PostgreSQL. What a person wrote always stays."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from automations.connectors.base import Refused, Unavailable
from automations.connectors.sql import SqlRows, SqlTable, engine_of
from tests.peers import Offered
from tests.postgres import PostgresServer

COLUMNS = "id INTEGER PRIMARY KEY, name VARCHAR(50), industry VARCHAR(20), employees INTEGER"
ROWS = "(1, 'A', NULL, NULL), (2, 'B', 'retail', NULL), (3, 'C', '', 7), (4, NULL, NULL, 1)"
SOURCES = {"industry": "notes", "employees": "notes"}


@dataclass(frozen=True)
class Company:
    id: int
    name: str


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        made = engine_of(f"sqlite:///{tmp_path / 'crm.db'}")
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        made = engine_of(server.new_database())
    with made.begin() as conn:
        conn.execute(text(f"CREATE TABLE companies ({COLUMNS})"))
        conn.execute(text(f"INSERT INTO companies VALUES {ROWS}"))
    yield made
    made.dispose()


def stands(engine: Engine, row: int) -> tuple[Any, ...]:
    with engine.connect() as conn:
        return tuple(conn.execute(text(f"SELECT industry, employees FROM companies WHERE id = {row}")).one())


WRONG = {
    "customers.db": "DB is no address of a database; it looks like sqlite:///",
    "mongodb://ann:secret@db/crm": "DB begins with 'mongodb', a kind of database that is not known here",
    "mysql://ann:secret@db/crm": "DB needs the package MySQLdb, which is not installed",
    "postgresql://ann:secret@db:port/crm": "DB is no address of a database",
}


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_address_is_told_in_a_sentence_that_names_the_setting(url: str) -> None:
    with pytest.raises(ValueError, match=r"^DB ") as wrong:
        engine_of(url, "DB")
    assert str(wrong.value).startswith(WRONG[url])
    assert "secret" not in str(wrong.value)


@pytest.mark.parametrize("url", ["sqlite:////no/such/folder/crm.db", "postgresql://ann:secret@127.0.0.1:1/crm"])
def test_a_database_that_is_away_is_told_by_its_setting(url: str) -> None:
    with pytest.raises(Unavailable, match=r"^the database of DB does not answer, or refuses the sign-in$"):
        SqlTable(engine_of(url, "DB"), "companies", "id", "the database of DB").empty("industry", None, 1)


def test_empty_columns_are_filled_and_full_ones_kept(engine: Engine) -> None:
    table = SqlTable(engine, "companies", "id")
    values = {"industry": "software", "employees": 42}
    assert table.fill(1, values, SOURCES, "k1").written == ("industry", "employees")
    assert table.fill(2, values, SOURCES, "k2").kept == ("industry",)
    assert table.fill(3, values, SOURCES, "k3").kept == ("employees",)
    assert [stands(engine, row) for row in (1, 2, 3)] == [("software", 42), ("retail", 42), ("software", 7)]


def test_only_what_we_wrote_ourselves_is_replaced(engine: Engine) -> None:
    table = SqlTable(engine, "companies", "id")
    table.fill(1, {"industry": "software", "employees": 42}, SOURCES, "k1")
    with engine.begin() as conn:
        conn.execute(text("UPDATE companies SET employees = 50 WHERE id = 1"))  # a person knew better
    again = SqlTable(engine, "companies", "id").fill(1, {"industry": "finance", "employees": 43}, SOURCES, "k2")
    assert (again.written, again.kept) == (("industry",), ("employees",))
    assert stands(engine, 1) == ("finance", 50)


def test_the_same_key_changes_nothing(engine: Engine) -> None:
    table = SqlTable(engine, "companies", "id")
    table.fill(1, {"industry": "software"}, SOURCES, "k")
    table.fill(1, {"industry": "finance"}, SOURCES, "k")
    assert stands(engine, 1)[0] == "software"
    with engine.connect() as conn:
        notes = conn.execute(text("SELECT row_key, column_name, value, source, action_key FROM sluice_written")).all()
    assert [tuple(note) for note in notes] == [("1", "industry", '"software"', "notes", "k")]


def test_what_the_database_cannot_do_is_refused_without_values(engine: Engine) -> None:
    table = SqlTable(engine, "companies", "id")
    for where, row, column in (
        ("companies", 99, "industry"),
        ("companies", 1, "no_such"),
        ("no_such", 1, "industry"),
        ("companies; DROP TABLE companies", 1, "industry"),
    ):
        with pytest.raises(Refused):
            SqlTable(engine, where, "id").fill(row, {column: "x"}, {}, "k")
    if engine.dialect.name == "postgresql":  # SQLite takes any length
        with pytest.raises(Refused) as told:
            table.fill(1, {"industry": "secret " * 10}, {}, "k")
        assert "secret" not in str(told.value)
    assert stands(engine, 1) == (None, None)


def test_rows_with_an_empty_column_are_offered_in_turn(engine: Engine) -> None:
    source = SqlRows(SqlTable(engine, "companies", "id"), Company, "employees", at_most=1)
    found = Offered()
    for _ in range(5):
        source.poll(found)
    assert [each.id for each in found] == [1, 2, 1, 2]
    broken = Offered()
    SqlRows(SqlTable(engine, "companies", "id"), Company, "industry").poll(broken)
    assert [each.id for each in broken] == [1]
