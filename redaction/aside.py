"""Long work beside the event loop: in a thread, a few pieces at a time, and with a deadline of its own."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from redaction.types import TimedOut, Unsearchable

Result = TypeVar("Result")
NEVER = float("inf")
LONG = 16_384  # characters that are looked at in a few milliseconds, whatever they are
_NODE_CHARS = 32  # what a piece of JSON costs beside its characters
_AT_ONCE = 2
_OWN_SHARE = 0.75  # of its time: whoever worked for so long was not kept waiting by others


class Aside:
    """Runs what is long in a thread. The interpreter lets threads take turns (`sys.setswitchinterval`)."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Give what the work gives, or raise what it raises."""
        async with self._turns:
            return await asyncio.to_thread(work)


def too_much(limit_s: float) -> Unsearchable:
    """Give the error of a request that by itself takes longer than it may."""
    return Unsearchable(f"it takes longer than the {limit_s:g} s that the policy allows; send less at once")


def is_long(node: Any) -> bool:
    """Say whether a piece of JSON may take longer than the event loop should wait."""
    return _room(node, LONG) <= 0


def check(due: float) -> None:
    """Raise TimedOut when a deadline has passed."""
    if due is not NEVER and time.monotonic() > due:
        raise TimedOut("it could not be looked at in time, so nothing may leave")


def within(limit_s: float, work: Callable[[], Result]) -> Result:
    """Give what work with a deadline gives; where the work alone was too much, say so: it would be each time."""
    began = time.thread_time()
    try:
        return work()
    except TimedOut as error:
        if time.thread_time() - began < _OWN_SHARE * limit_s:
            raise
        raise too_much(limit_s) from error


def _room(node: Any, room: int) -> int:
    """Give what is left of `room` after a piece of JSON; nothing when it is longer, or nested deeply."""
    if isinstance(node, str):
        return room - len(node)
    for value in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        if room <= 0:
            break
        room = _room(value, room - _NODE_CHARS)
    return room
