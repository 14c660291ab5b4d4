"""Stopped automations in the control database: seen by every worker within a second, undone by a start."""

from sqlalchemy import Connection, delete, select

from gateway.control import schema_reviews
from gateway.control.database import Database, Note, insert_new
from gateway.control.identity.names import checked_name
from gateway.control.identity.roles import Identity, require

Stopped = frozenset[tuple[str, str]]


def stop(database: Database, by: Identity, automation: str) -> bool:
    """Stop an automation; tell whether it ran before.

    Raises:
        NotAllowed: `by` is no policy owner, reviewer or admin.
        InvalidInput: this cannot be an automation's name.
    """
    require(by, by.tenant, "policy_owner", "reviewer", "admin")
    name = checked_name("automation", automation)
    with database.write() as tx:
        row = {"tenant": by.tenant, "automation": name, "stopped_by": by.holder, "stopped_us": tx.now_us}
        if not insert_new(tx, schema_reviews.stops, row):
            return False
        tx.record(Note("stop.set", by.tenant, by.holder, {"automation": name}, name))
        tx.bump()
    return True


def start(database: Database, by: Identity, automation: str) -> bool:
    """Let an automation run again; tell whether it was stopped.

    Raises:
        NotAllowed: `by` is no policy owner or admin.
    """
    require(by, by.tenant, "policy_owner", "admin")
    table = schema_reviews.stops
    with database.write() as tx:
        mine = delete(table).where(table.c.tenant == by.tenant, table.c.automation == automation)
        if tx.execute(mine).rowcount == 0:
            return False
        tx.record(Note("stop.lifted", by.tenant, by.holder, {"automation": automation}, automation))
        tx.bump()
    return True


def stopped(conn: Connection) -> Stopped:
    """List what is stopped, as tenant and automation."""
    table = schema_reviews.stops
    return frozenset((row.tenant, row.automation) for row in conn.execute(select(table.c.tenant, table.c.automation)))


def stops_of(database: Database, by: Identity) -> list[dict[str, object]]:
    """List the stopped automations of the caller's tenant, with who stopped them and when.

    Raises:
        NotAllowed: `by` has no role at all.
    """
    require(by, by.tenant, "viewer")
    table = schema_reviews.stops
    mine = select(table).where(table.c.tenant == by.tenant).order_by(table.c.automation)
    with database.read() as conn:
        return [
            {"automation": row["automation"], "by": row["stopped_by"], "at": row["stopped_us"] // 1_000_000}
            for row in conn.execute(mine).mappings()
        ]
