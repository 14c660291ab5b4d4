"""Connections with limits that the server itself does not have: on silence, slow heads and bodies, size, and load.

uvicorn alone never closes a connection that says nothing, sends a request drop by drop or does not read its answer.
"""

import asyncio
import math
import socket
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.errors import BadHttp, GatewayError, HeadTooLarge, Overloaded
from gateway.wire.exchange import FLOW, App
from gateway.wire.http11 import closed_by_peer, head_of, is_addressed, path_of, plain_reply, without_chunks

# How much of an answer waits before and in the system for a client that reads slowly; its own limits are far higher.
_UNSENT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_UNSENT_BYTES: Final = 4 * 1024
_AT_ONCE: Final = 50
_CALLS: Final = "/v1/"
_EMPTY: Final[dict[str, Any]] = {"type": "http", "http_version": "1.1", "method": "?", "path": "", "headers": []}


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What a connection may do. A body has a limit of its own besides, which answers with an error first."""

    silent_s: float = 30.0  # from the beginning to the first byte
    head_s: float = 10.0
    body_s: float = 31.0
    unread_s: float = 120.0  # the client takes nothing of its answer
    linger_s: float = 2.0  # what still comes after a refusal is read and dropped for so long
    drain_s: float = 1.0  # an idle connection may bring one more request while the worker stops
    head_bytes: int = 64 * 1024
    calls: int = 1000
    every_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Door:
    """What the connections of one worker share. `refuse` gives an app that answers and records one error."""

    limits: SocketLimits
    refuse: Callable[[GatewayError], App]

    def protocol(self) -> type[asyncio.Protocol]:
        """Return what uvicorn calls as the class of a connection."""
        return cast(type[asyncio.Protocol], lambda **given: Connection(self, **given))

    async def watch(self, connections: Iterable[Any]) -> None:
        """Close overdue connections, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.limits.every_s)
            # Those that would be overdue before the next look are closed now: the limits are upper bounds.
            soon = loop.time() + self.limits.every_s
            for number, connection in enumerate(list(connections), 1):
                connection.close_if_overdue(soon)
                if number % _AT_ONCE == 0:  # calls go on between
                    await asyncio.sleep(0)


class State(IntEnum):
    """Where the connection stands in reading a request."""

    WAITING = 0
    HEAD = 1
    BODY = 2
    DONE = 3
    BROKEN = 4


