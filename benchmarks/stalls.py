"""`make bench-stalls`: how long one hostile request of 200 kB holds up the other requests of its worker.

Small requests run one after the other, a few milliseconds apart, first alone and then beside each hostile one. What is
told is how much later than planned they were done, in CPU time of the process (what a quiet machine shows) and by the
clock (which other programs slow down too).
"""

import asyncio
import base64
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import click
import uvloop

from benchmarks.redaction import KEY
from gateway.worker import share_the_interpreter, tune_garbage_collection
from policy.blocks_redaction import Redaction
from redaction.redactor import Redactor

SIZE = 200_000
PACE_S = 0.003
SMALL = {"messages": [{"role": "user", "content": "Hello, this is ada@example.com, please call 415-555-0132."}]}


def hostile() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give requests that cost much to look through, by name."""
    mails = [f"user{n}@example{n % 97}.com" for n in range(9000)]
    pieces = (base64.b64encode(f"mail me at user{n}@example.com now".encode()).decode() for n in range(5000))
    texts = {
        "many addresses": " ".join(mails),
        "account numbers with a wrong digit": "DE89 3704 0044 0532 0130 01 " * 8000,
        "card numbers with a wrong digit": "4111 1111 1111 1112 " * 10_000,
        "escapes in escapes": "%252561%252540" * 15_000,
        "escaped addresses": "%61%64%61%40%78%2e%63%6f%6d " * 8000,
        "base64": " ".join(pieces),
        "one long word": "aB3" * 70_000,
        "nothing but at signs": "a@" * SIZE,
        "zero-width characters": "ada\u200b@exam\u200bple.com " * 10_000,
        "letters of other scripts": "аdа@ехаmрlе.cоm " * 13_000,
        "streets": "12 Main Street, " * 13_000,
        "tokens begun": "eyJhbGciOiJIUzI1NiJ9." * 10_000,
        "thousands of JSON strings": json.dumps(mails)[: SIZE - 2].rpartition(",")[0] + "]",
    }
    for name, text in texts.items():
        yield name, {"messages": [{"role": "user", "content": text[:SIZE]}]}
    yield "thousands of messages", {"messages": [{"role": "user", "content": f"I am {mail}"} for mail in mails]}
    parts = [{"type": "text", "text": f"I am {mail} "} for mail in mails]
    yield "thousands of parts", {"messages": [{"role": "user", "content": parts}]}


async def late_ms(redactor: Redactor, beside: "asyncio.Task[Any]", least: int) -> list[tuple[float, float]]:
    """Give by how much small requests were late while a task runs, by CPU and clock; at least for so many of them."""
    late: list[tuple[float, float]] = []
    while not beside.done() or len(late) < least:
        cpu, clock = time.process_time() + PACE_S, time.perf_counter() + PACE_S
        await asyncio.sleep(PACE_S)
        await redactor.clear(SMALL, "chat.completions")
        late.append((max(0.0, time.process_time() - cpu) * 1000, (time.perf_counter() - clock) * 1000))
    return late


def say(name: str, value: str) -> None:
    """Print one line."""
    click.echo(f"{name:36} {value}")


def told(late: Sequence[tuple[float, float]]) -> str:
    """Say the middle, the 99th percentile and the longest."""
    said = []
    for name, times in zip(("CPU", "clock"), map(sorted, zip(*late, strict=True)), strict=True):
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        said.append(f"{name} p50 {p50:.1f} p99 {p99:.1f} max {times[-1]:.1f}")
    return f"late, ms: {', '.join(said)}"


async def measure() -> None:
    redactor = Redactor(Redaction(timeout_ms=10_000), KEY)
    for _ in range(2):  # what is compiled when it is first met would count as a stall
        idle = await late_ms(redactor, asyncio.create_task(asyncio.sleep(0)), 300)
        for _name, body in hostile():
            await redactor.clear({"messages": body["messages"][:50]}, "chat.completions")
    tune_garbage_collection()
    say("alone", told(idle))
    everything: list[tuple[float, float]] = []
    for name, body in hostile():
        fresh = Redactor(Redaction(timeout_ms=10_000), KEY)
        began = time.perf_counter()
        task = asyncio.create_task(fresh.clear(body, "chat.completions"))
        late = await late_ms(redactor, task, 1)
        await task
        say(name, f"{told(late)}; itself {(time.perf_counter() - began) * 1000:.0f} ms")
        everything += late
    say("beside all of them", told(everything))


@click.command(help=__doc__)
def main() -> None:
    share_the_interpreter()
    uvloop.run(measure())


if __name__ == "__main__":
    main()
