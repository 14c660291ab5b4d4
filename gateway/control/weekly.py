"""Frozen weekly reviews, and what people decided on them: actions and decisions, carried until they are closed."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from sqlalchemy import Connection, RowMapping, or_, select, update

from gateway.control import schema_reviews, sealed
from gateway.control.database import Database, Note, Write
from gateway.control.errors import Conflict, InvalidInput, NotFound
from gateway.control.identity.names import checked_name
from gateway.control.identity.roles import Identity, Role, require
from policy.automations import Objective

ITEM: Final = "agenda"  # the kind under which the texts of items are sealed
WRITERS: Final[tuple[Role, ...]] = ("reviewer", "policy_owner", "admin")
KINDS: Final = ("action", "decision")
CLOSED: Final = ("done", "dropped")
MEASURES: Final = get_args(Objective)
_WEEK: Final = re.compile(r"\d{4}-W(0[1-9]|[1-4]\d|5[0-3])")
_DAY: Final = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_KEEP_US: Final = 365 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class Frozen:
    """One frozen review; `content` is None while the keeper has not built it."""

    tenant: str
    week: str
    revision: int
    wanted_by: str
    wanted_us: int
    seq: int | None
    sha256: str | None
    content: bytes | None
    built_us: int | None


@dataclass(frozen=True, slots=True)
class Item:
    """An action or a decision; its texts are sealed apart."""

    item_id: str
    tenant: str
    week: str
    kind: str
    state: str
    automation: str | None
    measure: str | None
    due: str | None
    created_by: str
    created_us: int
    closed_by: str | None
    closed_us: int | None


@dataclass(frozen=True, slots=True)
class NewItem:
    """What somebody enters: which week's review it comes from, and the measure it is to move."""

    week: str
    kind: str = "action"
    automation: str | None = None
    measure: str | None = None
    due: str | None = None


def want(database: Database, by: Identity, week: str) -> int:
    """Ask for a week's review to be frozen, once more if it was before; return its revision.

    Raises:
        NotAllowed: `by` may only read.
        InvalidInput: this is no ISO week.
        Conflict: one is being built already.
    """
    require(by, by.tenant, *WRITERS)
    checked_week(week)
    with database.write() as tx:
        return ask_for(tx, by.tenant, week, by.holder)


def ask_for(tx: Write, tenant: str, week: str, holder: str) -> int:
    """Leave a row that the keeper fills."""
    table = schema_reviews.weekly_reviews
    mine = select(table.c.revision, table.c.seq).where(table.c.tenant == tenant, table.c.week == week)
    newest = tx.execute(mine.order_by(table.c.revision.desc()).limit(1)).mappings().first()
    if newest is not None and newest["seq"] is None:
        raise Conflict(f"The review of {week} is being built already.")
    revision = 1 if newest is None else int(newest["revision"]) + 1
    row = {"tenant": tenant, "week": week, "revision": revision, "wanted_by": holder, "wanted_us": tx.now_us}
    tx.execute(table.insert().values(row))
    return revision


def wanted(conn: Connection) -> list[Frozen]:
    """List what is to be built, the oldest wish first."""
    table = schema_reviews.weekly_reviews
    waiting = select(table).where(table.c.content.is_(None)).order_by(table.c.wanted_us)
    return [_frozen(row) for row in conn.execute(waiting).mappings()]


def freeze(tx: Write, asked: Frozen, seq: int, content: bytes) -> str:
    """Store the bytes of a review once, and leave their digest in the record; return it."""
    table = schema_reviews.weekly_reviews
    digest = hashlib.sha256(content).hexdigest()
    here = update(table).where(
        table.c.tenant == asked.tenant,
        table.c.week == asked.week,
        table.c.revision == asked.revision,
        table.c.content.is_(None),
    )
    values = {"seq": seq, "sha256": digest, "content": content, "built_us": tx.now_us}
    if tx.execute(here.values(values)).rowcount == 1:
        body = {"week": asked.week, "revision": asked.revision, "seq": seq, "sha256": digest}
        tx.record(Note("weekly.frozen", asked.tenant, asked.wanted_by, body))
    return digest


def frozen(conn: Connection, tenant: str, week: str, revision: int | None = None) -> Frozen:
    """Return the newest review of a week, or one revision of it.

    Raises:
        NotFound: there is none.
    """
    found = newest(conn, tenant, week, revision)
    if found is None:
        raise NotFound(f"The review of {week} was not frozen yet.")
    return found


