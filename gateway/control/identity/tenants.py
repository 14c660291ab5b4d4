"""Tenants: what everything in the control database belongs to."""

from typing import Final

from gateway.control import schema
from gateway.control.database import Database, Note, Write, insert_new
from gateway.control.identity.names import checked_name
from gateway.control.identity.roles import LOCAL_OPERATOR

DEFAULT_TENANT: Final = "default"


def ensure_tenant(database: Database, tenant: str) -> bool:
    """Create a tenant unless it exists; tell whether it was created."""
    with database.write() as tx:
        return write_tenant(tx, tenant)


def write_tenant(tx: Write, tenant: str) -> bool:
    """Create a tenant in a transaction unless it exists."""
    row = {"tenant": checked_name("tenant", tenant), "created_us": tx.now_us}
    if not insert_new(tx, schema.tenants, row):
        return False
    tx.record(Note("tenant.created", tenant, LOCAL_OPERATOR, {}))
    return True
