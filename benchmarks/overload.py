"""More calls than a worker takes: what is refused, how soon, and what that costs those it took."""

import asyncio
import time
from dataclasses import dataclass, field

import aiohttp
import psutil

from benchmarks.hostile_requests import chat
from benchmarks.rawhttp import Reply, ask
from benchmarks.stand import KEY, say

HELD = 975  # of the 1,000 calls that one worker takes at once; they are answered by nobody
ANSWERED_S = 1.0  # what the others take, so that 25 a second fit
PACE = 25
TIMES = 10
TICK_S = 0.02
SOON_MS = 50.0
SLOWER = 2.0
MAX_MIB = 16.0
FULL_S = 3.0  # after which the worker is as full as it gets


@dataclass
class Pressed:
    """What became of the calls; `added_s` is what an answer took beyond the upstream's own time."""

    added_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    untold: int = 0  # refused without a word on when to come back
    other: int = 0


async def pressure(port: int, worker: psutil.Process, seconds: float, bad: list[str]) -> None:
    """Compare calls at the pace that fits, unloaded, with those taken out of ten times as many by a full worker."""
    async with aiohttp.ClientSession(
        f"http://127.0.0.1:{port}", connector=aiohttp.TCPConnector(limit=0), headers={"authorization": f"Bearer {KEY}"}
    ) as session:
        await asked(session, PACE, FULL_S)
        alone, _ = await asked(session, PACE, seconds / 3)
        hung = [asyncio.create_task(ask(port, chat(model="hang"), seconds + 60)) for _ in range(HELD)]
        await asked(session, PACE, FULL_S)
        full = worker.memory_info().rss
        pressed, most = await asked(session, PACE * TIMES, seconds, worker)
        for task in hung:
            task.cancel()
        await asyncio.gather(*hung, return_exceptions=True)
    told(alone, pressed, (most - full) / 2**20, bad)


async def asked(
    session: aiohttp.ClientSession, pace: int, seconds: float, worker: psutil.Process | None = None
) -> tuple[Pressed, int]:
    """Ask so many times a second, whatever becomes of those before; give what became, and the worker's most memory."""
    pressed, asking, most = Pressed(), set[asyncio.Task[None]](), 0
    began, sent = time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        due, sent = int(now * pace) - sent, int(now * pace)
        asking |= {asyncio.create_task(one(session, pressed)) for _ in range(due)}
        asking = {task for task in asking if not task.done()}
        most = max(most, worker.memory_info().rss if worker else 0)
        await asyncio.sleep(TICK_S)
    await asyncio.gather(*asking)
    return pressed, most


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
        pressed.added_s.append(seconds - ANSWERED_S)
    elif answer.status in (429, 503):
        pressed.refused_s.append(seconds)
        pressed.untold += "retry-after" not in answer.headers
    else:
        pressed.other += 1


def told(alone: Pressed, pressed: Pressed, more_mib: float, bad: list[str]) -> None:
    refused_ms = p99(pressed.refused_s) * 1e3
    count = len(pressed.added_s), len(pressed.refused_s)
    lost = alone.other + len(alone.refused_s) + pressed.untold + pressed.other
    if not all(count) or lost or refused_ms > SOON_MS:
        bad.append(f"pressure: {count}, {lost} untold or failed, p99 {refused_ms:.0f} ms")
    slower = p99(pressed.added_s) / (p99(alone.added_s) or 1.0)
    if (slower > SLOWER and p99(pressed.added_s) * 1e3 > SOON_MS) or more_mib > MAX_MIB:
        bad.append(f"pressure: {slower:.2f} x as much added; {more_mib:.0f} MiB more")
    say(f"{TIMES} times what fits: accepted; refused", f"{count[0]}; {count[1]}, {pressed.untold} without Retry-After")
    say("  refused, p99 by the client", f"{refused_ms:.1f} ms (limit {SOON_MS:g})")
    for name, which in (("unloaded", alone), ("then", pressed)):
        middle, late = (at(which.added_s, share) * 1e3 for share in (0.5, 0.99))
        text = f"{middle:.1f}, {late:.1f} ms of {len(which.added_s)}"
        say(f"  accepted, beyond the upstream's {ANSWERED_S:g} s, {name}: p50, p99", text)
    say("  p99 of what is added, against unloaded", f"{slower:.2f} x (limit {SLOWER:g}, or {SOON_MS:g} ms)")
    say("  worker, MiB more than full without the others", f"{more_mib:.1f} (limit {MAX_MIB:g})")


def at(times: list[float], share: float) -> float:
    return sorted(times)[int(len(times) * share)] if times else 0.0


def p99(times: list[float]) -> float:
    return at(times, 0.99)


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
