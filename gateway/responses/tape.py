"""The tape of a streamed background response: its clean events are kept as they come, for all who follow it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self
from weakref import WeakValueDictionary

from gateway.control.errors import ControlError
from gateway.responses.jobs import Jobs, Taken
from gateway.responses.store import Batch
from gateway.wire.turn import Json

PACE_S: Final = 0.1  # events that come within it are kept together
FIRST: Final = 2  # batches that say how the response began; with the others its output begins
_LOG: Final = logging.getLogger("sluice.gateway")


class Bell:
    """Tells those who follow a response in this worker that it has grown; others look now and then."""

    def __init__(self) -> None:
        self._next: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()

    def ring(self, response_id: str) -> None:
        """Wake all who wait."""
        event = self._next.pop(response_id, None)
        if event is not None:
            event.set()

    def next(self, response_id: str) -> asyncio.Event:
        """Give the event that is set when it rings the next time."""
        event = self._next.get(response_id) or asyncio.Event()
        self._next[response_id] = event
        return event


class Tape:
    """`async with Tape(...) as tape`: what it hears meanwhile is kept; leaving keeps the rest.

    Leaving raises ControlError.
    """

    def __init__(self, jobs: Jobs, taken: Taken, ring: Callable[[str], None]) -> None:
        self._jobs, self._taken, self._ring = jobs, taken, ring
        self._heard: list[Json] = []
        self._number = FIRST
        self._ended = asyncio.Event()

    def hear(self, event: Json) -> None:
        """Take an event; how the whole response stands is told by what is stored of it."""
        if "response" not in event:
            self._heard.append(event)

    async def __aenter__(self) -> Self:
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None
    ) -> None:
        self._ended.set()
        await self._keeping
        await self._write()

    async def _keep(self) -> None:
        while not self._ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), PACE_S)
            try:
                await self._write()
            except ControlError as error:  # away for a moment; what was heard waits
                _LOG.warning("events of a background response wait: %s", error)

    async def _write(self) -> None:
        heard, self._heard = self._heard, []
        if not heard:
            return
        try:
            await self._jobs.say(self._taken, Batch(self._number, heard))
        except ControlError:
            self._heard = heard + self._heard
            raise
        self._number += 1
        self._ring(self._taken.job.response_id)
