"""The load: raw asyncio connections that send, wait for the whole answer, and check it.

Every connection has one request in flight. Runs in a process of its own, so that its CPU is never counted.
`python -m benchmarks.load JSON` prints one JSON object.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field

import httptools
import uvloop

from benchmarks.payload import request_body

CONTENT = re.compile(rb'"delta":\s*\{[^{}]*"content":\s*"[^"]')
WORD = re.compile(rb'"delta":\s*\{[^{}]*"content":\s*"\s*[^"\s]')


@dataclass
class Load:
    """What to send: `calls` requests over `connections`; or one each 1/`rate_hz` seconds when a rate is given.

    Users' texts always differ; with `fresh` the system prompts do too, so that nothing was ever seen before.
    """

    port: int
    calls: int
    connections: int = 1
    stream: bool = False
    model: str = "bench-model"
    key: str = "sk-bench"
    rate_hz: float = 0.0
    first: int = 0
    fresh: bool = False


@dataclass
class Result:
    """Latencies in milliseconds; `events` counts server-sent data events.

    A first token is the first content of any kind; a first word has more than white space in it.
    """

    ok: int = 0
    failed: int = 0
    events: int = 0
    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    first_token_ms: list[float] = field(default_factory=list)
    first_word_ms: list[float] = field(default_factory=list)


class Answer:
    """Parses one HTTP answer; `done` resolves when it is complete."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.parser = httptools.HttpResponseParser(self)
        self.length, self.events, self.first_token_s, self.first_word_s = 0, 0, 0.0, 0.0
        self.tail = b""

    def on_body(self, body: bytes) -> None:
        self.length += len(body)
        if not self.first_token_s and CONTENT.search(body):
            self.first_token_s = time.perf_counter()
        if not self.first_word_s and WORD.search(body):
            self.first_word_s = time.perf_counter()
        self.events += body.count(b"data: ")
        self.tail = (self.tail + body)[-512:]

    def on_message_complete(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.answer: Answer | None = None

    def data_received(self, data: bytes) -> None:
        if self.answer is not None:
            self.answer.parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answer is not None and not self.answer.done.done():
            self.answer.done.set_exception(ConnectionError("closed"))


def wire(load: Load, number: int) -> bytes:
    body = request_body(number, stream=load.stream, model=load.model, fresh=load.fresh)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{load.port}\r\nauthorization: Bearer {load.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def one(connection: Connection, load: Load, number: int, result: Result) -> None:
    data = wire(load, number)
    answer = connection.answer = Answer()
    started = time.perf_counter()
    connection.transport.write(data)  # type: ignore[attr-defined]
    await asyncio.wait_for(answer.done, 60)
    result.latencies_ms.append((time.perf_counter() - started) * 1e3)
    if answer.first_token_s:
        result.first_token_ms.append((answer.first_token_s - started) * 1e3)
        result.first_word_ms.append((answer.first_word_s - started) * 1e3)
    good = answer.parser.get_status_code() == 200 and (b"[DONE]" in answer.tail if load.stream else answer.length > 600)
    result.ok += good
    result.failed += not good
    result.events += answer.events


async def run(load: Load) -> Result:
    loop, result, numbers = asyncio.get_running_loop(), Result(), iter(range(load.first, load.first + load.calls))
    started = time.perf_counter()

    async def client() -> None:
        _, connection = await loop.create_connection(Connection, "127.0.0.1", load.port)
        for number in numbers:
            if load.rate_hz:
                await asyncio.sleep(max(0.0, started + (number - load.first) / load.rate_hz - time.perf_counter()))
            await one(connection, load, number, result)
        connection.transport.close()

    await asyncio.gather(*(client() for _ in range(load.connections)))
    result.seconds = time.perf_counter() - started
    return result


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(uvloop.run(run(Load(**json.loads(sys.argv[1])))))))
