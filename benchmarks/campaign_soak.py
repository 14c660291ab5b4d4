"""`make campaign-soak`: minutes of mixed calls, a tenth of them with faults; memory and descriptors must stay flat.

Growth is measured from the end of the warm-up (half of the time: caches of a few megabytes fill) to the end, as the
slope of a straight line through the sum over all workers.
"""

import asyncio
import json
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from urllib.request import urlopen

import click
import psutil

from benchmarks.faulty_upstream import BODIES, STREAMS
from benchmarks.hostile_requests import by_hand, chat
from benchmarks.payload import request_body
from benchmarks.rawhttp import ask
from benchmarks.stand import KEY, Stand, ended_calls, finish, standing

MIB = 1 << 20
CLIENTS = 8
FAULTY = 0.1
MAX_MIB_PER_HOUR = 20.0
MOST_UNSIGNED = 20_000  # signed every 1,000 records, which come in batches of seconds under load
HEAD = f"POST /v1/chat/completions HTTP/1.1\r\nhost: sluice\r\nauthorization: Bearer {KEY}\r\n"


@dataclass
class Sample:
    """The product at one moment."""

    at_s: float
    workers_mib: float
    recorder_mib: float
    unsigned: int  # records that no checkpoint of the audit tree covers yet
    descriptors: int
    threads: int
    stores: int  # of the descriptors: connections to the control database, of which a pool keeps up to five


@dataclass
class Soak:
    statuses: Counter[str] = field(default_factory=Counter)
    times: list[tuple[float, float]] = field(default_factory=list)  # when, and how long an honest call took
    calls: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


def honest(number: int, *, stream: bool) -> bytes:
    body = request_body(number, stream=stream, model="ok")
    return f"{HEAD}content-length: {len(body)}\r\n\r\n".encode() + body


def faulty(die: random.Random) -> tuple[bytes, float]:
    """Return a bad request, a broken answer, or an impatient client; and how long the client waits."""
    pick = die.random()
    if pick < 0.4:
        return die.choice(small_by_hand()), 10.0
    if pick < 0.8:
        return chat(model=die.choice([*STREAMS, *BODIES]), stream=die.random() < 0.5), 10.0
    return chat(model="words-100-20", stream=True), die.uniform(0.05, 0.5)


@cache
def small_by_hand() -> list[bytes]:
    return [data for data in by_hand().values() if len(data) < 10_000]


async def client(stand: Stand, soak: Soak, seed: int, until: float) -> None:
    die, number = random.Random(seed), seed * 1_000_000
    while time.monotonic() < until:
        number += 1
        if die.random() < FAULTY:
            data, patience_s = faulty(die)
            reply = await ask(stand.port, data, patience_s)
            soak.statuses["faulty"] += 1
            soak.statuses["internal errors"] += reply.status == 500
        else:
            reply = await ask(stand.port, honest(number, stream=die.random() < 0.5))
            soak.statuses["honest"] += 1
            soak.statuses["honest that failed"] += reply.status != 200 or b'"error"' in reply.body
            soak.times.append((time.monotonic(), reply.seconds))
        if reply.call_id:
            soak.calls.append(reply.call_id)


def unsigned(stand: Stand) -> int:
    """Count the numbered records that are not signed for."""
    with urlopen(f"http://127.0.0.1:{stand.recorder}/status", timeout=30) as reply:
        status = json.loads(reply.read())
    return int(status["order_seq"] - status["audit"]["signed"])


def sample(stand: Stand, began: float) -> Sample:
    workers = stand.workers()
    recorder = [p for p in stand.server.tree() if "recorder" in p.cmdline()]
    return Sample(
        time.monotonic() - began,
        sum(p.memory_info().rss for p in workers) / MIB,
        sum(p.memory_info().rss for p in recorder) / MIB,
        unsigned(stand),
        sum(p.num_fds() for p in workers),
        sum(p.num_threads() for p in workers),
        sum("control.db" in file.path for p in workers for file in p.open_files()),
    )


async def sampling(stand: Stand, soak: Soak, began: float, every_s: float) -> None:
    while True:
        try:
            soak.samples.append(await asyncio.to_thread(sample, stand, began))
        except psutil.Error:
            soak.statuses["a worker ended"] += 1
        await asyncio.sleep(every_s)


