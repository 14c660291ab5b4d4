"""News of decided reviews on their way to webhooks: written with the decision, tried until delivered or given up."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update

from gateway.control import schema_reviews
from gateway.control.database import Database, Note
from gateway.control.errors import NotFound
from gateway.control.identity.roles import Identity, require
from gateway.control.reviews import Review, find


@dataclass(frozen=True, slots=True)
class Delivery:
    """One piece of news; its id is what a receiver knows it again by."""

    delivery_id: str
    tries: int
    review: Review


def due(database: Database, most: int) -> list[Delivery]:
    """Return what is to be tried now, the longest due first."""
    table, reviews = schema_reviews.deliveries, schema_reviews.reviews
    mine = select(table, reviews.c.tenant).join(reviews).where(table.c.next_us <= database.clock_us())
    with database.read() as conn:
        rows = conn.execute(mine.order_by(table.c.next_us).limit(most)).mappings().all()
        return [Delivery(r["delivery_id"], r["tries"], find(conn, r["tenant"], r["review_id"])) for r in rows]


def note(database: Database, delivery: Delivery, status: str, wait_s: int | None, *, delivered: bool) -> None:
    """Write down how a try went, and when the next one is; None: there is none."""
    table, review = schema_reviews.deliveries, delivery.review
    with database.write() as tx:
        values: dict[str, Any] = {"tries": delivery.tries + 1, "last_status": status}
        values["next_us"] = None if wait_s is None else tx.now_us + wait_s * 1_000_000
        values["delivered_us"] = tx.now_us if delivered else None
        tx.execute(update(table).where(table.c.delivery_id == delivery.delivery_id).values(values))
        if wait_s is None:
            body = {"review_id": review.review_id, "call_id": review.call_id, "delivered": delivered, "status": status}
            tx.record(Note("review.webhook", review.tenant, "keeper", body, review.automation, review.subject_ref))


def redeliver(database: Database, by: Identity, review_id: str) -> None:
    """Tell a review's webhook once more.

    Raises:
        NotAllowed: `by` is no reviewer or admin.
        NotFound: the review has no webhook, or is not decided.
    """
    require(by, by.tenant, "reviewer", "admin")
    table = schema_reviews.deliveries
    with database.write() as tx:
        review = find(tx.conn, by.tenant, review_id)
        again = update(table).where(table.c.review_id == review_id).values(next_us=tx.now_us, tries=0)
        if tx.execute(again).rowcount == 0:
            raise NotFound("This review has no webhook to tell, or is not decided.")
        body = {"review_id": review_id, "call_id": review.call_id}
        tx.record(Note("review.redelivered", by.tenant, by.holder, body, review.automation))
