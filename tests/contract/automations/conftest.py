"""The queue on both databases, with a gateway in memory and a clock that only tests move."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from automations.flow.automation import Automation
from automations.flow.engine import Engine
from automations.flow.gateway import MemoryGateway
from automations.queue.database import QueueDatabase, open_queue
from automations.queue.store import Store
from tests.contract.automations.greeting import Target
from tests.contract.control.clock import Clock
from tests.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QueueDatabase]:
    if request.param == "sqlite":
        opened = open_queue(f"sqlite:///{tmp_path}/queue.db")
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        opened = open_queue(server.clean_database())
    yield opened
    opened.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway() -> MemoryGateway:
    return MemoryGateway()


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def engine_of(queue: QueueDatabase, clock: Clock, gateway: MemoryGateway) -> Callable[[Automation], Engine]:
    return lambda automation: Engine(Store(queue, clock), gateway, {automation.name: automation}, lambda: 1.0)
