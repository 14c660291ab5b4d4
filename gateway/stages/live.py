"""A live answer: events are screened and restored as they come; the end waits for the record."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import orjson

from gateway.call import Answer, ClearAnswer, Released, Reply, Route
from gateway.errors import RedactionDown, UpstreamCut, UpstreamError, let_go
from gateway.providers import base
from gateway.resilience.attempt import LEFT, Attempt, Attempts
from gateway.stages.logprobs import hidden
from gateway.stages.restore import event_bytes, numbered
from gateway.wire import sse
from gateway.wire.endpoint import Json
from gateway.wire.numbers import exact, may_be_beyond
from gateway.wire.refusal import refusal
from policy.usage import Usage
from redaction.aside import LONG
from redaction.types import RedactionFailed, ScreenedBody

# How long the upstream may take to end its reply after its last event, so that its connection can be used again.
_SETTLE_S: Final = 0.25


class Live:
    """One open stream of one upstream.

    `read` gives what may be sent now. Once every choice has ended, the rest is kept back as the `last` part, which the
    caller sees when the call is recorded.
    """

    def __init__(self, route: Route, reply: base.Reply, attempt: Attempt, attempts: Attempts, first: bytes) -> None:
        call = route.request.governed.call
        assert call.endpoint.assemble is not None
        self.screen = route.request.governed.redactor.screen(route.request.cleared.vault, call.endpoint.name)
        self._route, self._reply, self._attempt, self._attempts = route, reply, attempt, attempts
        self._assembly, self._check = call.endpoint.assemble(), call.endpoint.check_event
        self._add = self._assembly.add
        self._wanted, self._speech = call.endpoint.wanted(call.body), attempt.speech
        self._reader = sse.SseReader()
        self._first: bytes | None = first
        self._tail: list[bytes] = []
        self._done = self._said_done = self._ended = self._long = self._beyond = False
        self._broken: UpstreamError | None = None
        self.screened_ns = self.shown = 0

    async def read(self) -> bytes | None:
        """Return the events that may be sent now, perhaps none; None at the end of a complete answer.

        Raises:
            UpstreamError: the stream broke off, stalled or is malformed.
            RedactionDown: it could not be screened.
        """
        if self._ended:
            return None
        events = await self._events()
        began_ns = self._attempts.now_ns()
        try:
            sent = b"".join([self._encoded(piece) for piece in await self._screened(events)])
            return sent + self._end() if self._done else sent
        finally:
            self.screened_ns += self._attempts.now_ns() - began_ns

    async def collect(self) -> Answer:
        """Read to the end and return the events as they came, unscreened."""
        events: list[Json] = []
        try:
            while not self._done:
                for event in await self._events():
                    events.append(event)
                    self._assembly.add(event)
            self._complete()
        finally:
            self._attempts.came = answer = Answer(self._route, self._attempt.target, tuple(events))
        return answer

    def last(self, released: Released) -> Reply:
        """Return the events that were kept back until now."""
        return Reply(released, b"".join(self._tail))

    def so_far(self) -> ClearAnswer:
        """Return the answer as far as it was screened."""
        usage = Usage.from_openai(self._assembly.usage) if self._assembly.usage else None
        return ClearAnswer(
            Answer(self._route, self._attempt.target, ()), self._assembly.whole(), (), self.screen, usage
        )

    async def settle(self) -> None:
        """Let the upstream finish its reply, so that the connection can be kept."""
        try:
            async with asyncio.timeout(_SETTLE_S):
                while await self._reply.next() is not None:
                    pass
        except (UpstreamError, TimeoutError) as error:
            let_go(error)

    def tell(self, hear: Callable[[Json], None]) -> None:
        """Let somebody hear every clean event that may be shown."""
        add = self._assembly.add

        def both(event: Json) -> None:
            hear(event)
            add(event)

        self._add = both

    def close(self) -> None:
        """Close the upstream's connection if its reply has not ended. Safe to call twice."""
        self._attempts.end(self._attempt, LEFT)
        self._reply.close()

    async def _events(self) -> list[Json]:
        try:
            data = await self._next()
            if data is None:
                self._done = True
            events = self._decoded(self._reader.feed(data or b""))
            return [*events, *self._speech.end(self._said_done)] if self._done and self._speech else events
        except sse.EventTooLong:
            raise self._failed(UpstreamError("An event is too long.", code="upstream_invalid_response")) from None
        except UpstreamError as error:
            self._failed(error)
            raise

    def _decoded(self, payloads: list[bytes]) -> list[Json]:
        """Decode events; what came before a broken one is the caller's, however the bytes were split."""
        events: list[Json] = []
        self._long = sum(map(len, payloads)) > LONG
        self._beyond = may_be_beyond(b"".join(payloads))
        try:
            for payload in payloads:
                events += self._event(payload)
        except UpstreamError as error:
            if not events:
                raise
            self._broken = error
        return events

    async def _next(self) -> bytes | None:
        if self._broken is not None:
            raise self._broken
        first, self._first = self._first, None
        if first is not None:
            return first or None
        began = self._attempts.now_ns()
        try:
            return await self._reply.next()
        finally:
            self._attempts.waited_ns += self._attempts.now_ns() - began

    def _event(self, payload: bytes) -> Sequence[Json]:
        if self._done:
            return ()
        if payload[:1] != b"{" and payload.strip() == sse.DONE:
            self._done = self._said_done = True
            return ()
        try:
            event = exact(payload) if self._beyond else orjson.loads(payload)
        except orjson.JSONDecodeError:
            event = None
        if not isinstance(event, dict):
            raise UpstreamError("The upstream's stream is malformed.", code="upstream_invalid_response")
        if event.get("error") or event.get("type") == "error":
            raise refusal(502, {}, payload, self._route.request.governed.redactor.clear_label)
        if self._speech is not None:
            return self._speech.event(event)
        self._check(event)
        return (event,)

    def _failed(self, error: UpstreamError) -> UpstreamError:
        self._attempts.end(self._attempt, error.code)
        return error

    async def _screened(self, events: Sequence[Json]) -> list[ScreenedBody]:
        try:
            return await self.screen.events(events, ended=self._done, more=False, long=self._long)
        except RedactionFailed as error:
            raise RedactionDown("The answer could not be searched for personal data.") from error

    def _encoded(self, piece: ScreenedBody) -> bytes:
        """Encode one event for the caller, or keep it for the end."""
        self._add(piece.clean)
        reply = hidden(piece.reply, self._route.hides) if self._route.hides else piece.reply
        shown = event_bytes(numbered(reply, self.shown), self._route.usage_forced)
        self.shown += 1
        if not shown or not self._assembly.finished(self._wanted):
            return shown
        self._tail.append(shown)
        return b""

    def _end(self) -> bytes:
        """Flush the screen; the answer is complete only if the upstream said so."""
        try:
            rest = b"".join(self._encoded(piece) for piece in self.screen.close())
        except RedactionFailed as error:
            raise RedactionDown("The answer could not be searched for personal data.") from error
        self._complete()
        self._ended = True
        return rest

    def _complete(self) -> None:
        """Accept the answer if the upstream ended it in words: finish reasons, or `[DONE]`. Silence is no end."""
        ended = self._assembly.finished(wanted=1) or (self._said_done and self._assembly.even)
        if not self._assembly.begun or not ended:
            raise self._failed(UpstreamCut("The upstream's stream ended before the answer was complete."))
        self._attempts.end(self._attempt)
