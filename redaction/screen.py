"""The screen of one answer: redacts what the model wrote and restores the caller's own values."""

from typing import Any

from redaction.answers import AnswerEngine
from redaction.channels import Channels
from redaction.events import EventScreen
from redaction.types import Finding, RedactionFailed, ScreenedBody
from redaction.writer import Shared

# What code meets when an answer is not built as answers are: then it cannot be looked at, and nothing is shown.
_UNEXPECTED = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
_SHAPE = "the answer is not built as expected, so it cannot be looked at"


class Screen:
    """Screens one answer, whole or event by event; does no I/O."""

    def __init__(self, engine: AnswerEngine, shared: Shared) -> None:
        self._shared = shared
        self._channels = Channels(engine, shared)
        self._events = EventScreen(self._channels)

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

    def whole(self, body: dict[str, Any]) -> ScreenedBody:
        """Screen an unstreamed answer."""
        try:
            clean, reply = self._channels.node(body, "answer", 0)
        except _UNEXPECTED as error:
            raise RedactionFailed(_SHAPE) from error
        return ScreenedBody(clean, reply)

    def chunk(self, event: dict[str, Any]) -> tuple[ScreenedBody, ...]:
        """Take one event of a stream; give the events that may now be sent."""
        try:
            return tuple(self._events.take(event))
        except _UNEXPECTED as error:
            raise RedactionFailed(_SHAPE) from error

    def close(self) -> tuple[ScreenedBody, ...]:
        """Give what was still held when the stream ended."""
        return tuple(self._events.close())
