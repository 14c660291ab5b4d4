"""More calls than a worker takes: what is refused, how soon, and what that costs those it took."""

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp
import psutil

from benchmarks.hostile_requests import KEY, chat
from benchmarks.rawhttp import Reply, ask
from benchmarks.stand import say

FITS = 1000  # calls that one worker takes at once
ANSWERED_S = 40.0  # what each takes, so that 25 a second fit
TIMES = 10
SOON_MS = 50.0
SLOWER = 2.0
MAX_MIB = 16.0
TICK_S = 0.02


@dataclass
class Pressed:
    """What became of the calls."""

    accepted_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    untold: int = 0  # refused without a word on when to come back
    other: int = 0


async def pressure(port: int, worker: psutil.Process, seconds: float, bad: list[str]) -> None:
    """Ask for ten times what fits, call after call, whatever becomes of those before."""
    pressed, asking, sizes = Pressed(), set[asyncio.Task[None]](), [0.0]
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{port}", connector=aiohttp.TCPConnector(limit=0), headers={"authorization": f"Bearer {KEY}"}
    ) as session:
        each = round(FITS / ANSWERED_S * TIMES * TICK_S)
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds:
            asking |= {asyncio.create_task(one(session, pressed)) for _ in range(each)}
            asking = {task for task in asking if not task.done()}
            if now > ANSWERED_S / 4:  # it is full by then
                sizes.append(worker.memory_info().rss / 2**20)
            await asyncio.sleep(max(0.0, began + now + TICK_S - time.monotonic()))
        await asyncio.gather(*asking)
    told(pressed, max(sizes) - sizes[1] if len(sizes) > 1 else 0.0, bad)


async def one(session: aiohttp.ClientSession, pressed: Pressed) -> None:
    began = time.perf_counter()
    body = {"model": f"wait-{ANSWERED_S:g}", "messages": [{"role": "user", "content": "hi"}]}
    try:
        async with session.post("/v1/chat/completions", json=body) as answer:
            await answer.read()
    except aiohttp.ClientError:
        pressed.other += 1
        return
    seconds = time.perf_counter() - began
    if answer.status == 200:
        pressed.accepted_s.append(seconds)
    elif answer.status in (429, 503):
        pressed.refused_s.append(seconds)
        pressed.untold += "retry-after" not in answer.headers
    else:
        pressed.other += 1


def told(pressed: Pressed, more_mib: float, bad: list[str]) -> None:
    refused_ms, accepted_s = p99(pressed.refused_s) * 1e3, p99(pressed.accepted_s)
    count = len(pressed.accepted_s), len(pressed.refused_s)
    if not all(count) or pressed.untold or pressed.other or refused_ms > SOON_MS:
        bad.append(f"pressure: {count}, {pressed.untold} untold, {pressed.other} other, p99 {refused_ms:.0f} ms")
    if accepted_s > ANSWERED_S * SLOWER or more_mib > MAX_MIB:
        bad.append(f"pressure: accepted p99 {accepted_s:.2f} s; {more_mib:.0f} MiB more")
    say(f"{TIMES} times what fits: accepted; refused", f"{count[0]}; {count[1]}, {pressed.untold} without Retry-After")
    say("  refused, p99 by the client", f"{refused_ms:.1f} ms (limit {SOON_MS:g})")
    say("  accepted, p99 of what the gateway added", f"{accepted_s - ANSWERED_S:.2f} s to {ANSWERED_S:g} s")
    say("  worker, MiB more once it is full", f"{more_mib:.1f} (limit {MAX_MIB:g})")


def p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)] if times else 0.0


async def overload(port: int, more: int, bad: list[str]) -> list[Reply]:
    """Fill the one worker with calls that hang, then ask for more; return what was refused."""
    hung = [asyncio.create_task(ask(port, chat(model="hang"), 60)) for _ in range(1100)]
    for _ in range(200):
        await asyncio.sleep(0.1)
        if (await ask(port, chat())).status == 503:
            break
    refused = [await ask(port, chat()) for _ in range(more)]
    alive = await ask(port, b"GET /healthz HTTP/1.1\r\nhost: sluice\r\n\r\n")
    for task in hung:
        task.cancel()
    await asyncio.gather(*hung, return_exceptions=True)
    for _ in range(100):
        after = await ask(port, chat())
        if after.status == 200:
            break
        await asyncio.sleep(0.1)
    times = sorted(reply.seconds for reply in refused)
    told = sum(reply.status == 503 and reply.headers.get("retry-after") == "1" for reply in refused)
    p99_ms = times[int(len(times) * 0.99)] * 1e3
    if told < more or alive.status != 200 or after.status != 200:
        bad.append(f"overload: {told} of {more} told, health {alive.status}, after it {after.status}")
    if p99_ms > 50:
        bad.append(f"overload: p99 {p99_ms:.0f} ms")
    say("refused while 1,000 calls hang in one worker", f"{told} of {more} with Retry-After; p99 {p99_ms:.1f} ms")
    return refused