def newest(conn: Connection, tenant: str, week: str, revision: int | None = None) -> Frozen | None:
    """Return the newest review of a week, or one revision of it; None when there is none."""
    table = schema_reviews.weekly_reviews
    mine = select(table).where(table.c.tenant == tenant, table.c.week == week)
    if revision is not None:
        mine = mine.where(table.c.revision == revision)
    row = conn.execute(mine.order_by(table.c.revision.desc()).limit(1)).mappings().first()
    return None if row is None else _frozen(row)


def weeks(conn: Connection, tenant: str) -> list[Frozen]:
    """List all reviews of a tenant without their contents, the newest week first."""
    table = schema_reviews.weekly_reviews
    named = [column for column in table.c if column.name != "content"]
    mine = select(*named).where(table.c.tenant == tenant).order_by(table.c.week.desc(), table.c.revision.desc())
    return [_frozen({**row, "content": None}) for row in conn.execute(mine).mappings()]


def add(database: Database, by: Identity, new: NewItem, ciphertext: bytes, item_id: str) -> Item:
    """Enter an action or a decision with its sealed texts.

    Raises:
        NotAllowed: `by` may only read.
        InvalidInput: a field cannot be used.
    """
    require(by, by.tenant, *WRITERS)
    _check(new)
    with database.write() as tx:
        row = {name: getattr(new, name) for name in ("week", "kind", "automation", "measure", "due")}
        row |= {"item_id": item_id, "tenant": by.tenant, "state": "open", "created_by": by.holder}
        row |= {"created_us": tx.now_us}
        tx.execute(schema_reviews.agenda_items.insert().values(row))
        sealed.put(tx, by.tenant, sealed.SealedItem(ITEM, item_id, ciphertext, None, tx.now_us + _KEEP_US))
        body = {"item_id": item_id, "item": new.kind, "week": new.week, "measure": new.measure, "due": new.due}
        tx.record(Note("agenda.opened", by.tenant, by.holder, body, new.automation))
        return find(tx.conn, by.tenant, item_id)


def close(database: Database, by: Identity, item_id: str, state: str) -> Item:
    """Say what became of an item.

    Raises:
        NotAllowed: `by` may only read.
        InvalidInput: `state` is neither done nor dropped.
        NotFound: there is no such item.
        Conflict: it was closed before.
    """
    require(by, by.tenant, *WRITERS)
    if state not in CLOSED:
        raise InvalidInput("state", f"An item becomes {' or '.join(CLOSED)}.")
    table = schema_reviews.agenda_items
    with database.write() as tx:
        item = find(tx.conn, by.tenant, item_id)
        values = {"state": state, "closed_by": by.holder, "closed_us": tx.now_us}
        once = update(table).where(table.c.item_id == item_id, table.c.state == "open").values(values)
        if tx.execute(once).rowcount != 1:
            raise Conflict("This item was closed already.")
        body = {"item_id": item_id, "item": item.kind, "week": item.week, "state": state}
        tx.record(Note("agenda.closed", by.tenant, by.holder, body, item.automation))
        return find(tx.conn, by.tenant, item_id)


def find(conn: Connection, tenant: str, item_id: str) -> Item:
    """Return one item.

    Raises:
        NotFound: there is none with this id.
    """
    table = schema_reviews.agenda_items
    row = conn.execute(select(table).where(table.c.tenant == tenant, table.c.item_id == item_id)).mappings().first()
    if row is None:
        raise NotFound("There is no such action or decision.")
    return Item(**row)


def items(conn: Connection, tenant: str, week: str | None = None) -> list[Item]:
    """List items, the oldest first; of a week: its own, and those carried into it from earlier ones."""
    table = schema_reviews.agenda_items
    mine = select(table).where(table.c.tenant == tenant).order_by(table.c.created_us, table.c.item_id)
    if week is not None:
        carried = (table.c.week < week) & (table.c.state == "open")
        mine = mine.where(or_(table.c.week == week, carried))
    return [Item(**row) for row in conn.execute(mine).mappings()]


def checked_week(week: str) -> str:
    """Return an ISO week such as 2026-W47.

    Raises:
        InvalidInput: it is none.
    """
    if not _WEEK.fullmatch(week):
        raise InvalidInput("week", "A week is written as 2026-W47.")
    return week


def _check(new: NewItem) -> None:
    checked_week(new.week)
    if new.automation is not None:
        checked_name("automation", new.automation)
    for name, value, known in (("kind", new.kind, KINDS), ("measure", new.measure, (None, *MEASURES))):
        if value not in known:
            raise InvalidInput(name, f"It must be one of {', '.join(each for each in known if each)}.")
    if new.due is not None and not _DAY.fullmatch(new.due):
        raise InvalidInput("due", "A date is written as 2026-11-30.")


def _frozen(row: RowMapping | Mapping[str, Any]) -> Frozen:
    return Frozen(**row)
