"""Measure the redaction engine: microseconds per request and per streamed chunk, and what it hides of clean text.

`python -m benchmarks.redaction [FILE.jsonl.gz ...]`; the files hold one object per line with its text under `t`.
"""

import asyncio
import gzip
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from policy.blocks_redaction import Redaction
from redaction.presidio.detectors import Detectors
from redaction.redactor import Redactor
from redaction.types import Vault

KEY = b"benchmark-key-of-thirty-two-byte"
HITS = (
    "Customer (maria.schmidt@example.org, phone +49 30 901820) wrote on 2024-11-22 that card 4111 1111 1111 1111 was "
    "charged twice for order ORD-2024-118273, IBAN DE89 3704 0044 0532 0130 00, server 10.20.30.40, call 415-555-0132. "
)
PROSE = (
    "We reviewed the complaint in detail and agreed that the refund should be issued soon. The customer has been with "
    "us for years, and said that the delivery was late and that the driver could not find the house in the dark. "
)


def best_us(run: Callable[[], object], calls: int, repeats: int = 7) -> float:
    """Give the least CPU time of one call, in microseconds."""
    times = []
    for _ in range(repeats):
        began = time.process_time_ns()
        for _ in range(calls):
            run()
        times.append((time.process_time_ns() - began) / calls / 1000)
    return min(times)


def request_us(redactor: Redactor, text: str, calls: int) -> float:
    """Measure one uncached text."""
    return best_us(lambda: redactor._finder.find(text), calls)


def chunk_us(redactor: Redactor, text: str) -> float:
    """Measure one streamed word."""
    events = [
        {"choices": [{"index": 0, "delta": {"content": f" {word}"}, "finish_reason": None}]} for word in text.split(" ")
    ]

    def run() -> None:
        screen = redactor.screen(Vault(), "chat.completions")
        for event in events:
            screen.chunk(event)
        screen.close()

    return best_us(run, 3) / len(events)


def call_us(redactor: Redactor, texts: Iterable[str]) -> float:
    """Measure a whole request whose texts were seen before."""
    body = {"messages": [{"role": "user", "content": text} for text in texts]}
    return best_us(lambda: asyncio.run(redactor.clear(body, "chat.completions")), 20) - best_us(
        lambda: asyncio.run(_nothing()), 20
    )


async def _nothing() -> None:
    return None


def hidden_share(redactor: Redactor, texts: Iterable[str]) -> tuple[int, float]:
    """Give the characters of texts and the share of them that patterns hide."""
    total = hidden = 0
    for text in texts:
        total += len(text)
        cleared = asyncio.run(redactor.clear_text(text))
        hidden += sum(one.end - one.start for one in cleared.findings if one.action == "pseudonym")
    return total, hidden / max(total, 1)


async def names_ms(texts: Sequence[str]) -> tuple[float, float, float]:
    """Give the median wall time of 3 kB requests with names: not seen before, with a new last turn, and of 200 kB."""
    detectors = Detectors(1)
    redactor = Redactor(Redaction(names="balanced", timeout_ms=60_000), KEY, detectors.detector())

    async def once(parts: Sequence[str]) -> float:
        began = time.perf_counter_ns()
        await redactor.clear({"messages": [{"role": "user", "content": part} for part in parts]}, "chat.completions")
        return (time.perf_counter_ns() - began) / 1e6

    try:
        await once(["Hello, this is Ada."])
        cold = statistics.median([await once([text]) for text in texts])
        again = statistics.median([await once([texts[0], f"And what about number {n}?"]) for n in range(30)])
        return cold, again, await once([("\n".join(texts) * 9)[:200_000]])
    finally:
        await detectors.close()


def main(paths: list[str]) -> None:
    """Print the figures."""
    redactor = Redactor(Redaction(), KEY)
    three = (HITS + PROSE * 20)[:3000]
    print(f"request, 3 kB with values, not seen before   {request_us(redactor, three, 50):9.1f} us")
    print(f"request, 3 kB clean, not seen before         {request_us(redactor, (PROSE * 20)[:3000], 200):9.1f} us")
    long = (three + PROSE * 14)[:6000] * 33
    print(f"request, 200 kB, values in every 6 kB        {request_us(redactor, long, 2) / 1000:9.1f} ms")
    print(f"request, 3 kB with values, seen before       {call_us(redactor, [three]):9.1f} us")
    print(f"streamed word of plain prose                 {chunk_us(redactor, PROSE * 5):9.1f} us")
    print(f"streamed word of prose with numbers          {chunk_us(redactor, HITS * 5):9.1f} us")
    for path in paths:
        lines = gzip.decompress(Path(path).read_bytes()).decode().splitlines()
        chars, share = hidden_share(redactor, [json.loads(line)["t"] for line in lines])
        print(f"{Path(path).name}: {chars} characters, patterns hide {share:.3%}")
        text = "\n".join(json.loads(line)["t"] for line in lines)
        cold, again, whole = asyncio.run(names_ms([text[at : at + 3000] for at in range(0, 90_000, 3000)]))
        print(f"names on: 3 kB {cold:.1f} ms, with only a short turn new {again:.1f} ms, 200 kB {whole:.0f} ms")


if __name__ == "__main__":
    main(sys.argv[1:])
