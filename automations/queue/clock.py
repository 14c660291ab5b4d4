"""The time that workers of several machines share: their database's, so that no skewed clock takes leases away."""

import time
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text

from automations.queue.database import QueueDatabase

_LOOK_S: Final = 10.0
_NOW: Final = text("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)")


@dataclass(slots=True)
class QueueClock:
    """UTC microseconds: on PostgreSQL the server's, asked for now and then and counted on from; else the machine's."""

    database: QueueDatabase
    _seen: tuple[float, int] | None = field(default=None, init=False)

    def __call__(self) -> int:
        """Return the time."""
        if not self.database.is_postgresql:
            return time.time_ns() // 1000
        now_s, seen = time.monotonic(), self._seen
        if seen is None or now_s - seen[0] > _LOOK_S:
            with self.database.read() as conn:
                self._seen = seen = time.monotonic(), int(conn.execute(_NOW).scalar_one())
        return seen[1] + int((time.monotonic() - seen[0]) * 1e6)
