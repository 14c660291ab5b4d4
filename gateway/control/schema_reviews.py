"""The tables of reviews, of their webhooks and of stopped automations."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table

from gateway.control.schema import METADATA, tenant_column

# What people look at: held outputs, and audits of outputs that were shown. Their texts are sealed items of the same id.
# `output` says what the caller gets once it is decided: the answer, the edit, the fallback, or nothing.
reviews: Final = Table(
    "reviews",
    METADATA,
    Column("review_id", String, primary_key=True),
    tenant_column(),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("output", String, nullable=False),
    Column("queue", String, nullable=False),
    Column("automation", String),
    Column("call_id", String, nullable=False, index=True),
    Column("run", String),
    Column("step", String),
    Column("key_id", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("policy", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("score", Float),
    Column("risk", Float, nullable=False),
    Column("self_approval", Boolean, nullable=False),
    Column("at_deadline", String, nullable=False),
    Column("url_env", String),
    Column("secret_env", String),
    Column("subject_ref", String),
    Column("keep_days", Integer, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("deadline_us", BigInteger, nullable=False),
    Column("assignee", String),
    Column("decided_us", BigInteger),
    Column("decided_by", String),
    Column("reason", String),
    Index("reviews_waiting", "state", "deadline_us"),
)

# News of a review on their way to the caller's webhook; `next_us` null: delivered, or given up.
deliveries: Final = Table(
    "deliveries",
    METADATA,
    Column("delivery_id", String, primary_key=True),
    Column("review_id", String, ForeignKey("reviews.review_id"), nullable=False, index=True),
    Column("tries", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("next_us", BigInteger, index=True),
    Column("delivered_us", BigInteger),
    Column("last_status", String),
)

# Automations that are stopped: what they say is held, whatever their policy says.
stops: Final = Table(
    "stops",
    METADATA,
    tenant_column(primary_key=True),
    Column("automation", String, primary_key=True),
    Column("stopped_by", String, nullable=False),
    Column("stopped_us", BigInteger, nullable=False),
)

# Weekly reviews: somebody asks for one, the keeper fills in its bytes, nobody changes them any more.
weekly_reviews: Final = Table(
    "weekly_reviews",
    METADATA,
    tenant_column(primary_key=True),
    Column("week", String, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("wanted_by", String, nullable=False),
    Column("wanted_us", BigInteger, nullable=False),
    Column("seq", BigInteger),
    Column("sha256", String),
    Column("content", LargeBinary),
    Column("built_us", BigInteger),
)

# Actions and decisions of weekly reviews; their texts are sealed items of the same id.
agenda_items: Final = Table(
    "agenda_items",
    METADATA,
    Column("item_id", String, primary_key=True),
    tenant_column(),
    Column("week", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("automation", String),
    Column("measure", String),
    Column("due", String),
    Column("created_by", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("closed_by", String),
    Column("closed_us", BigInteger),
    Index("agenda_items_week", "tenant", "week"),
)

# What was told to people: one row for each trouble, so that it is told once and once more when it is over.
alerts: Final = Table(
    "alerts",
    METADATA,
    tenant_column(primary_key=True),
    Column("name", String, primary_key=True),
    Column("automation", String),
    Column("body", String, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("over_us", BigInteger),
)

# Messages to people on their way to a channel; `next_us` null: sent, or given up.
messages: Final = Table(
    "messages",
    METADATA,
    Column("message_id", String, primary_key=True),
    tenant_column(),
    Column("channel", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("next_us", BigInteger, index=True),
    Column("sent_us", BigInteger),
    Column("last_status", String),
)
