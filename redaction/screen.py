"""The screen of one answer: redacts what the model wrote and restores the caller's own values."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from redaction.answers import AnswerEngine
from redaction.aside import NEVER, Aside, is_long
from redaction.channels import Channels
from redaction.events import EventScreen
from redaction.types import Finding, RedactionFailed, ScreenedBody
from redaction.windows import AnswerNames
from redaction.writer import Shared

# What code meets when an answer is not built as answers are: then it cannot be looked at, and nothing is shown.
_UNEXPECTED = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
_SHAPE = "the answer is not built as expected, so it cannot be looked at"
Result = TypeVar("Result")


class Screen:
    """Screens one answer: `answer` and `events` do it beside the event loop where it is long, and ask for names.

    `hear` and `hear_whole` only ask for names; `whole`, `chunk` and `close` ask nobody. Long pieces take `limit_s`.
    """

    def __init__(
        self,
        engine: AnswerEngine,
        shared: Shared,
        names: AnswerNames | None = None,
        aside: Aside | None = None,
        limit_s: float = NEVER,
    ) -> None:
        self._shared = shared
        self._aside, self._limit_s = aside or Aside(), limit_s
        self._names = names
        self._channels = Channels(engine, shared, names)
        self._events = EventScreen(self._channels)
        if names is not None:
            # Hears everything first, to learn for which pieces of text names are wanted.
            self._ear = Channels(engine, shared, names, listening=True)
            self._heard = EventScreen(self._ear)

    @property
    def findings(self) -> list[Finding]:
        """What was found in the answer so far."""
        return self._shared.findings

    @property
    def restored(self) -> int:
        """How many placeholders became values again."""
        return self._shared.restored

    @property
    def unknown(self) -> int:
        """How many placeholders stand in the answer that this request did not bring."""
        return self._shared.unknown

    async def answer(self, body: dict[str, Any], *, long: bool | None = None) -> ScreenedBody:
        """Screen an unstreamed answer; `long` says whether it is, for who knows. Raises RedactionFailed."""
        long = is_long(body) if long is None else long
        await self.hear_whole(body, long=long)
        return await self._beside(long, lambda: self.whole(body))

    async def events(
        self, events: Sequence[dict[str, Any]], *, ended: bool, more: bool = True, long: bool | None = None
    ) -> list[ScreenedBody]:
        """Screen events of a stream. Without `more`, the last of them does not wait for the next one.

        `long` says whether they are long together, for who knows. Raises RedactionFailed.
        """
        long = is_long(list(events)) if long is None else long
        if not long and self._names is None:
            return self._chunks(events, more)
        await self.hear(events, ended=ended, long=long)
        return await self._beside(long, lambda: self._chunks(events, more))

    def _chunks(self, events: Sequence[dict[str, Any]], more: bool) -> list[ScreenedBody]:
        last = len(events) - 1 + more
        return [piece for at, one in enumerate(events) for piece in self.chunk(one, more=at < last)]

    async def _beside(self, long: bool, work: Callable[[], Result]) -> Result:
        """Do work, in a thread and with a deadline when it is long."""
        if not long:
            return work()
        self._shared.due = time.monotonic() + self._limit_s
        try:
            return await self._aside.run(work)
        finally:
            self._shared.due = NEVER

    async def hear(self, events: Sequence[dict[str, Any]], *, ended: bool, long: bool = False) -> None:
        """Look for the names in what these events of a stream complete; afterwards `chunk` and `close` take them.

        Raises RedactionFailed.
        """
        if self._names is None:
            return
        try:
            await self._beside(long, lambda: self._listen(events, ended=ended))
        except _UNEXPECTED as error:
            raise RedactionFailed(_SHAPE) from error
        await self._names.ask()

    def _listen(self, events: Sequence[dict[str, Any]], *, ended: bool) -> None:
        for event in events:
            deque(self._heard.take(event), maxlen=0)
        if ended:
            deque(self._heard.close(), maxlen=0)

    async def hear_whole(self, body: dict[str, Any], *, long: bool = False) -> None:
        """Look for the names in an unstreamed answer; afterwards `whole` takes it. Raises RedactionFailed."""
        if self._names is None:
            return
        try:
            await self._beside(long, lambda: self._ear.node(body, "answer", 0))
        except _UNEXPECTED as error:
            raise RedactionFailed(_SHAPE) from error
        await self._names.ask()

    def whole(self, body: dict[str, Any]) -> ScreenedBody:
        """Screen an unstreamed answer."""
        try:
            clean, reply = self._channels.node(body, "answer", 0)
        except _UNEXPECTED as error:
            raise RedactionFailed(_SHAPE) from error
        return ScreenedBody(clean, reply)

    def chunk(self, event: dict[str, Any], *, more: bool = False) -> tuple[ScreenedBody, ...]:
        """Take one event of a stream; give the events that may now be sent.

        With `more`, the next one is here already: pieces that need a closer look may wait for it.
        """
        self._events.more = more
        try:
            return tuple(self._events.take(event))
        except _UNEXPECTED as error:
            raise RedactionFailed(_SHAPE) from error

    def close(self) -> tuple[ScreenedBody, ...]:
        """Give what was still held when the stream ended."""
        return tuple(self._events.close())
