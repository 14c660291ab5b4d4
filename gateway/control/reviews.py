"""Reviews in the control database: opened once, decided once, each change an event in the same transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from sqlalchemy import BigInteger, ColumnElement, Connection, RowMapping, and_, case, cast, delete, not_, select, update

from gateway.control import schema_reviews, sealed
from gateway.control.database import Database, Note, Write
from gateway.control.errors import Conflict, InvalidInput, NotAllowed, NotFound
from gateway.control.identity.keys import owners
from gateway.control.identity.roles import Identity, require, roles_of
from gateway.control.identity.users import user_with
from gateway.control.legal_holds import kept
from metrics.proof.retention import LegalHold

OPEN: Final = "open"
CONTENT, OUTPUT, NOTE = "review", "review.output", "review.note"
Verdict = Literal["approved", "edited", "rejected"]
_DAY_US: Final = 24 * 3600 * 1_000_000
LATE_US: Final = 7 * _DAY_US  # an outcome that comes later restates a week that was reviewed
KEEPER: Final = "keeper"
_NO_REVIEWER: Final = "A review goes to a reviewer of this tenant (id or e-mail address), to `me`, or to null for all."


@dataclass(frozen=True, slots=True)
class Review:
    """One review: who asked, what was judged how, by when it is to be decided, and what became of it."""

    review_id: str
    tenant: str
    kind: str
    queue: str
    automation: str | None
    call_id: str
    run: str | None
    step: str | None
    key_id: str
    endpoint: str
    policy: str
    rule: str
    score: float | None
    risk: float
    self_approval: bool
    at_deadline: str
    deadline_us: int
    keep_days: int
    opened_us: int = 0
    state: str = OPEN
    output: str = "none"
    url_env: str | None = None
    secret_env: str | None = None
    subject_ref: str | None = None
    assignee: str | None = None
    decided_us: int | None = None
    decided_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer decided; `reason` is a word, sealed texts come apart: the edit, and a comment."""

    state: Verdict
    reason: str | None = None
    edit: bytes | None = None
    comment: bytes | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which reviews to list; None: any."""

    state: str | None = OPEN
    kind: str | None = None
    queue: str | None = None
    automation: str | None = None
    assignee: str | None = None
    limit: int = 100


def open_review(database: Database, review: Review, content: bytes) -> None:
    """Store a review with its sealed texts; both are durable, or neither."""
    with database.write() as tx:
        row = {field.name: getattr(review, field.name) for field in fields(Review)} | {"opened_us": tx.now_us}
        tx.execute(schema_reviews.reviews.insert().values(row))
        _keep(tx, review, CONTENT, review.review_id, content)
        body: dict[str, Any] = {"review_id": review.review_id, "call_id": review.call_id, "review_kind": review.kind}
        body |= {"queue": review.queue, "rule": review.rule, "deadline_us": review.deadline_us}
        tx.record(Note("review.opened", review.tenant, review.key_id, body, review.automation, review.subject_ref))


def find(conn: Connection, tenant: str, review_id: str) -> Review:
    """Return one review of a tenant.

    Raises:
        NotFound: there is none with this id.
    """
    table = schema_reviews.reviews
    row = conn.execute(select(table).where(table.c.review_id == review_id, table.c.tenant == tenant)).mappings().first()
    if row is None:
        raise NotFound("There is no such review.")
    return _review(row)


def listed(database: Database, tenant: str, wanted: Filter) -> list[Review]:
    """List reviews: open ones first, by deadline, then by risk; decided ones after them, the latest first."""
    table = schema_reviews.reviews
    given = {name: getattr(wanted, name) for name in ("state", "kind", "queue", "automation", "assignee")}
    is_so: list[ColumnElement[bool]] = [table.c[name] == value for name, value in given.items() if value is not None]
    found = select(table).where(table.c.tenant == tenant, *is_so)
    waits = table.c.state == OPEN
    turn = case((waits, table.c.deadline_us), else_=-table.c.decided_us)
    urgent = found.order_by(waits.desc(), turn, table.c.risk.desc(), table.c.review_id).limit(wanted.limit)
    with database.read() as conn:
        return [_review(row) for row in conn.execute(urgent).mappings()]


def decide(database: Database, by: Identity, review_id: str, decision: Decision) -> Review:
    """Decide an open review; of two who try at once, one does.

    Raises:
        NotAllowed: `by` is no reviewer, or asked for this output and may not approve it.
        Conflict: it was decided before, or its deadline has passed.
        NotFound: there is no such review.
    """
    require(by, by.tenant, "reviewer")
    output = {"approved": "answer", "edited": "edit", "rejected": "none"}[decision.state]
    if decision.state == "edited" and decision.edit is None:
        raise InvalidInput("text", "An edit needs its text.")
    with database.write() as tx:
        review = find(tx.conn, by.tenant, review_id)
        _refuse_own(tx.conn, by, review, decision)
        _close(tx, review, {"state": decision.state, "output": output, "reason": decision.reason}, by.holder)
        if decision.edit is not None:
            _keep(tx, review, OUTPUT, review_id, decision.edit)
        if decision.comment is not None:
            _keep(tx, review, NOTE, f"{review_id}.{tx.now_us}", decision.comment)
        _outcomes(tx, review, decision, by.holder)
        return find(tx.conn, by.tenant, review_id)


def expire(database: Database, limit: int = 100) -> int:
    """Do with reviews whose deadline has passed what their policy says; return how many."""
    table = schema_reviews.reviews
    late = select(table).where(table.c.state == OPEN, table.c.deadline_us <= database.clock_us())
    with database.read() as conn:
        found = [_review(row) for row in conn.execute(late.order_by(table.c.deadline_us).limit(limit)).mappings()]
    return sum(_expired(database, review) for review in found)


def assign(database: Database, by: Identity, review_id: str, to: str | None) -> Review:
    """Give an open review to a reviewer, by id or e-mail address, or back to all.

    Raises:
        NotAllowed, NotFound, Conflict: as `decide`.
        InvalidInput: `to` is no reviewer of the tenant.
    """
    require(by, by.tenant, "reviewer")
    table = schema_reviews.reviews
    with database.write() as tx:
        if to is not None and "@" in to:
            to = user_with(tx.conn, by.tenant, to) or ""
        if to not in (None, by.holder) and "reviewer" not in roles_of(tx.conn, by.tenant, to):
            raise InvalidInput("to", _NO_REVIEWER)
        review = find(tx.conn, by.tenant, review_id)
        mine = update(table).where(table.c.review_id == review_id, table.c.state == OPEN).values(assignee=to)
        if tx.execute(mine).rowcount != 1:
            raise _decided(review)
        _record(tx, "review.assigned", review, by.holder, {"to": to})
        return find(tx.conn, by.tenant, review_id)


def comment(database: Database, by: Identity, review_id: str, text: bytes) -> None:
    """Add a sealed comment.

    Raises:
        NotAllowed, NotFound: as `decide`.
    """
    require(by, by.tenant, "reviewer")
    with database.write() as tx:
        review = find(tx.conn, by.tenant, review_id)
        _keep(tx, review, NOTE, f"{review_id}.{tx.now_us}", text)
        _record(tx, "review.commented", review, by.holder, {})


def reveal(database: Database, by: Identity, review_id: str) -> Review:
    """Note that somebody sees the originals behind placeholders; only auditors and admins may.

    Raises:
        NotAllowed, NotFound: as `decide`.
    """
    require(by, by.tenant, "auditor", "admin")
    with database.write() as tx:
        review = find(tx.conn, by.tenant, review_id)
        _record(tx, "review.revealed", review, by.holder, {})
    return review


def decided(conn: Connection, ids: frozenset[str]) -> frozenset[str]:
    """Return which of these reviews are no longer open."""
    table = schema_reviews.reviews
    done = select(table.c.review_id).where(table.c.review_id.in_(sorted(ids)), table.c.state != OPEN)
    return frozenset(conn.execute(done).scalars())


def withheld(review: Review) -> tuple[str, str]:
    """Give the code and the sentence of a decided review whose caller gets nothing."""
    if review.state == "rejected":
        return "rejected_by_reviewer", f"A reviewer did not release this answer ({review.review_id})."
    said = f"Nobody looked at this answer before its deadline ({review.review_id}), so it is withheld"
    if review.state == "expired":
        return "review_expired", f"{said}; its fallback cannot be used." if review.output == "fallback" else f"{said}."
    return "review_erased", f"This answer was released ({review.review_id}), but its texts were erased meanwhile."


def sweep(tx: Write, holds: Sequence[LegalHold] = ()) -> int:
    """Forget decided reviews whose texts are gone, and their deliveries; return how many."""
    table, told = schema_reviews.reviews, schema_reviews.deliveries
    over = table.c.decided_us + cast(table.c.keep_days, BigInteger) * _DAY_US < tx.now_us
    over = and_(table.c.state != OPEN, over, not_(kept(table, "opened_us", holds)))
    gone = select(table.c.review_id).where(over)
    tx.execute(delete(told).where(told.c.review_id.in_(gone)))
    return tx.execute(delete(table).where(over)).rowcount


def _close(tx: Write, review: Review, values: Mapping[str, Any], by: str) -> None:
    """Decide a review that is open and not late; whoever comes second gets a conflict."""
    table = schema_reviews.reviews
    version = tx.bump()  # those who wait for the decision look when the counter moves
    in_time = table.c.deadline_us > tx.now_us if by != KEEPER else table.c.deadline_us <= tx.now_us
    once = update(table).where(table.c.review_id == review.review_id, table.c.state == OPEN, in_time)
    if tx.execute(once.values(**values, decided_us=tx.now_us, decided_by=by)).rowcount != 1:
        raise _decided(review)
    said = {name: value for name, value in values.items() if name != "reason" or value is not None}
    _record(tx, "review.decided", review, by, {**said, "changes": version})
    if review.url_env is not None and review.kind == "hold":
        row = {"delivery_id": tx.new_id("msg"), "review_id": review.review_id, "tries": 0}
        tx.execute(schema_reviews.deliveries.insert().values(row | {"created_us": tx.now_us, "next_us": tx.now_us}))


def _expired(database: Database, review: Review) -> bool:
    output = {"release": "answer", "fallback": "fallback"}.get(review.at_deadline, "none")
    try:
        with database.write() as tx:
            _close(tx, review, {"state": "expired", "output": output}, KEEPER)
    except Conflict:  # somebody decided it meanwhile
        return False
    return True


def _outcomes(tx: Write, review: Review, decision: Decision, by: str) -> None:
    """Say what the person thought of the output: it was good, or it was overridden."""
    good = decision.state == "approved"
    known = {"call_id": review.call_id, "review_id": review.review_id, "value_kind": "boolean", "source": "human"}
    for metric, value in (("success", good), ("override", not good)):
        body = known | {"metric": metric, "value": value, "corrected": decision.edit is not None, "comment": False}
        body |= {"late": True} if tx.now_us - review.opened_us > LATE_US else {}
        tx.record(Note("outcome", review.tenant, by, body, review.automation, review.subject_ref))


def _refuse_own(conn: Connection, by: Identity, review: Review, decision: Decision) -> None:
    if review.self_approval or decision.state == "rejected":
        return
    if by.holder in owners(conn, review.key_id):
        raise NotAllowed("This output was made for a key of your own; somebody else has to approve it.")


def _decided(review: Review) -> Conflict:
    return Conflict(f"The review {review.review_id} was decided already, or its deadline has passed.")


def _record(tx: Write, kind: str, review: Review, by: str, body: Mapping[str, Any]) -> None:
    known = {"review_id": review.review_id, "call_id": review.call_id, **body}
    tx.record(Note(kind, review.tenant, by, known, review.automation, review.subject_ref))


def _keep(tx: Write, review: Review, kind: str, name: str, ciphertext: bytes) -> None:
    until_us = tx.now_us + review.keep_days * _DAY_US
    item = sealed.SealedItem(kind, name, ciphertext, review.subject_ref, until_us, review.automation)
    sealed.replace(tx, review.tenant, item)


def _review(row: RowMapping) -> Review:
    return Review(**{field.name: row[field.name] for field in fields(Review)})
