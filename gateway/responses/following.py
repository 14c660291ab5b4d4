"""Following a response as its stream: while it runs, and again from any of its events on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.errors import RedactionDown
from gateway.responses.reading import events_of
from gateway.responses.store import ResponseStore, Stored
from gateway.stages.restore import event_bytes
from gateway.wire.endpoint import Json
from gateway.wire.said import UNDER_WAY, as_events
from redaction.redactor import Redactor
from redaction.screen import Screen
from redaction.targets import links_in
from redaction.types import Blocked, RedactionFailed, Vault


@contextmanager
def _searched() -> Iterator[None]:
    try:
        yield
    except (Blocked, RedactionFailed) as error:
        raise RedactionDown("The response could not be searched for personal data, so it is not shown.") from error


class Follower:
    """Shows one response to one reader; the events depend on nothing but what is stored, nor do their numbers.

    A response that was queued as a stream has its events kept as they came, and they go through today's screen, which
    puts the caller's values back. Of any other, and once those are forgotten, the answer is told in one piece.
    """

    def __init__(self, store: ResponseStore, tenant: str, redactor: Redactor, endpoint: str) -> None:
        self._store, self._tenant, self._redactor, self._endpoint = store, tenant, redactor, endpoint
        self._screen: Screen | None = None
        self._batches = self._told = 0
        self._output = False

    async def next(self, stored: Stored) -> list[bytes]:
        """Return the events that have come since the last time; all that are left, once the response has ended."""
        ended = stored.answer.get("status") not in UNDER_WAY
        events = await self._kept(stored, ended)
        if self._screen is None:
            told = events_of(await self.restored(stored), self._told)
            self._told += len(told)
            return told
        if ended:
            whole = as_events(self._endpoint, await self.restored(stored), with_usage=True)
            events += whole[-1:] if self._output else whole[2:]
        return [self._numbered(event) for event in events]

    async def restored(self, stored: Stored) -> Any:
        """Return a kept response for its caller: screened by today's policy, with the caller's own values back."""
        screen = self._new_screen(stored)
        with _searched():
            return (await screen.answer(stored.answer)).reply

    async def _kept(self, stored: Stored, ended: bool) -> list[Json]:
        found = await self._store.events(self._tenant, stored.response_id, self._batches)
        if self._screen is None and found and found[0].number == 0:
            self._screen = self._new_screen(stored)
        if self._screen is None:
            return []
        said: list[Json] = []
        for batch in found:
            self._batches = batch.number + 1
            said += batch.events
        self._output = self._output or any("response" not in event for event in said)
        with _searched():
            pieces = [piece.reply for piece in await self._screen.events(said, ended=ended)]
            return [*pieces, *(piece.reply for piece in self._screen.close())] if ended else pieces

    def _new_screen(self, stored: Stored) -> Screen:
        links = links_in(stored.items, stored.values.keys())
        return self._redactor.screen(Vault(values=dict(stored.values), links=links), self._endpoint)

    def _numbered(self, event: Json) -> bytes:
        self._told += 1
        return event_bytes(event | {"sequence_number": self._told - 1}, hide_usage=False)
