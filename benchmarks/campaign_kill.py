"""`make campaign-kill`: kill -9 gateway workers and the recorder under load, then count what the ledger lost.

20 clients call through `sluice up`, half of them streaming. A call counts as acknowledged when its client saw the end
of the answer. At the end every acknowledged call must stand in the ledger once, and every begun call must be closed.
"""

import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import click
import duckdb
from rich.console import Console
from rich.progress import Progress

from benchmarks.payload import request_body
from benchmarks.servers import ROOT, free_port, python, started, wait_ready
from benchmarks.stand import finish, processes

KEY = "sk-sluice-" + "k" * 43


@dataclass
class Receipts:
    """What the clients saw: ids of calls whose answer ended, and how many broke."""

    acknowledged: list[str] = field(default_factory=list)
    broken: int = 0
    sent: int = 0


async def one_call(session: aiohttp.ClientSession, port: int, number: int, *, stream: bool, receipts: Receipts) -> None:
    body = request_body(number, stream=stream, model="paced-10-5" if stream else "bench-model")
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    receipts.sent += 1
    async with session.post(f"http://127.0.0.1:{port}/v1/chat/completions", data=body, headers=headers) as answer:
        data = await answer.read()
        complete = answer.status == 200 and (b"data: [DONE]" in data if stream else bool(data))
        if not complete:
            receipts.broken += 1
            return
        receipts.acknowledged.append(answer.headers["x-sluice-call-id"])


async def client(port: int, seed: int, stop: asyncio.Event, receipts: Receipts) -> None:
    number = seed * 10_000_000
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        while not stop.is_set():
            number += 1
            try:
                await one_call(session, port, number, stream=seed % 2 == 0, receipts=receipts)
            except (aiohttp.ClientError, TimeoutError):
                receipts.broken += 1
                await asyncio.sleep(0.02)


async def worker_killer(parent: int, kills: int, receipts: Receipts, tick: Callable[[], None]) -> None:
    """Kill a random gateway worker `kills` times, each time after some more calls were acknowledged.

    So every kill meets a gateway under load: one that is only starting has nothing to lose.
    """
    for _ in range(kills):
        wanted = len(receipts.acknowledged) + random.randint(5, 80)
        while len(receipts.acknowledged) < wanted:  # noqa: ASYNC110 - the clients are plain coroutines of this loop
            await asyncio.sleep(random.uniform(0.001, 0.02))
        while not kill_one(parent, ("gateway.worker",)):  # noqa: ASYNC110 - a process table has no events
            await asyncio.sleep(0.05)
        tick()


async def recorder_killer(parent: int, kills: int, tick: Callable[[], None]) -> None:
    """Kill the recorder `kills` times, at random moments, starting up included."""
    for _ in range(kills):
        await asyncio.sleep(random.uniform(1.0, 8.0))
        while not kill_one(parent, ("metrics.main", "recorder")):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        tick()


def kill_one(parent: int, modules: tuple[str, ...]) -> bool:
    """Send SIGKILL to a random process of these names, if there is one."""
    victims = [process for module in modules for process in processes(parent, module)]
    if victims:
        os.kill(random.choice(victims).pid, signal.SIGKILL)
    return bool(victims)


def audit(ledger: Path, receipts: Receipts) -> dict[str, int]:
    """Compare the clients' receipts with the ledger file of the stopped system."""
    with duckdb.connect(str(ledger), read_only=True) as db:
        ended = [row[0] for row in db.sql("select call_id from calls").fetchall()]
        begun = {row[0] for row in db.sql("select event_id from events where kind = 'call.begin'").fetchall()}
        closed = {row[0] for row in db.sql("select event_id from events where kind = 'call.end'").fetchall()}
        events = db.sql("select count(*), count(distinct event_id) from events").fetchall()[0]
        interrupted = db.sql("select count(*) from calls where outcome = 'interrupted'").fetchall()[0]
    known = set(ended)
    return {
        "calls sent": receipts.sent,
        "acknowledged": len(receipts.acknowledged),
        "broken for the client": receipts.broken,
        "acknowledged but missing": sum(call not in known for call in receipts.acknowledged),
        "duplicate calls": len(ended) - len(known),
        "duplicate events": events[0] - events[1],
        "begun but never closed": len({e.removesuffix(".b") for e in begun} - {e.removesuffix(".e") for e in closed}),
        "closed as interrupted": interrupted[0],
    }


async def campaign(parent: int, port: int, worker_kills: int, recorder_kills: int, progress: Progress) -> Receipts:
    receipts, stop = Receipts(), asyncio.Event()
    clients = [asyncio.create_task(client(port, seed, stop, receipts)) for seed in range(20)]
    task = progress.add_task("kill -9", total=worker_kills + recorder_kills)
    await asyncio.gather(
        worker_killer(parent, worker_kills, receipts, lambda: progress.advance(task)),
        recorder_killer(parent, recorder_kills, lambda: progress.advance(task)),
    )
    await asyncio.sleep(2)
    stop.set()
    await asyncio.gather(*clients)
    return receipts


def environment(folder: Path, upstream: int, ports: list[int]) -> dict[str, str]:
    return {
        "SLUICE_DATA": str(folder),
        "SLUICE_POLICIES": str(ROOT / "benchmarks/policies/structured"),
        "SLUICE_PORT": str(ports[0]),
        "SLUICE_RECORDER_PORT": str(ports[1]),
        "SLUICE_BOOTSTRAP_KEY": KEY,
        "SLUICE_UPSTREAM": "bench",
        "SLUICE_BENCH_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
    }


def run(worker_kills: int, recorder_kills: int, console: Console) -> dict[str, int]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream, ports = free_port(), [free_port(), free_port()]
        stack.enter_context(started(python("benchmarks.upstream", str(upstream)), upstream))
        env = environment(folder / "data", upstream, ports)
        up = [str(Path(sys.executable).parent / "sluice"), "up", "--no-dashboard", "--no-worker"]
        with started(up, ports[0], env=env) as server:
            wait_ready(ports[0], "/readyz")
            wait_ready(ports[1], "/readyz")
            with Progress(console=console) as progress:
                receipts = asyncio.run(campaign(server.process.pid, ports[0], worker_kills, recorder_kills, progress))
            time.sleep(15)  # a recorder that was killed last starts, reads what it missed, then closes calls
        return audit(folder / "data" / "ledger.duckdb", receipts)


@click.command()
@click.option("--worker-kills", default=100, show_default=True)
@click.option("--recorder-kills", default=20, show_default=True)
def main(worker_kills: int, recorder_kills: int) -> None:
    """Kill -9 under load and print the counts; exit 1 when anything acknowledged was lost."""
    console = Console(stderr=True)
    begin = time.monotonic()
    counts = run(worker_kills, recorder_kills, console)
    for name, count in counts.items():
        click.echo(f"{name:28} {count:>8}")
    click.echo(f"{'seconds':28} {time.monotonic() - begin:>8.0f}")
    bad = ("acknowledged but missing", "duplicate calls", "duplicate events", "begun but never closed")
    nothing = [] if counts["acknowledged"] else ["no call was acknowledged, so none could be lost"]
    finish([f"{name}: {counts[name]}" for name in bad if counts[name]] + nothing)


if __name__ == "__main__":
    main()
