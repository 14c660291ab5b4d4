"""Time that passes by itself and is moved on by whoever would else have to wait."""

import time

DAY_US = 86_400_000_000


class DemoClock:
    """One clock for everything in the process: real time since its start, and all that was skipped."""

    def __init__(self, start_us: int) -> None:
        self._start_us, self._begin_ns, self._skipped_us = start_us, time.perf_counter_ns(), 0

    def us(self) -> int:
        """Give UTC microseconds."""
        return self._start_us + self._skipped_us + (time.perf_counter_ns() - self._begin_ns) // 1000

    def ns(self) -> int:
        """Give nanoseconds for measuring durations."""
        return time.perf_counter_ns() + self._skipped_us * 1000

    def now_s(self) -> float:
        """Give seconds since 1970, UTC."""
        return self.us() / 1e6

    def skip(self, seconds: float) -> None:
        """Move on by what would have been waited."""
        self._skipped_us += int(seconds * 1e6)

    def jump(self, to_us: int) -> None:
        """Move on to a moment; one that has passed changes nothing."""
        self._skipped_us += max(0, to_us - self.us())


class Pauses:
    """The provider's clock: it says the demo's time, and its pauses are kept for the moment they are waited for."""

    def __init__(self, clock: DemoClock) -> None:
        self._clock, self._waited_s = clock, 0.0

    def now_s(self) -> float:
        """Give seconds since 1970, UTC."""
        return self._clock.now_s()

    async def sleep(self, seconds: float) -> None:
        """Remember a pause."""
        self._waited_s += seconds

    def take(self) -> float:
        """Give the pauses since the last time, in seconds."""
        waited, self._waited_s = self._waited_s, 0.0
        return waited
