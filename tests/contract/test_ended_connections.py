"""A database server that ends its connections, as for a restart, is asked over new ones."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from automations.queue.database import open_queue
from gateway.control.engines import make_engine
from tests.postgres import PostgresServer


@pytest.mark.parametrize("open_", [make_engine, lambda url: open_queue(url).engine], ids=["control", "queue"])
def test_connections_that_the_server_ended_are_made_anew(
    open_: Callable[[str], Engine], postgres_server: PostgresServer
) -> None:
    engine = open_(postgres_server.clean_database())
    with engine.connect() as first, engine.connect() as second:
        pid = first.execute(text("SELECT pg_backend_pid()")).scalar_one()
        first.rollback()
        assert second.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid}).scalar_one()
    for _ in range(3):
        with engine.connect() as conn:
            assert conn.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()
