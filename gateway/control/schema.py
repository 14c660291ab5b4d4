"""The tables of the control database. Times are UTC microseconds (`_us`); secrets are SHA-256 digests, never values."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA: Final = MetaData()
# SQLite numbers rows by itself only for INTEGER primary keys; its INTEGER holds 64 bits.
_SERIAL: Final = BigInteger().with_variant(Integer(), "sqlite")


def tenant_column(*, primary_key: bool = False) -> Column[str]:
    """Give the column that ties a row to its tenant."""
    return Column("tenant", String, ForeignKey("tenants.tenant"), nullable=False, primary_key=primary_key)


schema_version: Final = Table(
    "schema_version",
    METADATA,
    Column("name", String, primary_key=True),
    Column("applied_us", BigInteger, nullable=False),
)

# One row. Its lock orders all announcing writers, so numbers become visible in order.
changes: Final = Table(
    "changes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),
)

# A random stamp for each number: a reader whose stamp is not here looks at another history, such as an older copy.
change_log: Final = Table(
    "change_log",
    METADATA,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("stamp", String, nullable=False),
)

tenants: Final = Table(
    "tenants",
    METADATA,
    Column("tenant", String, primary_key=True),
    Column("created_us", BigInteger, nullable=False),
)

users: Final = Table(
    "users",
    METADATA,
    Column("user_id", String, primary_key=True),
    tenant_column(),
    Column("email", String, nullable=False, unique=True),
    Column("password_hash", String),
    Column("created_us", BigInteger, nullable=False),
    Column("disabled_us", BigInteger),
)

service_principals: Final = Table(
    "service_principals",
    METADATA,
    Column("principal_id", String, primary_key=True),
    tenant_column(),
    Column("name", String, nullable=False),
    # What its keys may be bound to; null means anything in the tenant.
    Column("team", String),
    Column("automation", String),
    Column("environment", String),
    Column("data_class", String),
    Column("created_by", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("disabled_us", BigInteger),
    Index("service_principals_name", "tenant", "name", unique=True),
)

# `holder` is a user's or a service principal's id.
roles: Final = Table(
    "roles",
    METADATA,
    tenant_column(),
    Column("holder", String, primary_key=True),
    Column("role", String, primary_key=True),
    Column("granted_by", String, nullable=False),
    Column("granted_us", BigInteger, nullable=False),
)

sessions: Final = Table(
    "sessions",
    METADATA,
    Column("session_hash", LargeBinary, primary_key=True),
    Column("session_id", String, nullable=False, unique=True),
    tenant_column(),
    Column("holder", String, nullable=False, index=True),
    Column("source", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False, index=True),
    Column("revoked_us", BigInteger),
)

login_links: Final = Table(
    "login_links",
    METADATA,
    Column("token_hash", LargeBinary, primary_key=True),
    tenant_column(),
    Column("user_id", String, ForeignKey("users.user_id"), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False, index=True),
    Column("used_us", BigInteger),
)

# `bucket` is the digest of an account or of a client address.
login_attempts: Final = Table(
    "login_attempts",
    METADATA,
    Column("bucket", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("window_until_us", BigInteger, nullable=False, index=True),
)

api_keys: Final = Table(
    "api_keys",
    METADATA,
    Column("key_id", String, primary_key=True),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("hint", String, nullable=False),
    Column("name", String, nullable=False),
    tenant_column(),
    Column("team", String),
    Column("automation", String, nullable=False),
    Column("environment", String),
    Column("data_class", String),
    Column("created_by", String, nullable=False),
    Column("owner", String),  # whose key it is, where that is not who made it
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_by", String),
    Column("revoked_us", BigInteger),
    # Since when it waits, after a restore, for somebody to say that it was not revoked meanwhile.
    Column("unconfirmed_us", BigInteger),
    # The value of the `changes` counter at the last write of this row: workers read only what moved.
    Column("changed", BigInteger, nullable=False, index=True),
)

policy_snapshots: Final = Table(
    "policy_snapshots",
    METADATA,
    Column("sha256", String, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

# Append-only: the highest generation is in force, the others are its history.
active_policy: Final = Table(
    "active_policy",
    METADATA,
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("sha256", String, ForeignKey("policy_snapshots.sha256"), nullable=False),
    Column("git_commit", String),
    Column("dirty", Boolean, nullable=False),
    Column("activated_by", String, nullable=False),
    Column("activated_us", BigInteger, nullable=False),
)

# One row: what is wrong with the policy folder as it is now, as JSON; an empty list when nothing is.
policy_problems: Final = Table(
    "policy_problems",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("found_us", BigInteger, nullable=False),
    Column("problems", Text, nullable=False),
)

outbox: Final = Table(
    "outbox",
    METADATA,
    Column("seq", _SERIAL, primary_key=True, autoincrement=True),
    Column("event_id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("schema", Integer, nullable=False),
    Column("ts_us", BigInteger, nullable=False),
    Column("tenant", String, nullable=False),
    Column("automation", String),
    Column("run", String),
    Column("step", String),
    Column("actor", String),
    Column("subject_ref", String),
    Column("body", Text, nullable=False),
    Column("relayed_us", BigInteger, index=True),
)

sealed: Final = Table(
    "sealed",
    METADATA,
    tenant_column(primary_key=True),
    Column("kind", String, primary_key=True),
    Column("item_id", String, primary_key=True),
    Column("subject_ref", String),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, index=True),
    Column("automation", String),
    Index("sealed_subject", "tenant", "subject_ref"),
)

# What may be used up: money, tokens, calls, places for calls under way. `taken` is all that was ever leased to workers
# less what they gave back, so it never passes the ceiling; `spent` is what they say calls used; `granted` is the last
# lease, `cap` the ceiling that it asked under. `alerted` in thousandths.
allowances: Final = Table(
    "allowances",
    METADATA,
    Column("tenant", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("period_us", BigInteger, primary_key=True, autoincrement=False),
    Column("until_us", BigInteger, nullable=False, index=True),
    Column("taken", BigInteger, nullable=False),
    Column("granted", BigInteger, nullable=False),
    Column("alerted", Integer, nullable=False),
    Column("spent", BigInteger, nullable=False, server_default="0"),
    Column("cap", BigInteger, nullable=False, server_default="0"),
)

# What each living worker holds of an allowance; a dead worker's row counts as spent until it is reconciled.
allowance_leases: Final = Table(
    "allowance_leases",
    METADATA,
    Column("holder", String, primary_key=True),
    Column("tenant", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("period_us", BigInteger, primary_key=True, autoincrement=False),
    Column("taken", BigInteger, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False, index=True),
    Column("spent", BigInteger, nullable=False, server_default="0"),
)

# What the keeper learned from the ledger, as JSON: shares of split arms that grow by themselves, and what became of
# candidates' answers. Workers follow it.
learned: Final = Table(
    "learned",
    METADATA,
    Column("tenant", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
    Column("decided_us", BigInteger, nullable=False),
)

leases: Final = Table(
    "leases",
    METADATA,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
)

# Certificates that no longer hold. The control database can only withdraw; a new certificate is a new file.
certificate_withdrawals: Final = Table(
    "certificate_withdrawals",
    METADATA,
    Column("certificate", String, primary_key=True),
    tenant_column(),
    Column("reason", String, nullable=False),
    Column("withdrawn_by", String, nullable=False),
    Column("withdrawn_us", BigInteger, nullable=False),
)
