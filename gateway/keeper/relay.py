"""From the outbox to the journal: every event at least once, found again by its id if it comes twice."""

import asyncio
from collections.abc import Sequence

from gateway.control import leases, outbox
from gateway.control.database import Database
from gateway.control.leases import Lease
from metrics.record.journal import Journal


class Relay:
    """Passes events on in order; marks them only when the journal has them on disk."""

    def __init__(self, database: Database, journal: Journal) -> None:
        self._database = database
        self._journal = journal

    async def pass_on(self, lease: Lease) -> int:
        """Journal what waits; return how many events.

        Raises:
            JournalUnavailableError, ControlUnavailable, Conflict: what was not marked is passed on again later.
        """
        waiting = await asyncio.to_thread(outbox.unrelayed, self._database)
        if not waiting:
            return 0
        # Together: the journal syncs once for all that wait.
        await asyncio.gather(*(self._journal.commit(event) for _, event in waiting))
        await asyncio.to_thread(self._mark, [number for number, _ in waiting], lease)
        return len(waiting)

    def _mark(self, numbers: Sequence[int], lease: Lease) -> None:
        with self._database.write() as tx:
            leases.assert_held(tx, lease)
            outbox.mark_relayed(tx, numbers)
