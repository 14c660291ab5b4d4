"""What a keeper does while it holds the lease, each duty at its own pace, none stopped by another's failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from gateway.control import housekeeping, reviews
from gateway.control.database import Database
from gateway.control.errors import ControlError
from gateway.control.leases import Lease
from gateway.keeper.activator import Activator
from gateway.keeper.certificates import CertificateWatch
from gateway.keeper.reconcile import Reconciler
from gateway.keeper.relay import Relay
from gateway.keeper.steer import Steerer
from gateway.keeper.tenure import Tenure
from gateway.keeper.webhooks import Webhooks
from gateway.trust.erasing import ErasureDuty
from gateway.trust.retaining import RetentionDuty
from metrics.client import RecorderError
from metrics.record.journal import JournalUnavailable

_log = logging.getLogger("gateway.keeper")

LOOK_S: Final = 0.1
LEASE_S: Final = 0.2
RELAY_S: Final = 0.25
SWEEP_S: Final = 60.0
SETTLE_S: Final = 2.0
DEADLINES_S: Final = 0.5
WEBHOOKS_S: Final = 1.0
STEER_S: Final = 15.0
ERASURES_S: Final = 1.0
RETENTION_S: Final = 60.0
Duty = Callable[[Lease], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Keeper:
    """The parts of a keeper."""

    database: Database
    tenure: Tenure
    activator: Activator
    relay: Relay
    reconciler: Reconciler | None = None
    steerer: Steerer | None = None
    certificates: CertificateWatch | None = None
    webhooks: Webhooks | None = None
    erasures: ErasureDuty | None = None
    retention: RetentionDuty | None = None
    watches: Sequence[tuple[str, float, Duty]] = ()  # name, pace in seconds, what is done while the lease is held

    async def keep(self, stop: asyncio.Event) -> None:
        """Do all duties until told to stop; then pass on what still waits, and give the lease back."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat("lease", LEASE_S, stop, self._hold))
            tasks.create_task(self._repeat("activation", LOOK_S, stop, self._while_held(self._look)))
            tasks.create_task(self._repeat("relay", RELAY_S, stop, self._while_held(self.relay.pass_on)))
            tasks.create_task(self._repeat("sweep", SWEEP_S, stop, self._while_held(self._sweep)))
            tasks.create_task(self._repeat("deadlines", DEADLINES_S, stop, self._while_held(self._expire)))
            if self.reconciler is not None:
                tasks.create_task(self._repeat("reconciliation", SETTLE_S, stop, self.reconciler.settle))
            if self.webhooks is not None:
                tell = self._while_held(self.webhooks.deliver)
                tasks.create_task(self._repeat("webhooks", WEBHOOKS_S, stop, tell))
            if self.erasures is not None:
                tasks.create_task(self._repeat("erasures", ERASURES_S, stop, self._blocking(self.erasures.look)))
            if self.retention is not None:
                tasks.create_task(self._repeat("retention", RETENTION_S, stop, self._blocking(self.retention.look)))
            for name, every_s, duty in self.watches:
                tasks.create_task(self._repeat(name, every_s, stop, self._while_held(duty)))
            if self.steerer is not None:
                steer = self._while_held(self.steerer.steer)
                tasks.create_task(self._repeat("steering", STEER_S, stop, steer))
            if self.certificates is not None:
                watch = self._while_held(self.certificates.watch)
                tasks.create_task(self._repeat("watch over certificates", STEER_S, stop, watch))
        with suppress(ControlError, JournalUnavailable):
            await self._while_held(self.relay.pass_on)()
        await asyncio.to_thread(self.tenure.give_up)

    async def _hold(self) -> None:
        await asyncio.to_thread(self.tenure.hold)

    async def _look(self, lease: Lease) -> None:
        await asyncio.to_thread(self.activator.look, lease)

    async def _sweep(self, _lease: Lease) -> None:
        holds = self.retention.holds if self.retention else tuple
        await asyncio.to_thread(lambda: housekeeping.sweep(self.database, holds()))

    async def _expire(self, _lease: Lease) -> None:
        await asyncio.to_thread(reviews.expire, self.database)

    def _blocking(self, look: Callable[[Lease], object]) -> Callable[[], Awaitable[None]]:
        """Do in a thread what takes a while."""
        return self._while_held(lambda lease: asyncio.to_thread(look, lease))

    def _while_held(self, duty: Duty) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            lease = self.tenure.lease
            if lease is not None:
                await duty(lease)

        return act

    async def _repeat(
        self, name: str, every_s: float, stop: asyncio.Event, act: Callable[[], Awaitable[object]]
    ) -> None:
        """Act at intervals; say once when it begins to fail and once when it works again."""
        failing = False
        while not stop.is_set():
            try:
                await act()
            except (ControlError, JournalUnavailable, RecorderError, OSError) as error:
                if not failing:
                    _log.warning("%s failed and is tried again: %s", name, error)
                failing = True
            else:
                if failing:
                    _log.info("%s works again", name)
                failing = False
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s)
