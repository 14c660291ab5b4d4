"""What all tries of a worker share: the budget of retries, the breakers, and how long is waited."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.resilience.breakers import Breakers, shared_breakers
from gateway.resilience.retry import Chances

SHARE: Final = 0.2
FLOOR: Final = 3


class RetryBudget:
    """Retries under way, those that wait included, are at most a fifth of the calls under way, and at least three."""

    def __init__(self) -> None:
        self.active = self.retrying = 0

    @property
    def room(self) -> bool:
        """Say whether one more retry may begin."""
        return self.retrying < max(FLOOR, int(SHARE * self.active))

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count a call from its first try to the end of its answer."""
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1

    @contextmanager
    def retry(self) -> Iterator[None]:
        """Count a retry, its wait included."""
        self.retrying += 1
        try:
            yield
        finally:
            self.retrying -= 1


def utc_now() -> datetime:
    return datetime.now(UTC)


def monotonic_ms() -> int:
    """Give a time that all processes of this machine share."""
    return time.monotonic_ns() // 1_000_000


def new_chances() -> Chances:
    return Chances(random.random())


@dataclass(frozen=True)
class Tries:
    """Shared by all calls of one worker; the breakers by all workers of a machine."""

    breakers: Breakers = field(default_factory=Breakers)
    budget: RetryBudget = field(default_factory=RetryBudget)
    chances: Chances = field(default_factory=new_chances)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    now: Callable[[], datetime] = utc_now
    clock_ms: Callable[[], int] = monotonic_ms


def shared_tries(data: Path) -> Tries:
    """Return what the tries of one worker share, with the breakers of its data folder."""
    return Tries(shared_breakers(data))
