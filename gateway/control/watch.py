"""How a worker learns what changed: one query for one number, four times a second."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.control.database import Database, current_version
from gateway.control.errors import ControlUnavailable

INTERVAL_S: Final = 0.25
_log = logging.getLogger("gateway.control")


class Watched(Protocol):
    """Something in memory that follows the control database."""

    def reload(self, conn: Connection, version: int) -> None:
        """Read what moved up to `version`; called in a thread, swaps in the result as one assignment."""


class ChangeWatch:
    """Keeps what it watches up to date; while the database is away, everything stays as it was last seen."""

    def __init__(self, database: Database, watched: Sequence[Watched], interval_s: float = INTERVAL_S) -> None:
        self._database = database
        self._watched = tuple(watched)
        self._interval_s = interval_s
        self._version = -1
        self._stale_since: datetime | None = None

    @property
    def version(self) -> int:
        """The `changes` counter as last seen; -1 before the first look."""
        return self._version

    @property
    def stale_since(self) -> datetime | None:
        """Since when the database could not be followed; None while it can."""
        return self._stale_since

    @property
    def ready(self) -> bool:
        """Whether everything was read at least once."""
        return self._version >= 0

    def check(self) -> bool:
        """Look once; tell whether the database could be followed."""
        try:
            followed = self._look()
        except (ControlUnavailable, SQLAlchemyError):
            followed = False
        self._mark(followed)
        return followed

    async def run(self) -> None:
        """Look for ever, in a thread of its own: no other slow work can delay a revocation."""
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, thread_name_prefix="changes")
        try:
            while True:
                await loop.run_in_executor(thread, self.check)
                await asyncio.sleep(self._interval_s)
        finally:
            thread.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> bool:
        with self._database.read() as conn:
            version = current_version(conn)
            if version > self._version:
                done = [self._reload(watched, conn, version) for watched in self._watched]
                self._version = version if all(done) else self._version
        # An older number is an older copy of the database: what was revoked since would come back to life.
        return version == self._version

    def _reload(self, watched: Watched, conn: Connection, version: int) -> bool:
        try:
            watched.reload(conn, version)
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 - what one cannot read must not keep revocations from another
            if self._stale_since is None:
                # Only its type: the text may quote what could not be read.
                _log.error("%s cannot be followed: %s", type(watched).__name__, type(error).__name__)
            return False
        return True

    def _mark(self, followed: bool) -> None:
        if followed:
            self._stale_since = None
        elif self._stale_since is None:
            self._stale_since = datetime.fromtimestamp(self._database.clock_us() / 1_000_000, UTC)
