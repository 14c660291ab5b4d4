"""One HTTP/1.1 connection to an upstream, and the reply that is on its way over it."""

import asyncio
import math
import zlib
from collections import deque
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final, NamedTuple, cast

import httptools

from gateway.errors import UpstreamError, UpstreamTimeout

MAX_REPLY_BYTES: Final = 128 * 1024 * 1024
READ_BYTES: Final = 16 * 1024  # what one read brings; held several times over on its way to a slow client
_FIRST_BYTES: Final = 8 * 1024  # and at first, until it is known that the client keeps up
_AHEAD_BYTES: Final = 1024  # and while the client does not
_UNREAD_BYTES: Final = 4 * 1024  # taken at once, beside that
_UNWANTED_BYTES: Final = 512  # and while nobody waits for it
_MAX_HEAD_BYTES: Final = 256 * 1024
_KEPT_ALIVE_S: Final = 15.0
_ANY_ZIP: Final = 47  # tells zlib to see by itself whether data is gzip or zlib


class Patience(NamedTuple):
    """Seconds: to connect, to the head and again to the body's first byte, between two bytes, for the whole reply."""

    connect_s: float
    first_byte_s: float
    idle_s: float
    total_s: float


class Reply:
    """A reply whose body is read with limits: on bytes, on silence, and on the time of the whole reply."""

    __slots__ = (
        "_bytes", "_connection", "_error", "_fields", "_headers", "_parts", "_unread", "_unzip",
        "begun", "complete", "ends_s", "patience", "reads", "status", "waiter",
    )  # fmt: skip

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.status = 0
        self.complete = self.begun = False
        self.reads = 0
        self.ends_s = monotonic() + patience.total_s
        self._connection: Connection | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._headers: Mapping[str, str] | None = None
        self._parts: list[bytes] = []
        self._unread = self._bytes = 0
        self._unzip: Any = None
        self._error: UpstreamError | None = None
        self.waiter: asyncio.Future[None] | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """Header values by lower-case name; of several the last."""
        if self._headers is None:
            self._headers = {name.decode("latin-1").lower(): text.decode("latin-1") for name, text in self._fields}
        return self._headers

    async def read(self) -> bytes:
        """Return the whole body."""
        parts = []
        while (part := await self.next()) is not None:
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def next(self) -> bytes | None:
        """Return all bytes that are there, waiting for the first of them."""
        while not self._parts and not self.complete and self._error is None:
            await self._wait()
        if not self._parts:
            if self._error is not None:
                raise self._error
            return None
        part = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._bytes += len(part)
        self.reads += 1
        self._taken()
        if monotonic() > self.ends_s:
            self.close()
            raise UpstreamTimeout("The upstream did not finish its answer in time.")
        if self._bytes > MAX_REPLY_BYTES:
            self.close()
            raise UpstreamError("The upstream's reply is too large.", code="upstream_too_large")
        return part

    def close(self) -> None:
        """Close the connection unless its reply was read to the end."""
        if self._connection is not None:
            self._connection.abort()

    # What follows is for the connection.

    async def started(self, connection: "Connection") -> None:
        """Wait for the head."""
        self._connection = connection
        try:
            while not self.status and self._error is None:
                await self._wait()
        except BaseException:
            self.close()
            raise
        if self._error is not None:
            raise self._error

    def take_head(self, status: int, fields: list[tuple[bytes, bytes]]) -> None:
        self.status, self._fields = status, fields
        zipped = next((text.lower() for name, text in fields if name.lower() == b"content-encoding"), b"identity")
        if zipped in (b"gzip", b"deflate"):  # we asked for neither
            self._unzip = zlib.decompressobj(_ANY_ZIP)
        self._wake()

    def take(self, part: bytes) -> bool:
        """Take a part of the body; return whether enough is there for now."""
        self.begun = True
        if self._unzip is not None:
            part = self._unzip.decompress(part, MAX_REPLY_BYTES + 1)
        if part:
            self._parts.append(part)
            self._unread += len(part)
            self._wake()
        return self._unread > (_UNREAD_BYTES if self.waiter is not None else _UNWANTED_BYTES)

    def end(self, error: UpstreamError | None = None) -> None:
        """End the reply; the connection is not ours any more."""
        self.complete, self._error, self._connection = error is None, error, None
        self._wake()

    def framed(self) -> bool:
        """Say whether the head told where the body ends."""
        known = {name.lower() for name, _ in self._fields}
        return b"content-length" in known or b"transfer-encoding" in known

    def _taken(self) -> None:
        if self._unread > _UNWANTED_BYTES and self._connection is not None:
            self._connection.resume()
        self._unread = 0

    async def _wait(self) -> None:
        self.waiter = asyncio.get_running_loop().create_future()
        try:
            await self.waiter
        finally:
            self.waiter = None

    def _wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Connection(asyncio.BufferedProtocol):
    """One connection: a reply at a time. One timer watches over it, and is set anew only when it rings.

    All connections read into one `buffer`: what a read brought is taken out before anybody else reads.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, idle: "deque[Connection]", buffer: memoryview) -> None:
        self._loop, self._idle, self._buffer = loop, idle, buffer
        self._first, self._ahead = buffer[:_FIRST_BYTES], buffer[:_AHEAD_BYTES]
        self._transport = cast(asyncio.Transport, None)
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._fields: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._rings = self._deadline = 0.0
        self._paused = self.closed = False

    def ask(self, data: bytes, reply: Reply) -> None:
        """Send a request; its reply goes into `reply`."""
        self._reply, self._head_bytes = reply, 0
        self._within(reply.patience.first_byte_s)
        self._transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        self._lost(UpstreamError("The upstream closed the connection.", code="upstream_disconnected"))
        self._transport.abort()

    def resume(self) -> None:
        """Read on after a pause; what we did not read was not the upstream's silence."""
        if self._paused and self._reply is not None:
            self._paused = False
            self._within(self._reply.patience.idle_s)
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        reply = self._reply
        if reply is not None and reply.waiter is None:
            return self._ahead
        return self._buffer if reply is None or reply.reads > 3 else self._first

    def buffer_updated(self, nbytes: int) -> None:
        reply = self._reply
        if reply is None:  # nobody asked
            self.abort()
            return
        had_head = reply.status
        self._head_bytes += 0 if had_head else nbytes
        try:
            self._parser.feed_data(self._buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, zlib.error):
            self._broken()
            return
        if self._reply is reply and not self._paused:
            if not reply.status and self._head_bytes > _MAX_HEAD_BYTES:
                self._broken()
                return
            if reply.begun:
                self._within(reply.patience.idle_s)
            elif reply.status and not had_head:  # what drips wins no time
                self._within(reply.patience.first_byte_s)

    def connection_lost(self, exc: Exception | None) -> None:
        reply = self._reply
        if exc is None and reply is not None and reply.status and not reply.framed():
            self._reply = None
            reply.end()
        text = "The upstream's reply broke off." if reply and reply.status else "The upstream closed the connection."
        self._lost(UpstreamError(text, code="upstream_disconnected"))
        self._parser = cast(httptools.HttpResponseParser, None)  # it holds us, and nobody would collect the two

    # What the parser tells.

    def on_message_begin(self) -> None:
        if self._reply is None:  # a second reply to one request: nothing here can be trusted any more
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        status, fields, self._fields = self._parser.get_status_code(), self._fields, []
        if self._reply is not None and status >= 200:
            self._reply.take_head(status, fields)

    def on_body(self, part: bytes) -> None:
        if self._reply is not None and self._reply.take(part) and not self._paused:
            self._paused, self._deadline = True, math.inf
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        reply = self._reply
        if reply is None or not reply.status:  # only said that the reply is on its way
            return
        if self._paused:
            self.resume()
        self._reply, self._fields = None, []
        reply.end()
        taken = not self._transport.get_write_buffer_size()  # else it may never read the rest
        if taken and self._parser.should_keep_alive() and not self.closed:
            self._within(_KEPT_ALIVE_S)
            self._idle.append(self)
        else:
            self.closed = True
            self._transport.close()

    def _broken(self) -> None:
        self._lost(UpstreamError("The upstream's reply is not HTTP.", code="upstream_invalid_response"))
        self._transport.abort()

    def _lost(self, error: UpstreamError) -> None:
        self.closed = True
        reply, self._reply = self._reply, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if reply is not None:
            reply.end(error)

    def _within(self, seconds: float) -> None:
        deadline = self._loop.time() + seconds
        self._deadline = deadline if self._reply is None else min(deadline, self._reply.ends_s)
        if self._timer is None or self._deadline < self._rings:
            self._wind()

    def _wind(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = self._deadline
        self._timer = self._loop.call_at(self._rings, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._deadline == math.inf:
            return
        if self._deadline > self._loop.time():
            self._wind()
        else:
            self._lost(UpstreamTimeout("The upstream did not answer in time."))
            self._transport.abort()
