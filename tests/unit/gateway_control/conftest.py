"""A control database of one's own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.control import schema
from gateway.control.database import Database, open_database
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.leases import Lease, acquire
from gateway.control.migrations import upgrade
from tests.contract.control.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path}/db/control.db", clock)
    upgrade(opened)
    ensure_tenant(opened, "default")
    with opened.write() as tx:
        tx.execute(schema.outbox.delete())  # that the tenants were made
    yield opened
    opened.close()


@pytest.fixture
def lease(database: Database) -> Lease:
    held = acquire(database, "keeper", "test", 3600)
    assert held is not None
    return held
