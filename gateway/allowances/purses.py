"""What this worker holds of each allowance: calls are paid from memory, which the control database fills in blocks."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from gateway.control.budgets import Allowance, AllowanceStore, Settled, Wish
from gateway.control.errors import ControlError

_LOG: Final = logging.getLogger("sluice.gateway")
TIDY_S: Final = 1.0
_SEEN_EVERY: Final = 10
_DENIED_US: Final = 250_000
_WORTH_SAYING: Final = 100  # what was spent is told when it is a hundredth of the ceiling, or nothing more comes


@dataclass(slots=True)
class Purse:
    """One allowance in this worker's hands. `left` may be below 0 when calls used more than they had reserved.

    `spent` was used and not told yet; only where alerts ask for it.
    """

    left: int = 0
    spent: int = 0
    wish: Wish | None = None
    taken: int = 0
    open: int = 0
    waiting: int = 0
    idle: bool = False
    denied: int = 0
    denied_until_us: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def reserve(self, need: int) -> bool:
        """Set aside what one call may use, if there is so much."""
        if self.left < need:
            return False
        self.left -= need
        self.open += 1
        return True

    def unwanted(self, need: int, leasing: "asyncio.Task[bool]") -> None:
        """Take back what was set aside for a call that has left."""
        if not leasing.cancelled() and leasing.exception() is None and leasing.result():
            self.left += need
            self.open -= 1


class Purses:
    """All allowances of one worker; used from its event loop only, while the store works in threads."""

    def __init__(self, store: AllowanceStore, clock_us: Callable[[], int], tidy_s: float = TIDY_S) -> None:
        self._store, self._clock_us, self._tidy_s = store, clock_us, tidy_s
        self._owing = asyncio.Event()
        self._purses: dict[Allowance, Purse] = {}
        self._leasing: set[asyncio.Task[bool]] = set()

    async def reserve(self, allowance: Allowance, wish: Wish) -> bool:
        """Set aside what a call may use; tell whether the ceiling allowed it.

        Raises:
            ControlError: more was needed than this worker holds, and the control database cannot be reached.
        """
        purse = self._purses.setdefault(allowance, Purse())
        purse.idle, purse.wish = False, wish
        return purse.reserve(wish.need) or await self._fill(allowance, purse, wish)

    def settle(self, allowance: Allowance, reserved: int, used: int) -> None:
        """Replace what was set aside by what was used."""
        purse = self._purses.get(allowance)
        if purse is not None:
            purse.left += reserved - used
            purse.open -= 1
            if purse.left < 0:
                self._owing.set()
            if purse.wish is not None and purse.wish.alerts:
                purse.spent += used

    def remaining(self, allowance: Allowance, cap: int) -> int:
        """Give what is left of the ceiling, as far as this worker knows."""
        purse = self._purses.get(allowance)
        return cap if purse is None else max(0, min(cap, cap - purse.taken + purse.left))

    async def run(self) -> None:
        """Give back what nobody uses, pay debts at once and show that this worker lives, until cancelled."""
        async with asyncio.TaskGroup() as duties:
            duties.create_task(self._keep_tidy())
            duties.create_task(self._pay())

    async def _pay(self) -> None:
        """Tell all workers at once what calls used beyond their reservation, or they would go on spending."""
        while True:
            await self._owing.wait()
            self._owing.clear()
            for allowance, purse in list(self._purses.items()):
                if purse.left < 0:
                    with suppress(ControlError):  # it is tried again when this worker tidies up, and said then
                        await self._give_back(allowance, purse, all_of_it=True)

    async def _keep_tidy(self) -> None:
        beat = 0
        while True:
            await asyncio.sleep(self._tidy_s)
            beat += 1
            try:
                await self.tidy()
                if beat % _SEEN_EVERY == 0 and self._purses:
                    await asyncio.to_thread(self._store.seen)
            except ControlError as error:
                _LOG.warning("allowances wait: %s", error)

    async def tidy(self, everything: bool = False) -> None:
        """Give back what was not used for a while, and pay what calls used beyond their reservation."""
        now = self._clock_us()
        for allowance, purse in list(self._purses.items()):
            over = 0 < allowance.until_us <= now
            still, purse.idle = everything or purse.idle or over, True
            lapsed = over and not allowance.kept
            told = purse.spent and purse.wish and (still or purse.spent * _WORTH_SAYING >= purse.wish.cap)
            if told or purse.left < 0 or (still and purse.left and not lapsed):
                await self._give_back(allowance, purse, all_of_it=still or purse.left < 0)
            if still and not purse.open and (lapsed or not purse.left) and not purse.lock.locked():
                del self._purses[allowance]

    async def close(self) -> None:
        """Give everything back."""
        await asyncio.gather(*self._leasing, return_exceptions=True)
        try:
            await self.tidy(everything=True)
        except ControlError:
            _LOG.warning("allowances were not given back; they count as spent until they are reconciled")

    async def _fill(self, allowance: Allowance, purse: Purse, wish: Wish) -> bool:
        """Lease and reserve enough for this call; of a caller that leaves meanwhile it is kept, to be given back."""
        purse.waiting += wish.need
        leasing = asyncio.create_task(self._lease(allowance, purse, wish))
        self._leasing.add(leasing)
        leasing.add_done_callback(self._leased)
        try:
            return await asyncio.shield(leasing)
        except asyncio.CancelledError:
            leasing.add_done_callback(partial(purse.unwanted, wish.need))
            raise
        finally:
            purse.waiting -= wish.need

    def _leased(self, leasing: asyncio.Task[bool]) -> None:
        self._leasing.discard(leasing)
        if not leasing.cancelled():
            leasing.exception()  # seen, also when the caller has left

    async def _lease(self, allowance: Allowance, purse: Purse, wish: Wish) -> bool:
        """Lease enough for one call, and for those that wait behind it if there is plenty, and reserve it."""
        async with purse.lock:
            if purse.reserve(wish.need):
                return True
            short = wish.need - purse.left
            if purse.denied <= short and self._clock_us() < purse.denied_until_us:
                return False
            ask = replace(wish, need=short, block=max(wish.block, purse.waiting))
            grant = await asyncio.to_thread(self._store.take, allowance, ask)
            purse.left += grant.granted
            purse.taken = grant.taken
            if not grant.granted:  # a caller that does not stop asking must not keep the database busy
                purse.denied, purse.denied_until_us = short, self._clock_us() + _DENIED_US
            return purse.reserve(wish.need)

    async def _give_back(self, allowance: Allowance, purse: Purse, *, all_of_it: bool) -> None:
        async with purse.lock:
            amount, spent = purse.left if all_of_it else 0, purse.spent
            purse.left -= amount
            purse.taken -= amount
            purse.spent = 0
            settled = Settled(spent, purse.wish) if spent and purse.wish else None
            try:
                await asyncio.to_thread(self._store.give_back, allowance, amount, settled)
            except ControlError:
                purse.left += amount
                purse.taken += amount
                purse.spent += spent
                raise
