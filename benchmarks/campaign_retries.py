"""`make campaign-retries`: a storm of 429s, and an upstream that breaks and recovers.

The gateway may not make a storm worse: at most 1.2 requests upstream for each of the clients', no wait shorter than
asked. The breaker must open, fail fast, let one probe through, and close within a second of its cooldown.
"""

import asyncio
import json
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import click
import httptools
import orjson

from benchmarks.faulty_upstream import BUSY, whole
from benchmarks.hostile_requests import chat
from benchmarks.payload import answer_body
from benchmarks.rawhttp import Reply, ask
from benchmarks.servers import free_port
from benchmarks.stand import Figures, Stand, Tries, page_option, standing

COOLDOWN_S, FAILURES, RETRIES = 3.0, 5, 2
FAST_MS = 5.0
RATIO = 1.2
HEADING = "## make campaign-retries"
INTRODUCTION = (
    "Two workers and both ends on two busy cores. Clients call again as OpenAI's clients do, after what the reply asks."
)
BREAKER = f"{{failures: {FAILURES}, cooldown_s: {COOLDOWN_S}}}"
REPLIES = {
    "good": whole(answer_body(1)),
    "busy": whole(BUSY, "429 Too Many Requests", more="retry-after: 1\r\n"),
    "broken": whole(b'{"error": {"message": "broken"}}', "500 Internal Server Error"),
}


@dataclass
class Upstream:
    """Answers everything in its present mood, after `slow_s`, and notes when each request came."""

    mood: str = "good"
    slow_s: float = 0.0
    came: list[float] = field(default_factory=list)


class Connection(asyncio.Protocol):
    def __init__(self, upstream: Upstream) -> None:
        self.upstream, self.parser = upstream, httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        self.upstream.came.append(time.monotonic())
        reply = REPLIES[self.upstream.mood]
        asyncio.get_running_loop().call_later(self.upstream.slow_s, self.transport.write, reply)


@dataclass
class Campaign(Figures):
    stand: Stand
    upstream: Upstream

    async def call(self, model: str = "ok") -> Reply:
        return await ask(self.stand.port, chat(model=model), 30)


@asynccontextmanager
async def listening(upstream: Upstream, port: int) -> Any:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(upstream), "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


async def storm(campaign: Campaign, clients: int, seconds: float) -> None:
    """Let clients call through a storm as OpenAI's clients do: again when the reply says so, after what it asks."""
    upstream, ends = campaign.upstream, time.monotonic() + seconds
    replies: list[Reply] = []

    async def client() -> None:
        while time.monotonic() < ends:
            reply = await campaign.call()
            replies.append(reply)
            await asyncio.sleep(float(reply.headers.get("retry-after", "0.05")))

    upstream.mood, upstream.came = "busy", []
    await asyncio.gather(*(client() for _ in range(clients)))
    upstream.mood = "good"
    ratio, statuses = len(upstream.came) / len(replies), Counter(reply.status for reply in replies)
    campaign.say("storm of 429: clients, seconds", f"{clients}, {seconds:g}")
    campaign.say("requests of clients, and upstream", f"{len(replies)}, {len(upstream.came)}")
    campaign.say("upstream requests for each of the clients'", f"{ratio:.3f}", well=ratio <= RATIO)
    campaign.say("statuses", dict(statuses), well=set(statuses) == {429})
    told = sum(reply.headers.get("x-should-retry") == "false" for reply in replies)
    campaign.say("replies that tell the client not to retry", told)
    after = await asyncio.gather(*(campaign.call() for _ in range(clients)))
    campaign.say("calls that fail once it is over", sum(each.status != 200 for each in after))


