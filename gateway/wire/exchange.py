"""One HTTP request and its reply over ASGI: reads within limits, writes, and notices when the client leaves."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from time import perf_counter_ns
from typing import Any, Final, TypeVar

from gateway.errors import BadRequest, TooLarge
from gateway.wire.sse import KEEP_ALIVE

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

_T = TypeVar("_T")
FLOW: Final = "sluice.flow"  # the key of the scope under which a connection tells whether its client keeps up
# A call that is answered sooner never pays for the task that waits for the client to leave.
WATCH_AFTER_S: Final = 0.1
# A body whose length is not announced can only be refused after so much of it is held. OpenAI's clients announce it.
UNANNOUNCED_BYTES: Final = 2 * 1024 * 1024


class ClientLeft(Exception):
    """The client closed the connection before the request was complete."""


class Exchange:
    """The HTTP side of one call. When the client leaves, `gone` turns true and the governing task is cancelled."""

    __slots__ = (
        "_flow", "_receive", "_send", "_timer", "_watcher", "address", "gone", "headers", "method", "path", "started",
        "waited_ns",
    )  # fmt: skip

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self._receive, self._send, self._flow = receive, send, scope.get(FLOW)
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope.get("client")
        self.address: str = client[0] if client else ""
        self.gone = False
        self.started = False
        self.waited_ns = 0  # time spent waiting for a slow client
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def read(self, max_bytes: int, timeout_s: float) -> bytes:
        """Return the request body.

        Raises:
            TooLarge: it is longer than `max_bytes`, or than `UNANNOUNCED_BYTES` (found before it is all read).
            BadRequest: it did not arrive in time.
            ClientLeft: the client went away while sending.
        """
        announced = self.headers.get(b"content-length")
        if announced is None:
            max_bytes = min(max_bytes, UNANNOUNCED_BYTES)
        elif int(announced) > max_bytes:
            raise _too_large(max_bytes)
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        body: bytes = message.get("body", b"")
        if not message.get("more_body", False) and len(body) <= max_bytes:
            return body
        before = perf_counter_ns()
        try:
            async with asyncio.timeout(timeout_s):
                return await self._rest(body, message, max_bytes)
        except TimeoutError as error:
            raise BadRequestTimeout(f"The request body did not arrive within {timeout_s:g} seconds.") from error
        finally:
            self.waited_ns += perf_counter_ns() - before

    async def _rest(self, body: bytes, message: Message, max_bytes: int) -> bytes:
        parts, size = [body], len(body)
        while True:
            if size > max_bytes:
                raise _too_large(max_bytes)
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            parts.append(message.get("body", b""))
            size += len(parts[-1])

    def watch_client(self) -> None:
        """Cancel the current task when the client leaves from now on."""
        task = asyncio.current_task()
        assert task is not None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._start_watching, task)

    def unwatch(self) -> None:
        """Stop looking for the client: the answer is complete."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _start_watching(self, task: asyncio.Task[Any]) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._until_gone(task))

    async def _until_gone(self, task: asyncio.Task[Any]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        task.cancel("the client left")

    async def reply(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole reply."""
        await self._start(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self._send({"type": "http.response.body", "body": body})

    async def begin_stream(self, headers: Headers) -> None:
        """Start an event stream."""
        await self._start(200, [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache"), *headers])

    async def write(self, data: bytes) -> None:
        """Send a part of the stream; waits while the client reads slowly."""
        before = perf_counter_ns()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self.waited_ns += perf_counter_ns() - before

    @property
    def behind(self) -> bool:
        """Whether the client has not taken what it was sent; a further part would only wait in memory."""
        return self._flow is not None and self._flow.write_paused

    async def caught_up(self) -> None:
        """Wait until the client is no longer behind."""
        before = perf_counter_ns()
        if self._flow is not None:
            await self._flow.drain()
        self.waited_ns += perf_counter_ns() - before

    async def keep_alive_while(
        self, work: Coroutine[Any, Any, _T], headers: Callable[[], Headers], every_s: float
    ) -> _T:
        """Return what the work gives; while it lasts, send the client of a stream a comment now and then.

        The stream begins with the first comment, so an answer that comes sooner still chooses its status.
        """
        task = asyncio.get_running_loop().create_task(work)
        try:
            while not (await asyncio.wait({task}, timeout=every_s))[0]:
                if not self.started:
                    await self.begin_stream(headers())
                await self.write(KEEP_ALIVE)
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def end_stream(self, data: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": data})

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})


class BadRequestTimeout(BadRequest):
    status, code = 408, "request_timeout"


def _too_large(max_bytes: int) -> TooLarge:
    hint = " without a Content-Length" if max_bytes == UNANNOUNCED_BYTES else ""
    return TooLarge(f"The request body may have {max_bytes:,} bytes at most{hint}.")
