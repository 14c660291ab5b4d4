"""The upstream of every measurement: a bare HTTP server that answers at once, or streams a burst or a paced stream.

`python -m benchmarks.upstream PORT`. Model names choose the shape: `bench-model`, `burst-N`, `burst-N-lead`,
`paced-N-MS`. With `-now` the first token of a paced stream comes at once; with `-trail` its tokens are "word " instead
of " word".
"""

import asyncio
import itertools
import sys
from typing import cast

import httptools
import orjson
import uvloop

from benchmarks.payload import answer_body, stream_events

HEAD_JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
HEAD_SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Upstream(asyncio.Protocol):
    """One connection; keeps no state between requests but a counter."""

    counter = itertools.count()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.body = b""

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        number = next(self.counter)
        request = orjson.loads(self.body) if self.body else {}
        shape = str(request.get("model", "")).split("-")
        if not request.get("stream"):
            answer = answer_body(number)
            self.transport.write(HEAD_JSON % len(answer) + answer)
        elif shape[0] == "paced":
            self.task = asyncio.get_running_loop().create_task(self.paced(number, shape))
        else:
            chunks = int(shape[1]) if shape[0] == "burst" else 50
            events = stream_events(number, chunks, leading_space="lead" in shape)
            self.transport.write(HEAD_SSE + b"".join(map(framed, events)) + b"0\r\n\r\n")

    async def paced(self, number: int, shape: list[str]) -> None:
        chunks, gap_s = int(shape[1]), int(shape[2]) / 1000
        role, *events = stream_events(number, chunks, leading_space="trail" not in shape)
        self.transport.write(HEAD_SSE + framed(role))
        await asyncio.sleep(0.0 if "now" in shape else gap_s)
        for event in events:
            self.transport.write(framed(event))
            await asyncio.sleep(gap_s)
        self.transport.write(b"0\r\n\r\n")


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