class Connection(HttpToolsProtocol):
    """One client connection. The usual request, which arrives in one piece, sets no clock at all."""

    def __init__(self, door: Door, **given: Any) -> None:
        super().__init__(**given)
        self._door, self._served = door, self.app
        self._state = State.WAITING
        self._timed = State.DONE  # the state that `_deadline` belongs to
        self._deadline = math.inf
        self._head_bytes = 0
        self._draining = False
        self._unsent = self._unsent_since = 0.0
        self._served_first: RequestResponseCycle | None = None  # where others wait behind it

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if _UNSENT is not None:
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, _UNSENT, _UNSENT_BYTES)
        transport.set_write_buffer_limits(high=_UNSENT_BYTES)
        self._within(self._door.limits.silent_s)

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        before = self.cycle if self._state is State.BODY else None
        had = len(before.body) if before else 0
        if before is None:
            self._head_bytes += len(data)
        self._feed(data)
        if self._broken:
            return
        state = self._state
        if state is State.BODY and before is self.cycle and len(before.body) == had and not before.response_complete:
            self._head_bytes += len(data)  # trailers
        if state is State.DONE:
            self._deadline = math.inf
            if self.cycle.response_complete:  # refused before it was all here; it may be followed by another
                self._state = State.WAITING
                self._within(self.timeout_keep_alive)
        elif self._head_bytes > self._door.limits.head_bytes:
            self._break(_too_large())
        elif state is State.BODY:
            self._time(state, self._door.limits.body_s)
        else:  # line ends before a request are part of its head
            self._time(State.HEAD, self._door.limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        first, self._served_first = self._served_first, None
        if first is not None:
            first.disconnected = True
            first.message_event.set()

    def _feed(self, data: bytes) -> None:
        """Parse what came. Who asks for another protocol is answered as if it had not: Java's client does so first."""
        self._unset_keepalive_if_required()
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserError:
                self.send_400_response("")
            except httptools.HttpParserUpgrade as asked:
                if self._state is State.HEAD:
                    head = head_of(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
                    data = head + data[asked.args[0] :]
                    continue
            return

    @property
    def _broken(self) -> bool:
        return self._state is State.BROKEN

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(Any, self.scope)[FLOW] = self.flow
        self._state = State.HEAD

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and any(name == b"upgrade" for name, _ in self.headers):
            return  # the parser takes no body of it
        refusal = self._refusal()
        if refusal is not None:
            self.app = cast(Any, self._door.refuse(refusal))
        if self.cycle is not None and not self.cycle.response_complete and not self.pipeline:
            self._served_first = self.cycle
        super().on_headers_complete()
        self.headers = cast(Any, deque(maxlen=0))  # trailers are no headers
        self._state, self._head_bytes = State.BODY, 0
        if self.cycle.scope["http_version"] == "1.0":
            without_chunks(self.cycle)
        if refusal is not None:
            self.app = self._served
        if self._draining or isinstance(refusal, BadHttp):
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        if self._state is State.HEAD:
            return
        super().on_message_complete()
        self._state = State.DONE

    def on_response_complete(self) -> None:
        if more := bool(self.pipeline):
            self._served_first = self.pipeline[-1][0]
        super().on_response_complete()
        if self._state is State.BROKEN:
            self._half_close()
        elif more or not self.cycle.response_complete:
            return
        elif self._draining:
            self.shutdown()
        elif self._state is State.BODY and not any(
            name == b"content-length" for name, _ in self.cycle.scope["headers"]
        ):
            self._state = State.BROKEN
            self._half_close()
        elif self._state is State.BODY:
            self._timed = State.BODY
            self._deadline = min(self._deadline, self.loop.time() + self._door.limits.linger_s)
        elif self._state is State.DONE:
            self._state = State.WAITING

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, or contradicts itself, in OpenAI's shape."""
        self._break(BadHttp("The request is not valid HTTP/1.1."))

    def shutdown(self) -> None:
        """Finish the request in flight; an idle connection gets a moment, as a request may be on its way."""
        self._draining = True
        if self.cycle is not None and not self.cycle.response_complete:
            # An answer that has begun did not say that the connection closes, so it stays for a moment after it.
            self.cycle.keep_alive = self.cycle.response_started and self.cycle.keep_alive
        elif self._state is not State.BROKEN:
            self._unset_keepalive_if_required()
            self._within(self._door.limits.drain_s)
            self._timed = State.HEAD

    def close_if_overdue(self, now: float) -> None:
        """Close the connection when its time is over; what we do not read ourselves is not the client's delay."""
        if self.flow.read_paused and self._state is not State.BROKEN:
            self._deadline += self._door.limits.every_s
        if (
            now > self._deadline
            or self._unread(now)
            or (self.pipeline and closed_by_peer(self.transport.get_extra_info("socket")))
        ):
            self.transport.abort()

    def _refusal(self) -> GatewayError | None:
        limits = self._door.limits
        if self._head_bytes > limits.head_bytes and self._head_size() > limits.head_bytes:
            return _too_large()
        if not is_addressed(self.headers, self.parser.get_http_version()):
            return BadHttp("The request must name one host, and nothing else, in its Host header.")
        if len(self.tasks) >= limits.calls and path_of(self.url).startswith(_CALLS):
            return Overloaded("This worker has its hands full; try again in a moment.", headers={"retry-after": "1"})
        return None

    def _head_size(self) -> int:
        """Return the bytes of the head alone: a body may have come with it."""
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _within(self, seconds: float) -> None:
        self._deadline = self.loop.time() + seconds

    def _time(self, state: State, seconds: float) -> None:
        """Start the clock of a state, once."""
        if self._timed is not state or self._deadline == math.inf:
            self._timed = state
            self._within(seconds)

    def _break(self, error: GatewayError) -> None:
        """Refuse what was sent and read nothing more from this connection."""
        self._state = State.BROKEN
        self._within(self._door.limits.linger_s)
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._start_asgi_task(self._new_cycle(), cast(Any, self._door.refuse(error)))
            return
        # Its record says that the client broke off; an answer that has begun cannot turn into an error.
        cycle.disconnected = True
        cycle.message_event.set()
        if not cycle.response_started:
            self.transport.write(plain_reply(error))
        self._half_close()

    def _new_cycle(self) -> RequestResponseCycle:
        self.cycle = RequestResponseCycle(
            scope=cast(Any, {**_EMPTY, "client": self.client}),
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        return self.cycle

    def _half_close(self) -> None:
        """End our side and go on reading for a moment: closing over unread bytes would take the answer back."""
        self._unset_keepalive_if_required()
        self._within(self._door.limits.linger_s)
        if not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def _unread(self, now: float) -> bool:
        """Tell whether the client has stopped reading for too long."""
        if not self.flow.write_paused:
            self._unsent = 0
            return False
        waiting = self.transport.get_write_buffer_size()
        if waiting != self._unsent:
            self._unsent, self._unsent_since = waiting, now
        return now - self._unsent_since > self._door.limits.unread_s


def _too_large() -> HeadTooLarge:
    return HeadTooLarge("The request line and headers are too large.")
