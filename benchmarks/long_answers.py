"""How long one hostile answer of 200 kB holds up the other calls of its worker, over HTTP; part of `make bench-stalls`.

The upstream answers with the texts of `benchmarks.stalls`, whole and as a stream of pieces of 50 kB. A second client
calls all the time, 3 ms after its last answer. What is told is how long its calls took, alone and meanwhile.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import click
import orjson

from benchmarks.payload import USAGE
from benchmarks.rawhttp import ask
from benchmarks.servers import ROOT, free_port, started, wait_ready
from benchmarks.stalls import PACE_S, hostile, say
from benchmarks.stand import KEY, SLUICE, environment_of
from benchmarks.upstream import HEAD_JSON, HEAD_SSE, Upstream, framed

PIECE = 50_000
LIMIT_S = 60.0


def texts() -> dict[str, str]:
    """Give the hostile texts that are one text."""
    bodies = ((name, body["messages"]) for name, body in hostile())
    return {name: said[0]["content"] for name, said in bodies if len(said) == 1 and isinstance(said[0]["content"], str)}


class Hostile(Upstream):
    """Answers the model `hostile-N` with the text of that number, and every other one in a word."""

    def on_message_complete(self) -> None:
        request = orjson.loads(self.body)
        shape = str(request["model"]).split("-")
        text = [*texts().values()][int(shape[1])] if shape[0] == "hostile" else "Yes."
        answer = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_760_000_000, "model": "bench"}
        if not request.get("stream"):
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            data = orjson.dumps({**answer, "choices": [choice], "usage": USAGE})
            self.transport.write(HEAD_JSON % len(data) + data)
            return
        deltas = [({"content": text[at : at + PIECE]}, None) for at in range(0, len(text), PIECE)]
        events = [
            {**answer, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
            for delta, end in (*deltas, ({}, "stop"))
        ]
        sent = [b"data: " + orjson.dumps(event) + b"\n\n" for event in events]
        self.transport.write(HEAD_SSE + b"".join(map(framed, [*sent, b"data: [DONE]\n\n"])) + b"0\r\n\r\n")


def call(model: str, *, stream: bool = False) -> bytes:
    """Give the bytes of a call."""
    body = orjson.dumps({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Go on."}]})
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(body)}"
    )
    return f"{head}\r\ncontent-type: application/json\r\n\r\n".encode() + body


async def meanwhile(port: int, beside: "asyncio.Task[object]", least: int) -> list[float]:
    """Call until a task is done, at least so many times; give how many milliseconds each call took."""
    took: list[float] = []
    while not beside.done() or len(took) < least:
        await asyncio.sleep(PACE_S)
        reply = await ask(port, call("bench-model"), LIMIT_S)
        if reply.status != 200:
            raise RuntimeError(f"a small call was answered with {reply.status}")
        took.append(reply.seconds * 1000)
    return took


def told(took: list[float]) -> str:
    """Say the middle and the longest."""
    return f"others took, ms: p50 {sorted(took)[len(took) // 2]:.0f} max {max(took):.0f}"


async def measure(port: int, upstream: int) -> None:
    server = await asyncio.get_running_loop().create_server(Hostile, "127.0.0.1", upstream)
    async with server:
        for _ in range(2):
            alone = await meanwhile(port, asyncio.create_task(asyncio.sleep(0)), 200)
        say("alone", told(alone))
        for number, name in enumerate(texts()):
            for stream in (False, True):
                began = time.perf_counter()
                task = asyncio.create_task(ask(port, call(f"hostile-{number}", stream=stream), LIMIT_S))
                took = await meanwhile(port, task, 1)
                itself = f"itself {(time.perf_counter() - began) * 1000:.0f} ms, HTTP {(await task).status}"
                say(f"{name}{', streamed' if stream else ''}", f"{told(took)}; {itself}")


@click.command(help=__doc__)
def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sluice-stalls-") as folder:
        upstream = free_port()
        env = environment_of(Path(folder), ROOT / "benchmarks/policies/structured", upstream, SLUICE_WORKERS="1")
        with started([SLUICE, "gateway"], int(env["SLUICE_PORT"]), env=env):
            wait_ready(int(env["SLUICE_PORT"]), "/readyz")
            asyncio.run(measure(int(env["SLUICE_PORT"]), upstream))


if __name__ == "__main__":
    main()
