"""The tables of the queue. Times are UTC microseconds; what people wrote stands in `*_sealed` columns only."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

METADATA: Final = MetaData()
_SERIAL: Final = BigInteger().with_variant(Integer(), "sqlite")

# One row for each run: at once the job, its durable progress and, in the state `dead`, the dead letter. `token` grows
# with each claim; whoever writes with an older one has lost the run. `wrapped` is the run's key as the gateway gave it.
runs: Final = Table(
    "flow_runs",
    METADATA,
    Column("run_id", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("automation", String, nullable=False),
    Column("dedup", String, nullable=False),  # digest of the business key
    Column("state", String, nullable=False),
    Column("step", Integer, nullable=False),
    Column("step_name", String),
    Column("attempts", Integer, nullable=False),  # tries of this step that count
    Column("waits", Integer, nullable=False),  # tries of this step that do not
    Column("losses", Integer, nullable=False),  # workers that ended during this step
    Column("retries", Integer, nullable=False),  # of all steps
    Column("due_us", BigInteger, nullable=False),
    Column("deadline_us", BigInteger, nullable=False),
    Column("owner", String),
    Column("lease_us", BigInteger),
    Column("token", BigInteger, nullable=False),
    Column("cancel", Integer, nullable=False),
    Column("cause", String),
    Column("layer", String),
    Column("wrapped", Text, nullable=False),
    Column("input_sealed", LargeBinary),
    Column("progress_sealed", LargeBinary),
    Column("detail_sealed", LargeBinary),
    Column("created_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("expires_us", BigInteger, nullable=False),
    Index("flow_runs_dedup", "tenant", "automation", "dedup", unique=True),
    Index("flow_runs_due", "automation", "state", "due_us"),
    Index("flow_runs_owner", "owner"),
    Index("flow_runs_listed", "tenant", "created_us"),
)

# One row for each effect on the outside, by the digest of its business key: the intent is written before the effect.
actions: Final = Table(
    "flow_actions",
    METADATA,
    Column("action_key", String, primary_key=True),
    Column("tenant", String, nullable=False),
    Column("automation", String, nullable=False),
    Column("name", String, nullable=False),
    Column("run_id", String, nullable=False, index=True),
    Column("state", String, nullable=False),  # held, approved, intent, done, unknown, repeat
    Column("decided_by", String),
    Column("created_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("began_us", BigInteger),
    Index("flow_actions_pace", "tenant", "automation", "name", "began_us"),
)

# Events on their way to the gateway: written with what they tell of, deleted once the gateway has accepted them.
outbox: Final = Table(
    "flow_outbox",
    METADATA,
    Column("seq", _SERIAL, primary_key=True, autoincrement=True),
    Column("event_id", String, nullable=False, unique=True),
    Column("automation", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("step", String),
    Column("kind", String, nullable=False),
    Column("ts_us", BigInteger, nullable=False),
    Column("words", Text, nullable=False),  # JSON: closed words and numbers
    Column("texts_sealed", LargeBinary),  # JSON under the run's key
    Column("due_us", BigInteger, nullable=False, index=True),
    Column("refused", String),  # why the gateway does not take it; kept for a person
)

# One row for each automation: its lock orders claims, so that concurrency and pace hold over all workers.
lanes: Final = Table(
    "flow_lanes",
    METADATA,
    Column("tenant", String, primary_key=True),
    Column("automation", String, primary_key=True),
    Column("window_us", BigInteger, nullable=False),
    Column("started", Integer, nullable=False),
    Column("paused_us", BigInteger, nullable=False, server_default="0"),  # nothing is claimed before
)

# When the next request to an API with a pace may leave, by a digest of its name and address.
paces: Final = Table(
    "flow_paces",
    METADATA,
    Column("name", String, primary_key=True),
    Column("free_us", BigInteger, nullable=False),
)

# Who polls a source now.
turns: Final = Table(
    "flow_turns",
    METADATA,
    Column("name", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    Column("trouble", String),  # why the last poll gave nothing, in a sentence that names nobody
)
