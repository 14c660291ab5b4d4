"""The tables of erasures and legal holds: random ids, names and times, never a subject's id or value."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from gateway.control.schema import METADATA, tenant_column

# `target` and `acks` are JSON; a store that has an ack is done.
erasures: Final = Table(
    "erasures",
    METADATA,
    Column("erasure_id", String, primary_key=True),
    tenant_column(),
    Column("state", String, nullable=False),
    Column("target", Text, nullable=False),
    Column("basis", String, nullable=False),
    Column("reference", String),
    Column("requested_by", String, nullable=False),
    Column("requested_us", BigInteger, nullable=False),
    Column("acks", Text, nullable=False),
    Column("done_us", BigInteger),
    Index("erasures_state", "state"),
)

# What is kept whatever its retention says: all records of a subject, of an automation, or of a range of time; what is
# null does not limit it.
legal_holds: Final = Table(
    "legal_holds",
    METADATA,
    Column("hold_id", String, primary_key=True),
    tenant_column(),
    Column("subject_ref", String),
    Column("automation", String),
    Column("since_us", BigInteger),
    Column("until_us", BigInteger),
    Column("reference", String, nullable=False),
    Column("set_by", String, nullable=False),
    Column("set_us", BigInteger, nullable=False),
    Column("lifted_by", String),
    Column("lifted_us", BigInteger),
)

# One row a day; `outcome` is JSON. Not done: tried again.
retention_runs: Final = Table(
    "retention_runs",
    METADATA,
    Column("day", String, primary_key=True),
    Column("started_us", BigInteger, nullable=False),
    Column("done_us", BigInteger),
    Column("outcome", Text, nullable=False),
)
