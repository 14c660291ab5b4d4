"""Streams that fall silent, and a thousand with seeded mistakes, each whole and in pieces."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks.campaign_retries import ends
from benchmarks.hostile_requests import chat
from benchmarks.malformed import FINISH, Made, made, plain
from benchmarks.payload import stream_events
from benchmarks.rawhttp import Reply, ask
from benchmarks.stand import Peak, Stand

AT_ONCE = 4
SILENCE_MS = 100  # how far from the time-out the error may be
MAX_MIB = 20.0
HANG_S = 10.0


@dataclass(frozen=True)
class Tell:
    """What a row says, and whose replies it notes."""

    say: Callable[[str, object], None]
    note: Callable[[str, Reply], None]
    bad: list[str]


async def stalls(stand: Stand, tell: Tell, count: int, idle_s: float) -> None:
    """Let streams fall silent: the error must come when the idle time-out is over, by the gateway's own clock."""
    replies = await each(stand, (chat(model="mute", stream=True) for _ in range(count)), at_once=10)
    seen = []
    for reply in replies:
        tell.note("mute", reply)
        if b'"code":"upstream_timeout"' not in reply.body or b"[DONE]" in reply.body or len(reply.came) < 2:
            tell.bad.append(f"a stream that fell silent: {reply.status} {reply.body[-150:]!r}")
        else:
            seen.append((reply.came[-1] - reply.came[0] - idle_s) * 1e3)
    calls = {reply.call_id for reply in replies}
    bodies = [body for _, body in ends(stand.data) if body["call_id"] in calls]
    late = [body["total_ms"] - body["ttft_ms"] - idle_s * 1e3 for body in bodies]
    off = sum(abs(ms) > SILENCE_MS for ms in late)
    if off or len(late) != count:
        tell.bad.append(f"{off} of {len(late)} errors came more than {SILENCE_MS} ms beside the idle time-out")
    for where, times in (("in the gateway", late), ("by the client", seen)):
        spread = f"{min(times):+.0f} to {max(times):+.0f} ms" if times else "none"
        tell.say(f"{count} streams silent for {idle_s:g} s, error {where}", spread)


async def mistakes(stand: Stand, tell: Tell, count: int) -> None:
    """Send streams with mistakes, each whole and in pieces of a random size; both must be told alike."""
    before, die, told = Peak(stand.workers()), random.Random(count), Counter[str]()
    sizes = [die.choice((1, 2, 3, 5, 7, 13, 64)) for _ in range(count)]
    small = [number for number in range(count) if len(made(number).body) < 100_000]
    wholes = dict(zip(range(count), await each(stand, models(range(count), lambda _n: 0)), strict=True))
    pieces = dict(zip(small, await each(stand, models(small, lambda n: sizes[n])), strict=True))
    differ = sum(meaning(reply) != meaning(wholes[number]) for number, reply in pieces.items())
    for number, reply in [*wholes.items(), *pieces.items()]:
        stream = made(number)
        tell.note("broken" if stream.broken else "odd", reply)
        told["error" if failed(reply) else "complete"] += 1
        if problem := wrong(stream, reply, number):
            tell.bad.append(f"stream {number} with {', '.join(stream.mistakes)}: {problem}")
    more = before.more_mib()
    if differ or more > MAX_MIB:
        tell.bad.append(f"{differ} streams told otherwise in pieces; {more:.0f} MiB more")
    kinds = len({mistake for number in range(count) for mistake in made(number).mistakes})
    tell.say(f"streams with mistakes, {kinds} kinds combined", f"{count}, and {len(small)} in pieces: {dict(told)}")
    tell.say("of them told otherwise in pieces; MiB more at most", f"{differ}; {more:.1f} (limit {MAX_MIB:g})")


async def everywhere(stand: Stand, tell: Tell) -> None:
    """Cut one good stream in two at every byte."""
    end = sum(map(len, stream_events(1, 10, leading_space=True)))
    replies = await each(stand, (chat(model=f"twice-{at}", stream=True) for at in range(end)), at_once=8)
    answers = Counter(meaning(reply) for reply in replies)
    for reply in replies:
        tell.note("bytewise", reply)
    if len(answers) != 1 or any(map(failed, replies)):
        tell.bad.append(f"{len(answers)} different answers when the stream is cut in two")
    tell.say("one stream in two pieces, cut at each byte", f"{end} cuts: {len(answers)} distinct answer(s)")


def models(numbers: Iterable[int], size: Callable[[int], int]) -> Iterable[bytes]:
    return (chat(model=f"made-{number}-{size(number)}", stream=True) for number in numbers)


async def each(stand: Stand, requests: Iterable[bytes], at_once: int = AT_ONCE) -> list[Reply]:
    """Send requests, so many at once."""
    places = asyncio.Semaphore(at_once)

    async def one(data: bytes) -> Reply:
        async with places:
            return await ask(stand.port, data, HANG_S)

    return list(await asyncio.gather(*map(one, requests)))


def wrong(stream: Made, reply: Reply, number: int) -> str:
    """Say what is wrong with the reply to a stream, if anything is."""
    if reply.seconds >= HANG_S or not reply.status:
        return f"no end in {reply.seconds:.1f} s"
    if reply.status == 500 or b'"internal_error"' in reply.body:
        return "an internal error"
    if FINISH in reply.body and not stream.finished:
        return "a finish that nobody gave"
    if stream.broken and not failed(reply):
        return f"no error: {reply.body[-100:]!r}"
    if not stream.broken and (failed(reply) or meaning(reply)[0] != words(b"".join(plain(number)))):
        return f"not understood: {reply.body[-100:]!r}"
    return ""


def failed(reply: Reply) -> bool:
    """Tell whether the caller got an explicit error."""
    if reply.status != 200:
        return reply.openai_error
    return b'data: {"error":' in reply.body and b"[DONE]" not in reply.body


def meaning(reply: Reply) -> tuple[str, bool, str]:
    """Return what a reply says: its text, whether it is complete, its error."""
    found = [event for event in data(reply.body) if "error" in event]
    if reply.status != 200:
        found = [orjson.loads(reply.body)]
    return words(reply.body), b"[DONE]" in reply.body, str(found[0]["error"]["code"]) if found else ""


def words(body: bytes) -> str:
    deltas = [choice.get("delta", {}) for event in data(body) for choice in event.get("choices", ())]
    return "".join(delta.get("content") or "" for delta in deltas)


def data(body: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(block[6:]) for block in body.split(b"\n\n") if block.startswith(b"data: {")]
