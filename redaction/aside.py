"""Long work beside the event loop: in a thread, a few pieces at a time, and with a deadline of its own."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from redaction.types import RedactionFailed

Result = TypeVar("Result")
NEVER = float("inf")
LONG = 16_384  # characters that are looked at in a few milliseconds, whatever they are
_NODE_CHARS = 32  # what a piece of JSON costs beside its characters
_AT_ONCE = 2


class Aside:
    """Runs what is long in a thread. The interpreter lets threads take turns (`sys.setswitchinterval`)."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Give what the work gives, or raise what it raises."""
        async with self._turns:
            return await asyncio.to_thread(work)


def is_long(node: Any) -> bool:
    """Say whether a piece of JSON may take longer than the event loop should wait."""
    return _room(node, LONG) <= 0


def check(due: float) -> None:
    """Raise RedactionFailed when a deadline has passed."""
    if due is not NEVER and time.monotonic() > due:
        raise RedactionFailed("it could not be looked at in time, so nothing may leave")


def _room(node: Any, room: int) -> int:
    """Give what is left of `room` after a piece of JSON; nothing when it is longer, or nested deeply."""
    if isinstance(node, str):
        return room - len(node)
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if room <= 0:
            break
        room = _room(value, room - _NODE_CHARS)
    return room
