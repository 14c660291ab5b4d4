"""Events on their way to the gateway: kept until it has accepted them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import delete, func, select, update

from automations.queue.schema import outbox, runs
from automations.queue.store import Store


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits, and what opens its texts."""

    seq: int
    event_id: str
    automation: str
    run_id: str
    step: str | None
    kind: str
    ts_us: int
    words: Mapping[str, Any]
    texts_sealed: bytes | None
    wrapped: str | None


@dataclass(frozen=True, slots=True)
class Outbox:
    """The desk of events; each method is one transaction."""

    store: Store

    def take(self, most: int, lease_s: float) -> list[Waiting]:
        """Take the events that wait longest; who does not accept or refuse them in time sees them again."""
        now_us = self.store.clock_us()
        due = select(outbox.c.seq).where(outbox.c.due_us <= now_us, outbox.c.refused.is_(None))
        with self.store.database.write() as conn:
            mine = due.order_by(outbox.c.seq).limit(most).with_for_update(skip_locked=True)
            numbers = list(conn.execute(mine).scalars())
            if not numbers:
                return []
            later = now_us + int(lease_s * 1e6)
            conn.execute(update(outbox).where(outbox.c.seq.in_(numbers)).values(due_us=later))
            whole = select(outbox, runs.c.wrapped).outerjoin_from(outbox, runs, outbox.c.run_id == runs.c.run_id)
            found = conn.execute(whole.where(outbox.c.seq.in_(numbers)).order_by(outbox.c.seq)).mappings().all()
        names = ("seq", "event_id", "automation", "run_id", "step", "kind", "ts_us", "texts_sealed", "wrapped")
        return [Waiting(**{name: row[name] for name in names}, words=orjson.loads(row["words"])) for row in found]

    def accepted(self, numbers: Sequence[int], refused: Mapping[int, str]) -> None:
        """Forget what the gateway has, and keep what it will never take, with its reason."""
        with self.store.database.write() as conn:
            conn.execute(delete(outbox).where(outbox.c.seq.in_(numbers)))
            for seq, why in refused.items():
                conn.execute(update(outbox).where(outbox.c.seq == seq).values(refused=why[:500]))

    def again(self, numbers: Sequence[int], after_s: float) -> None:
        """Put events back for a while."""
        due_us = self.store.clock_us() + int(after_s * 1e6)
        with self.store.database.write() as conn:
            conn.execute(update(outbox).where(outbox.c.seq.in_(numbers)).values(due_us=due_us))

    def counts(self, tenant: str | None = None) -> tuple[int, int]:
        """Return how many events wait, and how many were refused; of a tenant, or of all."""
        counted = select(func.count(), func.count(outbox.c.refused)).select_from(outbox)
        if tenant is not None:
            counted = counted.join(runs, outbox.c.run_id == runs.c.run_id).where(runs.c.tenant == tenant)
        with self.store.database.read() as conn:
            row = conn.execute(counted).one()
        return int(row[0] - row[1]), int(row[1])
