"""`make campaign-faults`: upstreams, disks and stores that fail while calls go on.

Every broken answer must be an explicit error within its time-out, nothing acknowledged may be lost, no connection may
be left behind, and all must be well again without a restart.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import click

from benchmarks.campaign_inputs import tally
from benchmarks.fault_leavers import leavers
from benchmarks.fault_stores import stores
from benchmarks.fault_streams import Tell, everywhere, mistakes, stalls
from benchmarks.faulty_upstream import BODIES, STREAMS, events
from benchmarks.hostile_requests import chat
from benchmarks.rawhttp import Reply, ask
from benchmarks.stand import Figures, Stand, ended_calls, finish, standing

FINISHES = (b'"finish_reason":"stop"', b'"finish_reason":"length"')
# Odd, but complete: passed on as they are.
COMPLETE = frozenset({"list-usage-body"})
WELL = frozenset({"bytewise", "odd"})  # what may be recorded as ok
LIMIT_S = 1.0  # first byte and idle time-outs of the campaign's providers
SLACK_S = 0.6


@dataclass
class Counts(Figures):
    calls: dict[str, str] = field(default_factory=dict)  # id -> what it was

    def note(self, name: str, reply: Reply) -> None:
        if reply.call_id:
            self.calls[reply.call_id] = name

    def failed(self, name: str, reply: Reply, limit_s: float) -> None:
        """Expect an explicit error in time, and no made-up finish."""
        self.note(name, reply)
        event = b'data: {"error":' in reply.body and b"[DONE]" not in reply.body
        if not (event if reply.status == 200 else reply.openai_error and reply.status >= 400):
            self.bad.append(f"{name}: {reply.status} {reply.body[-200:]!r} is no explicit error")
        if reply.status == 500 or b'"internal_error"' in reply.body:
            self.bad.append(f"{name}: an internal error")
        if any(finish in reply.body for finish in FINISHES):
            self.bad.append(f"{name}: a finish that the upstream never gave")
        if reply.seconds > limit_s:
            self.bad.append(f"{name}: took {reply.seconds:.2f} s")


async def scripted(stand: Stand, counts: Counts) -> None:
    """Send every prepared broken answer, asked for as a stream and not."""
    replies = []
    for stream in (True, False):
        for name in (set(STREAMS) if stream else set(BODIES)) - COMPLETE:
            reply = await ask(stand.port, chat(model=name, stream=stream))
            counts.failed(name, reply, LIMIT_S + SLACK_S)
            replies.append(reply)
    counts.say("broken answers", f"{len(replies)}: {tally(replies)}")


async def cuts(stand: Stand, counts: Counts, count: int, seed: int) -> None:
    """Cut streams at random bytes, with a FIN and with a reset."""
    raw = events()
    die, end = random.Random(seed), len(b"".join(raw[:12]))  # from the finish reason on, the answer is complete
    replies = []
    for number in range(count):
        name = f"cut-{die.randrange(end)}-{'rst' if number % 2 else 'fin'}"
        reply = await ask(stand.port, chat(model=name, stream=True))
        counts.failed(name, reply, LIMIT_S + SLACK_S)
        replies.append(reply)
    made_up = sum(any(finish in reply.body for finish in FINISHES) for reply in replies)
    counts.say("streams cut at a random byte", f"{len(replies)}: {tally(replies)}; made-up finishes {made_up}")


async def splits(stand: Stand, counts: Counts) -> None:
    """Split one answer at every size of piece: the text must not change."""
    texts: Counter[bytes] = Counter()
    for size in (*range(1, 33), 64, 100, 333):
        reply = await ask(stand.port, chat(model=f"bytewise-{size}", stream=True))
        texts[b"".join(line for line in reply.body.split(b"\n\n") if line.startswith(b"data:"))] += 1
        counts.note("bytewise", reply)
    if len(texts) != 1:
        counts.bad.append(f"{len(texts)} different answers under different splits")
    counts.say("one stream split into 35 sizes of pieces", f"{len(texts)} distinct answer(s)")


async def unreachable(stand: Stand, counts: Counts, each: int) -> None:
    for name, model, limit_s in (
        ("connection refused", "dead/m", 0.3),
        ("no such host", "nowhere/m", 1.5),
        ("reset at once", "reset", 0.3),
        ("never answers", "hang", LIMIT_S + SLACK_S),
        ("stalls", "stall", LIMIT_S + SLACK_S),
    ):
        calls = (ask(stand.port, chat(model=model, stream=bool(n % 2))) for n in range(each))
        replies = await asyncio.gather(*calls)
        for reply in replies:
            counts.failed(name, reply, limit_s + 1.0)  # all at once, on a machine that also runs both ends
        slowest = max(reply.seconds for reply in replies)
        if name == "reset at once" and (late := sum(reply.status == 504 for reply in replies)):
            counts.bad.append(f"{late} calls timed out although their upstream answers by a reset")
        counts.say(name, f"{each}: {tally(replies)}; slowest {slowest:.2f} s")


async def long_line(stand: Stand, counts: Counts) -> None:
    before = max(worker.memory_info().rss for worker in stand.workers())
    reply = await ask(stand.port, chat(model="long-9", stream=True), 30)
    after = max(worker.memory_info().rss for worker in stand.workers())
    counts.failed("an event of 9 MiB", reply, 10)
    counts.say("an event without end, 8 MiB allowed", f"{reply.seconds:.2f} s, {(after - before) / 2**20:.0f} MiB more")


async def storm(stand: Stand, counts: Counts, clients: int) -> None:
    """Answer everything with 429 for a while."""
    replies = await asyncio.gather(*(ask(stand.port, chat(model="busy")) for _ in range(clients)))
    for reply in replies:
        counts.failed("429", reply, 5.0)
    obeyed = sum(reply.headers.get("retry-after") == "1" for reply in replies)
    if obeyed < clients:
        counts.bad.append(f"429 storm: {clients - obeyed} replies without the upstream's retry-after")
    counts.say("429 storm", f"{clients}: {tally(replies)}; retry-after passed on {obeyed}")


async def upstreams(stand: Stand, counts: Counts, scale: float, seed: int) -> None:
    await scripted(stand, counts)
    await cuts(stand, counts, int(200 * scale), seed)
    await splits(stand, counts)
    tell = Tell(counts.say, counts.note, counts.bad)
    await everywhere(stand, tell)
    await mistakes(stand, tell, int(1000 * scale))
    await stalls(stand, tell, int(100 * scale), LIMIT_S)
    await unreachable(stand, counts, int(100 * scale))
    await long_line(stand, counts)
    await storm(stand, counts, int(200 * scale))
    await asyncio.sleep(2)


def audit(stand: Stand, counts: Counts) -> None:
    known = ended_calls(stand.ledger)
    missing = [name for call, name in counts.calls.items() if call not in known]
    unexpected = [call for call in counts.calls if known.get(call, ("",))[0] == "ok" and counts.calls[call] not in WELL]
    if missing or unexpected:
        counts.bad.append(f"without a record: {missing[:5]}; recorded as ok: {unexpected[:5]}")
    counts.say("calls with an id; without a record", f"{len(counts.calls)}; {len(missing)}")
    counts.say("broken answers recorded as ok", len(unexpected))


@click.command()
@click.option("--scale", default=1.0, show_default=True, help="Share of the full number of calls.")
@click.option("--seed", default=1, show_default=True)
@click.option("--outage", "outage_s", default=60.0, show_default=True, help="Seconds that a store stays away.")
@click.option("--only", type=click.Choice(["upstreams", "stores"]), help="One half of the campaign.")
@click.option("--row", "rows", multiple=True, help="Of the stores, only rows whose name holds this text.")
def main(scale: float, seed: int, outage_s: float, only: str | None, rows: tuple[str, ...]) -> None:
    """Break upstreams, disks and stores, and print the counts; exit 1 when something happened that should not."""
    counts, began = Counts(), time.monotonic()
    if only != "stores":
        with standing(first_byte_s=LIMIT_S, idle_s=LIMIT_S) as stand:
            asyncio.run(upstreams(stand, counts, scale, seed))
            traces = sum("Traceback" in line for line in stand.log_lines())
            stand.server.process.terminate()
            stand.server.process.wait(60)
            audit(stand, counts)
            counts.say("tracebacks in the logs", traces)
            counts.bad += [f"{traces} tracebacks"] if traces else []
        counts.bad += leavers(int(100 * scale), seed, counts.say)
    if only != "upstreams":
        counts.bad += stores(outage_s, counts.say, rows)
    counts.say("what should not have happened", len(counts.bad))
    counts.say("seconds", f"{time.monotonic() - began:.0f}")
    finish(counts.bad)


if __name__ == "__main__":
    main()
