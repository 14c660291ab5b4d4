"""The same tests on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.control.database import Database
from gateway.control.identity.roles import Identity, local_operator
from tests.contract.control.clock import Clock
from tests.contract.control.making import made_database
from tests.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/control.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.clean_database()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(address: str, clock: Clock) -> Iterator[Database]:
    with made_database(address, clock, "acme", "other") as opened:
        yield opened


@pytest.fixture
def admin() -> Identity:
    return local_operator("acme")
