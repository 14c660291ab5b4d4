"""A control database of one's own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.control.database import Database
from gateway.control.leases import Lease, acquire
from tests.contract.control.clock import Clock
from tests.contract.control.making import made_database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, clock: Clock) -> Iterator[Database]:
    with made_database(f"sqlite:///{tmp_path}/db/control.db", clock, "default") as opened:
        yield opened


@pytest.fixture
def lease(database: Database) -> Lease:
    held = acquire(database, "keeper", "test", 3600)
    assert held is not None
    return held
