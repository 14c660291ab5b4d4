"""Being the one keeper: a file lock on this machine, a lease among machines."""

import asyncio
import contextlib
import fcntl
import os
import socket
from pathlib import Path
from typing import Final

from gateway.control import leases
from gateway.control.database import Database
from gateway.control.errors import ControlError
from gateway.control.leases import Lease

LEASE: Final = "keeper"
TTL_S: Final = 6.0
_RETRY_S: Final = 0.2


class Tenure:
    """The lease, kept while this process lives. A restarted keeper of the same machine takes over at once."""

    def __init__(self, database: Database, holder: str, ttl_s: float = TTL_S) -> None:
        self._database = database
        self._holder = holder
        self._ttl_s = ttl_s
        self._lease: Lease | None = None

    @property
    def lease(self) -> Lease | None:
        """The lease while it lasts; None while another machine is the keeper."""
        if self._lease is None or self._lease.expires_us <= self._database.clock_us():
            return None
        return self._lease

    @property
    def is_due(self) -> bool:
        """Whether the lease is to be taken, or to be held for longer because a third of its time is gone."""
        held = self._lease
        return held is None or held.expires_us - self._database.clock_us() < self._ttl_s * 2 / 3 * 1_000_000

    def hold(self) -> None:
        """Take the lease or hold it for longer, if that is due.

        Raises:
            ControlUnavailable: the present lease is kept until it expires.
        """
        held = self.lease
        if held is None:
            self._lease = leases.acquire(self._database, LEASE, self._holder, self._ttl_s)
        elif self.is_due:
            self._lease = leases.renew(self._database, held, self._ttl_s)

    def give_up(self) -> None:
        """Let another machine take over at once."""
        if self._lease is not None:
            with contextlib.suppress(ControlError):
                leases.release(self._database, self._lease)
            self._lease = None


def holder_name(data: Path) -> str:
    """Return the name under which the keeper of a data folder holds leases, the same after a restart."""
    return f"{socket.gethostname()}:{data.absolute()}"


async def alone(data: Path, stop: asyncio.Event) -> int | None:
    """Wait until no other keeper works on this data folder; return the descriptor that keeps it so, None if stopped."""
    descriptor = os.open(data / "keeper.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    while not _locked(descriptor):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _RETRY_S)
            os.close(descriptor)
            return None
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
