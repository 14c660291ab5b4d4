"""Back-pressure: a worker does less while the gateway waits for the processor, so that live calls stay quick."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

Taken = TypeVar("Taken")
_ALWAYS_US: Final = 200.0  # a gateway that waits less than this is not crowded
_TIMES_USUAL: Final = 4.0
_DRIFT: Final = 1.01  # the usual wait grows by so much with each answer: a machine may be crowded by others for long
_LESS: Final = 0.85
_MORE: Final = 1.03  # so that in balance one answer of six tells of a crowd
_LEAST: Final = 0.4
_LONGEST_PAUSE_S: Final = 0.1
_LONGEST_REST_S: Final = 0.15  # whatever others do to the machine, runs go on


@dataclass(slots=True)
class Pressure:
    """How many runs one worker may be at, up to `most`; below one it is a share of the time, and the rest is rest.

    Each answer of the gateway that opens a run's key says how long the gateway's calls wait for a processor.
    """

    most: int
    _allowed: float = field(init=False)
    _usual_us: float = field(default=float("inf"), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __post_init__(self) -> None:
        self._allowed = float(self.most)

    @property
    def allowed(self) -> int:
        """Return how many runs may be under way now."""
        return max(1, int(self._allowed))

    def heard(self, wait_us: float) -> None:
        """Take note of how long the gateway waits for the processor."""
        with self._lock:
            self._usual_us = min(wait_us, self._usual_us * _DRIFT + 1)
            crowded = wait_us > _ALWAYS_US + _TIMES_USUAL * self._usual_us
            self._allowed = min(max(_LEAST, self._allowed * (_LESS if crowded else _MORE)), float(self.most))

    def pause_s(self, took_s: float) -> float:
        """Return how long what can wait, such as telling of runs, waits after it took so long."""
        return min(took_s * (self.most / self._allowed - 1), _LONGEST_PAUSE_S)

    def rest_s(self, took_s: float) -> float:
        """Return how long to begin nothing after a run that took so long."""
        return min(took_s * (1 / self._allowed - 1), _LONGEST_REST_S) if self._allowed < 1 else 0.0


@dataclass(slots=True)
class Intake:
    """Takes inputs in, one request at a time, and lets whoever sends many wait while the gateway is crowded."""

    pause_s: Callable[[float], float] = lambda _took_s: 0.0
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1), init=False, repr=False)

    async def take(self, work: Callable[[], Taken]) -> Taken:
        """Do the work in a thread, when its turn has come."""
        async with self._turn:
            began_s = time.monotonic()
            try:
                return await asyncio.to_thread(work)
            finally:
                await asyncio.sleep(self.pause_s(time.monotonic() - began_s))