def ends(data: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every recorded call with the worker that wrote it; `ts_us` is when it ended."""
    for path in sorted((data / "journal" / "meta").rglob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            event = orjson.loads(line)
            if event["kind"] == "call.end":
                yield path.name, {**event["body"], "ts_us": event["ts_us"]}


def waits(campaign: Campaign) -> None:
    """Read from the record how long was waited, in the order in which it was decided."""
    found: dict[str, list[tuple[float, float]]] = {}
    most = 0
    for worker, body in ends(campaign.stand.data):
        most = max(most, len(body.get("attempts") or ()))
        at_ms = body["ts_us"] / 1000
        for each in reversed(body.get("retries", ())):
            if each["then"] == "again":
                at_ms -= each["wait_ms"]
                found.setdefault(worker, []).append((at_ms, each["wait_ms"]))
    every = sorted(wait for each in found.values() for _, wait in each)
    if not every:
        campaign.bad.append("no retry was recorded")
        return
    equal = sum(one == other for one, other in pairwise(every))
    waves = [sorted(wait for _, wait in sorted(each)[:20]) for each in found.values() if len(each) > 1]
    closest = min(other - one for wave in waves for one, other in pairwise(wave))
    shortest = f"{every[0]:.0f} to {every[-1]:.0f} ms"
    campaign.say("retries, and their waits (1,000 ms asked)", f"{len(every)}, {shortest}", well=every[0] >= 1000)
    campaign.say("equal waits", equal, well=not equal)
    campaign.say("closest two of a worker's first 20", f"{closest:.1f} ms", well=closest > 1)
    campaign.say("most attempts of one call", most, well=most <= 1 + RETRIES)


async def breaker(campaign: Campaign) -> None:
    """Break the upstream, see the breaker open, mend it, see the breaker close."""
    upstream, model = campaign.upstream, "breaks"
    upstream.mood, upstream.came = "broken", []
    for _ in range(20):
        reply = await campaign.call(model)
        if b"upstream_unavailable" in reply.body:
            break
    opened = upstream.came[-1]
    sent = len(upstream.came)
    campaign.say("failures until the breaker opened", sent, well=sent == FAILURES)
    quick: list[float] = []
    while len(quick) < 200 and time.monotonic() < opened + COOLDOWN_S * 0.8:  # a slow machine asks less often
        quick.append((await campaign.call(model)).seconds * 1000)
    p99 = sorted(quick)[int(len(quick) * 0.99)]
    campaign.say("failing fast, connection included: p50, p99", f"{median(quick):.2f}, {p99:.2f} ms")
    campaign.say("requests upstream while it was open", len(upstream.came) - sent, well=len(upstream.came) == sent)
    campaign.say("/status says", status(campaign.stand), well=status(campaign.stand) == "open")
    upstream.mood, upstream.slow_s = "good", 0.3
    await asyncio.sleep(max(0.0, opened + COOLDOWN_S + 0.05 - time.monotonic()))
    probing = await asyncio.gather(*(campaign.call(model) for _ in range(50)))
    probes = len(upstream.came) - sent
    campaign.say("of 50 calls after the cooldown, sent as a probe", probes, well=probes == 1)
    answered = sum(reply.status == 200 for reply in probing)
    campaign.say("answered, and refused at once", f"{answered}, {50 - answered}", well=answered == 1)
    upstream.slow_s = 0.0
    for _ in range(500):
        if (await campaign.call(model)).status == 200:
            break
    closed_s = time.monotonic() - opened
    campaign.say("closed after (cooldown 3 s)", f"{closed_s:.2f} s", well=closed_s <= COOLDOWN_S + 1)
    fast(campaign)


def status(stand: Stand) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{stand.port}/status", timeout=5) as reply:
        return ", ".join(each["state"] for each in json.load(reply)["breakers"] if each["name"].endswith("breaks"))


def fast(campaign: Campaign) -> None:
    """Read from the record how long the gateway took to refuse."""
    calls = [body for _, body in ends(campaign.stand.data) if body.get("error_code") == "upstream_unavailable"]
    took = sorted(body["total_ms"] for body in calls if not body["attempts"])  # the others were tried before it opened
    if not took:
        campaign.bad.append("nothing was refused by a breaker")
        return
    p95, p99 = (took[int(len(took) * share)] for share in (0.95, 0.99))
    figures = f"{median(took):.2f}, {p95:.2f}, {p99:.2f} ms"
    # The last hundredth belongs to whatever else the machine does.
    campaign.say("failing fast, in the gateway: p50, p95, p99", figures, well=p95 < FAST_MS)


async def run(campaign: Campaign, port: int, clients: int, seconds: float) -> None:
    async with listening(campaign.upstream, port):
        await storm(campaign, clients, seconds)
        waits(campaign)
        await breaker(campaign)


@click.command()
@click.option("--clients", default=200, show_default=True)
@click.option("--seconds", default=30.0, show_default=True, help="Length of the storm.")
@page_option
def main(clients: int, seconds: float, page: Path | None) -> None:
    """Count what retries and breakers do; exit 1 when a figure is missed."""
    port = free_port()
    address = f"http://127.0.0.1:{port}/v1"
    with standing(
        first_byte_s=10.0, tries=Tries(RETRIES, BREAKER, connect_s=10.0), SLUICE_BENCH_BASE_URL=address
    ) as stand:
        campaign = Campaign(stand, Upstream())
        asyncio.run(run(campaign, port, clients, seconds))
    campaign.end(page, HEADING, INTRODUCTION)


if __name__ == "__main__":
    main()
