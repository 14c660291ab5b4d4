"""A client for campaigns that sends bytes as they are and judges the reply: its shape, its time, its id."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import httptools
import orjson


@dataclass
class Reply:
    """One reply; status 0 when the connection closed without one."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0
    complete: bool = False
    came: list[float] = field(default_factory=list)  # when each part of the body did

    @property
    def call_id(self) -> str | None:
        return self.headers.get("x-sluice-call-id")

    @property
    def openai_error(self) -> bool:
        """Tell whether the body is an error in OpenAI's shape."""
        with contextlib.suppress(orjson.JSONDecodeError, TypeError, AttributeError):
            return set(orjson.loads(self.body)["error"]) == {"message", "type", "param", "code"}
        return False

    # Callbacks of the parser.
    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body
        self.came.append(time.perf_counter())

    def on_message_complete(self) -> None:
        self.complete = True


async def _pour(writer: asyncio.StreamWriter, data: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        for at in range(0, len(data), 1 << 18):
            writer.write(data[at : at + (1 << 18)])
            await writer.drain()


async def ask(port: int, data: bytes, limit_s: float = 10.0, into: Reply | None = None) -> Reply:
    """Send bytes over a connection of their own and read one reply, which can be watched as it grows."""
    reply, began = into or Reply(), time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    pouring = asyncio.create_task(_pour(writer, data))
    parser = httptools.HttpResponseParser(reply)
    try:
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(limit_s):
                while not reply.complete and (part := await reader.read(1 << 16)):
                    parser.feed_data(part)
    finally:
        pouring.cancel()
        writer.transport.abort()
    reply.seconds = time.perf_counter() - began
    reply.status = parser.get_status_code() if reply.headers else 0
    await asyncio.gather(pouring, return_exceptions=True)
    return reply