async def soaking(stand: Stand, soak: Soak, minutes: float) -> tuple[Sample, Sample]:
    """Return the product at rest before and after."""
    for number in range(50):
        await ask(stand.port, honest(number, stream=bool(number % 2)))
    await asyncio.sleep(16)
    began = time.monotonic()
    before = sample(stand, began)
    task = asyncio.create_task(sampling(stand, soak, began, max(1.0, minutes * 60 / 200)))
    await asyncio.gather(*(client(stand, soak, seed, began + minutes * 60) for seed in range(CLIENTS)))
    task.cancel()
    await asyncio.sleep(32)  # connections to the upstream are kept for 15 s, and looked at as often
    return before, sample(stand, began)


def slope_per_hour(samples: list[Sample], of: str) -> float:
    if len(samples) < 3:
        return 0.0
    line = statistics.linear_regression([s.at_s for s in samples], [getattr(s, of) for s in samples])
    return line.slope * 3600


def p99_ms(times: list[tuple[float, float]]) -> float:
    values = sorted(seconds for _, seconds in times)
    return values[int(len(values) * 0.99)] * 1e3 if values else 0.0


def report(soak: Soak, rest: tuple[Sample, Sample], minutes: float) -> list[str]:
    """Print the figures; return what should not have happened."""
    before, after = rest
    warm = [s for s in soak.samples if s.at_s > minutes * 60 / 2]
    growth, recorder = slope_per_hour(warm, "workers_mib"), slope_per_hour(warm, "recorder_mib")
    most = max((s.unsigned for s in soak.samples), default=0)
    sixth = max(1, len(soak.times) // 6)
    rows: dict[str, object] = {
        "minutes; calls": f"{minutes:g}; {soak.statuses['honest']} honest, {soak.statuses['faulty']} faulty",
        "honest calls that failed": soak.statuses["honest that failed"],
        "internal errors; workers that ended": f"{soak.statuses['internal errors']}; {soak.statuses['a worker ended']}",
        "workers, MiB at rest before and after": f"{before.workers_mib:.1f}, {after.workers_mib:.1f}",
        "workers, MiB per hour after warm-up": f"{growth:.1f}",
        "workers, MiB early and late under load": f"{warm[0].workers_mib:.1f}, {warm[-1].workers_mib:.1f}"
        if warm
        else "",
        "recorder, MiB per hour after warm-up": f"{recorder:.1f}",
        "records not signed yet: most; limit": f"{most}; {MOST_UNSIGNED}",
        "descriptors at rest before and after": f"{before.descriptors}, {after.descriptors}",
        "of these, of the control database": f"{before.stores}, {after.stores}",
        "threads at rest before and after": f"{before.threads}, {after.threads}",
        "p99 ms, first and last sixth": f"{p99_ms(soak.times[:sixth]):.1f}, {p99_ms(soak.times[-sixth:]):.1f}",
    }
    for name, value in rows.items():
        click.echo(f"{name:44} {value}")
    bad = []
    if soak.statuses["honest that failed"] or soak.statuses["internal errors"] or soak.statuses["a worker ended"]:
        bad.append("calls failed")
    if growth > MAX_MIB_PER_HOUR:
        bad.append(f"memory grows by {growth:.1f} MiB an hour")
    more = (after.descriptors - after.stores) - (before.descriptors - before.stores)
    if more > 0:
        bad.append(f"{more} descriptors were not closed")
    if most > MOST_UNSIGNED:
        bad.append(f"{most} records waited to be signed at once")
    return bad


@click.command()
@click.option("--minutes", default=10.0, show_default=True)
def main(minutes: float) -> None:
    """Run mixed calls and print how memory, descriptors and latency went; exit 1 when they did not stay flat."""
    soak = Soak()
    with standing(first_byte_s=1, idle_s=1) as stand:
        rest = asyncio.run(soaking(stand, soak, minutes))
        stand.server.process.terminate()
        stand.server.process.wait(60)
        known = ended_calls(stand.ledger)
    bad = report(soak, rest, minutes)
    missing = sum(call not in known for call in soak.calls)
    if missing:
        bad.append(f"{missing} calls without a record")
    click.echo(f"{'calls with an id; without a record':44} {len(soak.calls)}; {missing}")
    click.echo(f"{'what should not have happened':44} {len(bad)}")
    finish(bad)


if __name__ == "__main__":
    main()
