"""A control database for one test."""

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.control import schema
from gateway.control.database import Database, open_database
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.migrations import upgrade
from tests.contract.control.clock import Clock


@contextmanager
def made_database(address: str, clock: Clock, *tenants: str) -> Iterator[Database]:
    """Lend a database with these tenants and an empty outbox."""
    opened = open_database(address, clock)
    upgrade(opened)
    for tenant in tenants:
        ensure_tenant(opened, tenant)
    with opened.write() as tx:
        tx.execute(schema.outbox.delete())  # that the tenants were made
    yield opened
    opened.close()
