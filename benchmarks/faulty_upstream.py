"""An upstream that misbehaves on demand: the model's name says how. `python -m benchmarks.faulty_upstream PORT`.

`ok`, `words-N-MS` (N words, one each MS milliseconds) behave; every other name is a fault; `cut-N-fin` and `cut-N-rst`
end a stream of ten words after N bytes of its body.
"""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Awaitable, Callable

import httptools
import orjson

from benchmarks import malformed
from benchmarks.payload import answer_body, stream_events

SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PLAIN_SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
BUSY = b'{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}'
EMBEDDING = b'{"object":"list","model":"ok","data":[{"index":0,"embedding":[0.5]}],"usage":{"prompt_tokens":3}}'
MIB = 1 << 20
FOREVER_S = 3600.0


def whole(body: bytes, status: str = "200 OK", kind: str = "application/json", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def events(words: int = 10) -> list[bytes]:
    return stream_events(1, words, leading_space=True)


def streamed(*parts: bytes) -> bytes:
    return SSE + b"".join(map(chunk, parts)) + b"0\r\n\r\n"


def odd(choices: object) -> bytes:
    return b"data: " + orjson.dumps({"id": "c", "object": "chat.completion.chunk", "choices": choices}) + b"\n\n"


HEAD = events()[0]
WORDS = events()[1:4]
# Bodies of streams, each sent whole; what is wrong with them is in their names.
STREAMS: dict[str, bytes] = {
    "no-done": streamed(*WORDS),
    "empty-stream": streamed(),
    "only-done": streamed(b"data: [DONE]\n\n"),
    "bad-json": streamed(HEAD, b'data: {"choices": [{"delta"\n\n'),
    "half-utf8": streamed(HEAD, b'data: {"choices":[{"index":0,"delta":{"content":"\xc3"}}]}\n\n'),
    "not-an-object": streamed(HEAD, b"data: [1,2]\n\n"),
    "error-event": streamed(HEAD, b'data: {"error":{"message":"overloaded","code":"overloaded"}}\n\n'),
    "text-choices": streamed(HEAD, odd("choices")),
    "number-choice": streamed(HEAD, odd([1])),
    "list-delta": streamed(HEAD, odd([{"index": 0, "delta": ["a"]}])),
    "list-index": streamed(HEAD, odd([{"index": [], "delta": {"content": "a"}}])),
    "text-index": streamed(HEAD, odd([{"index": "x", "delta": {"content": "a"}}])),
    "text-tools": streamed(HEAD, odd([{"index": 0, "delta": {"tool_calls": "x"}}])),
    "number-content": streamed(HEAD, odd([{"index": 0, "delta": {"content": 7}}])),
    "list-usage": streamed(HEAD, b'data: {"choices":[],"usage":[1]}\n\n'),
    "text-usage": streamed(HEAD, b'data: {"choices":[],"usage":{"prompt_tokens":"x"}}\n\n'),
    "deep-event": streamed(HEAD, b'data: {"choices":[{"index":0,"delta":{"x":' + b"[" * 5000 + b"\n\n"),
    "html-stream": whole(b"<html>gateway error</html>", kind="text/html"),
}
BODIES: dict[str, bytes] = {
    "html": whole(b"<html>gateway error</html>", kind="text/html"),
    "empty": whole(b""),
    "no-choices": whole(b'{"id":"x","choices":[]}'),
    "null-choices": whole(b'{"id":"x","choices":null}'),
    "number-choices": whole(b'{"id":"x","choices":[1,2]}'),
    "text-message": whole(b'{"id":"x","choices":[{"index":0,"message":"hi","finish_reason":"stop"}]}'),
    "list-usage-body": whole(b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":[1]}'),
    "list": whole(b"[1,2,3]"),
    "nan": whole(b'{"choices": NaN}'),
    "error-200": whole(b'{"error":{"message":"no"}}'),
    "busy": whole(BUSY, "429 Too Many Requests", more="retry-after: 1\r\n"),
    "broken-500": whole(b"oops", "500 Internal Server Error", "text/plain"),
    "redirect": whole(b"", "302 Found", more="location: http://127.0.0.1:1/\r\n"),
    "not-http": b"hello there\r\n\r\n",
    "short-body": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{",
    "bad-chunk": SSE + b"zz\r\n",
}
WHOLE = {**STREAMS, **BODIES}


class Connection(asyncio.Protocol):
    """Answers one request after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.writable = asyncio.Event()
        self.writable.set()
        self.parser, self.body = httptools.HttpRequestParser(self), b""
        self.task: asyncio.Task[None] | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.body = self.authorization = b""

    def on_url(self, url: bytes) -> None:
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self.authorization = value

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        request = orjson.loads(self.body) if self.body else {}
        self.task = asyncio.get_running_loop().create_task(self.answer(request))

    async def send(self, data: bytes) -> None:
        self.transport.write(data)
        await self.writable.wait()

    async def answer(self, request: dict[str, object]) -> None:
        name, _, rest = str(request.get("model", "ok")).partition("-")
        act = ACTS.get(name)
        if act is not None:
            await act(self, rest, bool(request.get("stream")))
            return
        full = str(request.get("model"))
        if full in WHOLE:
            await self.send(WHOLE[full])
            if full in ("not-http", "short-body", "bad-chunk"):
                self.transport.close()
        elif request.get("stream"):
            await self.send(streamed(*events()))
        else:
            await self.send(whole(EMBEDDING if self.url.endswith(b"/embeddings") else answer_body(1)))


async def hang(to: Connection, _rest: str, _stream: bool) -> None:
    await asyncio.sleep(FOREVER_S)


async def wait(to: Connection, rest: str, _stream: bool) -> None:
    """Answer after so many seconds."""
    await asyncio.sleep(float(rest))
    await to.send(whole(answer_body(1)))


def broken(transport: asyncio.Transport) -> None:
    """Close with a reset."""
    given = transport.get_extra_info("socket")
    given.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def echo(to: Connection, rest: str, _stream: bool) -> None:
    """Refuse with a status, and say in the message which key came and what it asked; 200: repeat what was asked."""
    if rest == "200":
        answer = orjson.loads(answer_body(1))
        answer["choices"][0]["message"]["content"] = to.body.decode("utf-8", "replace")
        await to.send(whole(orjson.dumps(answer)))
        return
    said = f"Incorrect API key provided: {to.authorization.decode('latin-1')} for {to.body.decode('utf-8', 'replace')}"
    await to.send(whole(orjson.dumps({"error": {"message": said, "type": "x", "code": said}}), f"{rest} Refused"))


async def reset(to: Connection, _rest: str, _stream: bool) -> None:
    broken(to.transport)


async def stall(to: Connection, _rest: str, stream: bool) -> None:
    """Begin an answer and say nothing more."""
    await to.send(SSE + chunk(HEAD) + chunk(WORDS[0]) if stream else BODIES["short-body"])
    await asyncio.sleep(FOREVER_S)


async def words(to: Connection, rest: str, _stream: bool) -> None:
    count, gap_ms = (int(part) for part in rest.split("-"))
    await to.send(SSE)
    for event in events(count):
        await to.send(chunk(event))
        await asyncio.sleep(gap_ms / 1000)
    await to.send(b"0\r\n\r\n")


async def cut(to: Connection, rest: str, _stream: bool) -> None:
    """End the stream after so many bytes."""
    at, how = rest.split("-")
    await to.send(PLAIN_SSE + b"".join(events())[: int(at)])
    await asyncio.sleep(0.01)
    broken(to.transport) if how == "rst" else to.transport.close()


async def bytewise(to: Connection, rest: str, _stream: bool) -> None:
    """Send a stream in pieces of so many bytes."""
    body, size = b"".join(events()), int(rest)
    await to.send(PLAIN_SSE)
    for at in range(0, len(body), size):
        await to.send(body[at : at + size])
    to.transport.close()


async def made(to: Connection, rest: str, _stream: bool) -> None:
    """Send a stream with seeded mistakes: whole, or in pieces of so many bytes."""
    number, size = (int(part) for part in rest.split("-"))
    body = malformed.made(number).body
    await to.send(PLAIN_SSE)
    for at in range(0, len(body), size or len(body)):
        await to.send(body[at : at + (size or len(body))])
    to.transport.close()


async def twice(to: Connection, rest: str, _stream: bool) -> None:
    """Send a stream in two pieces, cut at this byte."""
    body, at = b"".join(events()), int(rest)
    await to.send(PLAIN_SSE + body[:at])
    await asyncio.sleep(0.002)
    await to.send(body[at:])
    to.transport.close()


async def mute(to: Connection, _rest: str, _stream: bool) -> None:
    """Send a few words at once and then nothing more."""
    await to.send(SSE + chunk(b"".join(events()[:4])))
    await asyncio.sleep(FOREVER_S)


async def long(to: Connection, rest: str, _stream: bool) -> None:
    """Send one event of so many MiB that never ends, in pieces of a packet."""
    await to.send(PLAIN_SSE + b"data: ")
    for _ in range(int(rest) * MIB // 1400):
        await to.send(b"x" * 1400)
    await asyncio.sleep(FOREVER_S)


async def flood(to: Connection, rest: str, _stream: bool) -> None:
    """Stream so many MiB of words as fast as they are taken."""
    await to.send(SSE)
    event = events(1)[1].replace(b'"content":" ', b'"content":"' + b"word " * 800)
    for _ in range(int(rest) * MIB // len(event)):
        await to.send(chunk(event))
    await to.send(b"".join(map(chunk, events()[-3:])) + b"0\r\n\r\n")


async def tokens(to: Connection, rest: str, _stream: bool) -> None:
    """Stream so many MiB of events of a word each, as fast as they are taken."""
    await to.send(SSE)
    event = chunk(events(1)[1])
    for _ in range(int(rest) * MIB // len(event) // 50):
        await to.send(event * 50)
    await to.send(b"".join(map(chunk, events()[-3:])) + b"0\r\n\r\n")


Act = Callable[[Connection, str, bool], Awaitable[None]]
ACTS: dict[str, Act] = {
    "hang": hang,
    "wait": wait,
    "echo": echo,
    "reset": reset,
    "stall": stall,
    "words": words,
    "cut": cut,
    "bytewise": bytewise,
    "made": made,
    "twice": twice,
    "mute": mute,
    "long": long,
    "flood": flood,
    "tokens": tokens,
}


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1])))
