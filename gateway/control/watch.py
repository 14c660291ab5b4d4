"""How a worker learns what changed: one number, asked for ten times a second."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from typing import Final, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.control.database import Database, Position, continues, position
from gateway.control.errors import ControlUnavailable
from gateway.control.pulse import Pulse

INTERVAL_S: Final = 0.1
EVERYTHING: Final = -1
_log = logging.getLogger("gateway.control")


class Watched(Protocol):
    """Something in memory that follows the control database."""

    def reload(self, conn: Connection, since: int) -> None:
        """Read what moved after the number `since`, or everything anew when it is EVERYTHING.

        Called in a thread; swaps in the result as one assignment.
        """


class ChangeWatch:
    """Keeps what it watches up to date; while the database is away, everything stays as it was last seen."""

    def __init__(self, database: Database, watched: Sequence[Watched], interval_s: float = INTERVAL_S) -> None:
        self._database = database
        self._watched = tuple(watched)
        self._interval_s = interval_s
        self._pulse = Pulse(database)
        self._seen: Position | None = None
        self._stale_since: datetime | None = None

    @property
    def version(self) -> int:
        """The `changes` counter as last seen; -1 before the first look."""
        return EVERYTHING if self._seen is None else self._seen.version

    @property
    def stale_since(self) -> datetime | None:
        """Since when the database could not be followed; None while it can."""
        return self._stale_since

    @property
    def ready(self) -> bool:
        """Whether everything was read at least once."""
        return self._seen is not None

    def check(self) -> bool:
        """Look once; tell whether the database could be followed."""
        try:
            followed = self._look()
        except (ControlUnavailable, SQLAlchemyError):
            followed = False
        self._mark(followed)
        return followed

    async def run(self) -> None:
        """Look for ever, in a thread of its own: no other slow work can delay a revocation, and calls no look.

        Raises whatever nobody thought of: without looking on, this worker would serve revoked keys.
        """
        stop = threading.Event()
        own = ThreadPoolExecutor(1, "changes")
        try:
            await asyncio.get_running_loop().run_in_executor(own, self._follow, stop)
        finally:
            stop.set()
            own.shutdown(wait=False)

    def _follow(self, stop: threading.Event) -> None:
        in_step = False
        with closing(self._pulse):
            while not stop.is_set():
                if self._pulse.beats() or not in_step:
                    in_step = self.check()
                stop.wait(self._interval_s)

    def _look(self) -> bool:
        with self._database.read() as conn:
            now = position(conn)
            if now == self._seen:
                return True
            known = self._seen is not None and continues(conn, self._seen)
            since = self._seen.version if known and self._seen is not None else EVERYTHING
            done = [self._reload(watched, conn, since) for watched in self._watched]
        if all(done):
            self._seen = now
        return all(done)

    def _reload(self, watched: Watched, conn: Connection, since: int) -> bool:
        try:
            watched.reload(conn, since)
        except SQLAlchemyError:
            raise
        except Exception as error:  # noqa: BLE001 - what one cannot read must not keep revocations from another
            if self._stale_since is None:
                # Only its type: the text may quote what could not be read.
                _log.error("%s cannot be followed: %s", type(watched).__name__, type(error).__name__)
            return False
        return True

    def _mark(self, followed: bool) -> None:
        if followed and self._stale_since is not None:
            _log.info("the control database is followed again")
            self._stale_since = None
        elif not followed and self._stale_since is None:
            _log.warning("the control database cannot be followed; keys and policies stay as last seen")
            self._stale_since = datetime.fromtimestamp(self._database.clock_us() / 1_000_000, UTC)
