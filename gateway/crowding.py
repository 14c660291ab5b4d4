"""How crowded this process is: what a call waits for the processor, by the kernel's count, and for its turn."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

_ACCOUNT: Final = Path("/proc/self/schedstat")  # of the process's first thread: ns run, ns waited to run, times run
_LEAST_S: Final = 0.1


def account(file: Path = _ACCOUNT) -> tuple[int, int]:
    """Return the nanoseconds that the first thread waited to run so far, and how often it ran; zeros: nobody counts."""
    try:
        _, waited, times = map(int, file.read_text("ascii").split())
    except (OSError, ValueError):
        return 0, 0
    return waited, times


class Crowding:
    """Asked now and then by whoever can wait; costs nothing when nobody asks."""

    def __init__(
        self, clock_s: Callable[[], float] = time.monotonic, count: Callable[[], tuple[int, int]] = account
    ) -> None:
        self._clock_s, self._count = clock_s, count
        self._at_s, self._before, self._found_us = clock_s(), count(), 0

    async def wait_us(self) -> int:
        """Return how long a call waits each time it has something to do.

        That is how long the thread waited for the processor of late, on average, and what the event loop does now
        before it comes to whoever asks.
        """
        began_s = self._clock_s()
        await asyncio.sleep(0)
        now_s = self._clock_s()
        return self._processor_us(now_s) + round((now_s - began_s) * 1e6)

    def _processor_us(self, now_s: float) -> int:
        if now_s - self._at_s >= _LEAST_S:
            waited, times = self._count()
            self._found_us = (waited - self._before[0]) // (1000 * max(1, times - self._before[1]))
            self._at_s, self._before = now_s, (waited, times)
        return self._found_us
