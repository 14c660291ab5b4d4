"""The floor: a bare ASGI pass-through on uvicorn with the gateway's own client, without governing anything.

`python -m benchmarks.passthrough PORT UPSTREAM_URL`
"""

import sys
from typing import Any

import orjson
import uvicorn

from gateway.providers.connection import Patience, Reply
from gateway.providers.http import Connections
from gateway.providers.openai import OpenAIProvider

PATIENCE = Patience(2, 30, 30, 120)


class PassThrough:
    """Parses and re-writes the JSON as any proxy must, forwards it, and relays the answer."""

    def __init__(self, upstream: str) -> None:
        self.upstream = OpenAIProvider("upstream", upstream, None, PATIENCE, Connections())

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        if scope["path"] == "/readyz":
            await respond(send, 200, b"{}")
            return
        request = orjson.loads(body)
        answer = await self.upstream.send("POST", scope["path"], orjson.dumps(request), {})
        if request.get("stream"):
            await relay(send, answer)
        else:
            await respond(send, answer.status, orjson.dumps(orjson.loads(await answer.read())))


async def relay(send: Any, answer: Reply) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    while (data := await answer.next()) is not None:
        await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def respond(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(
        PassThrough(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        loop="uvloop",
        http="httptools",
    )
