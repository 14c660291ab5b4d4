"""The screen of one answer: redacts what the model wrote and restores the caller's own values."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from redaction.answers import AnswerEngine
from redaction.channels import Channels
from redaction.events import EventScreen
from redaction.types import Finding, RedactionFailed, ScreenedBody
from redaction.windows import AnswerNames
from redaction.writer import Shared

# What code meets when an answer is not built as answers are: then it cannot be looked at, and nothing is shown.
_UNEXPECTED = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
_SHAPE = "the answer is not built as expected, so it cannot be looked at"


class Screen:
    """Screens one answer, whole or event by event; only `hear` and `hear_whole` ask anybody."""

    def __init__(self, engine: AnswerEngine, shared: Shared, names: AnswerNames | None = None) -> None:
        self._shared = shared
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

    @property
    def listens(self) -> bool:
        """Whether names are looked for: then `hear` comes before everything else."""
        return self._names is not None

    async def hear(self, events: Sequence[dict[str, Any]], *, ended: bool) -> None:
        """Look for the names in what these events of a stream complete; afterwards `chunk` and `close` take them.

        Raises RedactionFailed.
        """
        if self._names is None:
            return
        try:
            for event in events:
                deque(self._heard.take(event), maxlen=0)
            if ended:
                deque(self._heard.close(), maxlen=0)
        except _UNEXPECTED as error:
            raise RedactionFailed(_SHAPE) from error
        await self._names.ask()

    async def hear_whole(self, body: dict[str, Any]) -> None:
        """Look for the names in an unstreamed answer; afterwards `whole` takes it. Raises RedactionFailed."""
        if self._names is None:
            return
        try:
            self._ear.node(body, "answer", 0)
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
