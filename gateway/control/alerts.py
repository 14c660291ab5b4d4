"""What people were told of: each trouble once when it begins and once when it is over, and messages on their way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select, update

from gateway.control import schema_reviews
from gateway.control.database import Database, Note, Write, upsert

ACTOR: Final = "keeper"
WAITS_S: Final = (30, 120, 600, 3600, 14_400)  # before each further try of a message


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one channel; `body` says what it is about."""

    message_id: str
    tenant: str
    channel: str
    body: dict[str, Any]
    tries: int


def begin(tx: Write, tenant: str, name: str, automation: str, body: Mapping[str, Any]) -> bool:
    """Note that a trouble is there; tell whether it is new."""
    table = schema_reviews.alerts
    mine = (table.c.tenant == tenant, table.c.name == name)
    known = tx.execute(select(table.c.over_us).where(*mine)).first()
    if known is not None and known[0] is None:
        tx.execute(update(table).where(*mine).values(seen_us=tx.now_us))
        return False
    row: dict[str, Any] = {
        "tenant": tenant,
        "name": name,
        "automation": automation,
        "body": json.dumps(dict(body), sort_keys=True),
    }
    row |= {"since_us": tx.now_us, "seen_us": tx.now_us, "over_us": None}
    tx.execute(upsert(tx.conn, table).values(row).on_conflict_do_update(index_elements=["tenant", "name"], set_=row))
    tx.record(Note("alert.opened", tenant, ACTOR, {"alert": name, **body}, automation))
    return True


def end(tx: Write, tenant: str, name: str, automation: str) -> bool:
    """Note that a trouble is over; tell whether it was there."""
    table = schema_reviews.alerts
    mine = update(table).where(table.c.tenant == tenant, table.c.name == name, table.c.over_us.is_(None))
    if tx.execute(mine.values(over_us=tx.now_us)).rowcount == 0:
        return False
    tx.record(Note("alert.closed", tenant, ACTOR, {"alert": name}, automation))
    return True


def named(conn: Connection, tenant: str, suffix: str) -> set[str]:
    """Return the automations that have an open trouble whose name ends so."""
    table = schema_reviews.alerts
    mine = select(table.c.automation).where(table.c.tenant == tenant, table.c.over_us.is_(None))
    return set(conn.execute(mine.where(table.c.name.endswith(suffix, autoescape=True))).scalars())


def tell(tx: Write, tenant: str, channels: Sequence[str], body: Mapping[str, Any]) -> None:
    """Leave a message for each channel."""
    for channel in channels:
        row = {"message_id": tx.new_id("msg"), "tenant": tenant, "channel": channel, "tries": 0}
        row |= {"body": json.dumps(dict(body), sort_keys=True).encode(), "created_us": tx.now_us, "next_us": tx.now_us}
        tx.execute(schema_reviews.messages.insert().values(row))
    if channels:
        tx.record(Note("alert.told", tenant, ACTOR, {"about": str(body.get("about")), "channels": len(channels)}))


def due(database: Database, most: int = 20) -> list[Message]:
    """Return the messages that are to be sent now, the longest due first."""
    table = schema_reviews.messages
    mine = select(table).where(table.c.next_us <= database.clock_us()).order_by(table.c.next_us).limit(most)
    with database.read() as conn:
        rows = conn.execute(mine).mappings().all()
    return [Message(r["message_id"], r["tenant"], r["channel"], json.loads(r["body"]), r["tries"]) for r in rows]


def note(database: Database, message: Message, status: str, *, sent: bool) -> None:
    """Write down how a try went; after the last one the message is given up."""
    table = schema_reviews.messages
    over = sent or message.tries >= len(WAITS_S)
    with database.write() as tx:
        next_us = None if over else tx.now_us + WAITS_S[message.tries] * 1_000_000
        values = {"tries": message.tries + 1, "last_status": status, "next_us": next_us}
        values["sent_us"] = tx.now_us if sent else None
        tx.execute(update(table).where(table.c.message_id == message.message_id).values(values))
        if over:
            body = {"message_id": message.message_id, "status": status, "sent": sent}
            tx.record(Note("alert.sent", message.tenant, ACTOR, body))
