"""What a keeper does while it holds the lease, each duty at its own pace, none stopped by another's failure."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from gateway.control.errors import ControlError
from gateway.control.leases import Lease
from gateway.keeper.tenure import Tenure
from metrics.client import RecorderError
from metrics.record.commits import JournalUnavailableError

LEASE_S: Final = 0.2
_REST: Final = 20  # times as long as the looking took
_log = logging.getLogger("gateway.keeper")

Act = Callable[[Lease], Awaitable[object]]


class Duty(NamedTuple):
    """One thing done every so many seconds while the lease is held.

    It may raise `ControlError`, `JournalUnavailableError`, `RecorderError` and `OSError`: it is tried again.
    """

    name: str
    every_s: float
    act: Act


class OwnDuty(NamedTuple):
    """One thing that each machine's keeper does for its own machine, lease or not; it may raise the same."""

    name: str
    every_s: float
    act: Callable[[], Awaitable[object]]


def blocking(look: Callable[[Lease], object]) -> Act:
    """Do in a thread what takes a while."""
    return lambda lease: asyncio.to_thread(look, lease)


def sparing(look: Callable[[Lease], object], clock_s: Callable[[], float] = time.monotonic) -> Act:
    """Do in a thread what reads the record, and rest for many times as long: a long one is not read all the time.

    By a clock that nobody sets: a machine that slept during a look would else rest for weeks.
    """
    due_s = 0.0

    def looks(lease: Lease) -> None:
        nonlocal due_s
        if (began_s := clock_s()) >= due_s:
            look(lease)
            due_s = began_s + _REST * (clock_s() - began_s)

    return blocking(looks)


class Keeper:
    """Does its duties until told to stop; `last` is done once more at the end, for what still waits."""

    def __init__(self, tenure: Tenure, duties: Sequence[Duty | OwnDuty], last: Act) -> None:
        self._tenure, self._duties, self._last = tenure, duties, last

    async def keep(self, stop: asyncio.Event) -> None:
        """Do all duties until told to stop, then give the lease back."""
        async with asyncio.TaskGroup() as tasks:
            for duty in (OwnDuty("lease", LEASE_S, self._hold), *self._duties):
                tasks.create_task(self._repeat(duty, stop))
        with suppress(ControlError, JournalUnavailableError):
            await self._while_held(self._last)
        await asyncio.to_thread(self._tenure.give_up)

    async def _hold(self) -> None:
        if self._tenure.is_due:
            await asyncio.to_thread(self._tenure.hold)

    async def _while_held(self, act: Act) -> None:
        if (lease := self._tenure.lease) is not None:
            await act(lease)

    async def _repeat(self, duty: Duty | OwnDuty, stop: asyncio.Event) -> None:
        """Act at intervals; say once when it begins to fail and once when it works again."""
        failing = False
        while not stop.is_set():
            try:
                await (duty.act() if isinstance(duty, OwnDuty) else self._while_held(duty.act))
            except (ControlError, JournalUnavailableError, RecorderError, OSError) as error:
                if not failing:
                    _log.warning("%s failed and is tried again: %s", duty.name, error)
                failing = True
            else:
                if failing:
                    _log.info("%s works again", duty.name)
                failing = False
            with suppress(TimeoutError):
                async with asyncio.timeout(duty.every_s):
                    await stop.wait()
