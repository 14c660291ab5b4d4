"""A real upstream over a socket that answers from a script: what tests of the gateway talk to."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

Step = bytes | float | str  # bytes are sent, a number is waited, "reset" and "close" end the connection


@dataclass
class Received:
    """One request as the upstream got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Upstream:
    """Answers each request with the next script, or with what `default` makes of it."""

    port: int = 0
    scripts: list[list[Step]] = field(default_factory=list)
    default: Callable[[Received], list[Step]] | None = None
    received: list[Received] = field(default_factory=list)
    open_connections: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def wait_closed(self, timeout_s: float = 20.0) -> bool:
        """Tell whether the gateway let go of every connection in time."""
        deadline = time.monotonic() + timeout_s
        while self.open_connections and time.monotonic() < deadline:
            time.sleep(0.01)
        return not self.open_connections

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_connections += 1
        try:
            while (request := await _request(reader)) is not None:
                self.received.append(request)
                steps = self.scripts.pop(0) if self.scripts else (self.default or _unscripted)(request)
                if not await self._play(steps, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()

    async def _play(self, steps: list[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        for step in steps:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, float | int):
                if await _left_within(reader, step):
                    return False
            else:
                if step == "reset":
                    writer.transport.abort()
                return False
        return True


async def _left_within(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Wait; a client that leaves meanwhile ends the waiting."""
    try:
        return await asyncio.wait_for(reader.read(1), seconds) == b""
    except TimeoutError:
        return False


async def _request(reader: asyncio.StreamReader) -> Received | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)


def _unscripted(_request: Received) -> list[Step]:
    return reply({"error": {"message": "the script is at its end", "type": "server_error", "code": None}}, 500)


def reply(body: object, status: int = 200, **headers: str) -> list[Step]:
    """A whole JSON reply."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    named = {"content-type": "application/json", "content-length": str(len(raw))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return [f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + raw]


def stream(*parts: object, done: bool = True, end: bool = True, joined: bool = False) -> list[Step]:
    """An event stream; numbers are pauses, `reset` and `close` cut it, bytes go as they are."""
    steps: list[Step] = [
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    ]
    for part in parts:
        if isinstance(part, bytes):
            steps.append(_chunk(part))
        elif isinstance(part, float | int | str):
            steps.append(part)
        else:
            steps.append(_chunk(b"data: " + orjson.dumps(part) + b"\n\n"))
    if done:
        steps.append(_chunk(b"data: [DONE]\n\n"))
    if end:
        steps.append(b"0\r\n\r\n")
    return [b"".join(s for s in steps if isinstance(s, bytes))] if joined else steps


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextmanager
def running_upstream() -> Iterator[Upstream]:
    """Run an upstream in a thread of its own."""
    upstream = Upstream()
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    stop = asyncio.Event()

    async def main() -> None:
        server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, limit=1 << 20)
        upstream.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    ready.wait(5)
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(5)
        loop.close()
