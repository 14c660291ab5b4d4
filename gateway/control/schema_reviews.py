"""The tables of reviews, of their webhooks and of stopped automations."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table

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
