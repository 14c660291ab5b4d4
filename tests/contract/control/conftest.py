"""The same tests on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.control import schema
from gateway.control.database import Database, open_database
from gateway.control.identity.roles import Identity, local_operator
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.migrations import upgrade
from tests.contract.control.clock import Clock
from tests.postgres import PostgresServer, postgres_server

__all__ = ["postgres_server"]


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
    opened = open_database(address, clock)
    upgrade(opened)
    ensure_tenant(opened, "acme")
    ensure_tenant(opened, "other")
    with opened.write() as tx:
        tx.execute(schema.outbox.delete())  # that the tenants were made
    yield opened
    opened.close()


@pytest.fixture
def admin() -> Identity:
    return local_operator("acme")
