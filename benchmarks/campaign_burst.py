"""`make campaign-burst`: put a burst of letters into the queue while somebody else calls the gateway; watch it drain.

10,000 on PostgreSQL with three workers, 2,000 on SQLite with one. The policy limits the letters' model calls in a
minute. Counted: how long the burst took to be on disk, whether every letter arrived once, calls in the fullest minute,
and the latency of live calls by another key before the burst and during it.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click
import psutil

from benchmarks.flow_stand import LETTERS, Flow, flowing
from benchmarks.honest import FAILED_S
from benchmarks.servers import ROOT
from benchmarks.stand import Figures, page_option, processes
from metrics.client import RecorderClient

HEADING: Final = "## make campaign-burst"
INTRODUCTION: Final = (
    "A burst of letters into the queue over HTTP, each on disk before it is acknowledged, while another key calls "
    "live. The policy limits\nthe letters' model calls in a minute; what is over it waits in the queue. "
    "`make campaign-burst`:"
)
LIMITED: Final = """
policy: letters
schema: 1
owner: maintainers@example.com
applies_to: {automation: letters}
redaction: {names: "off"}
delivery: buffered
limits: {scope: automation, requests_per_minute: LIMIT}
routing: {retries: {attempts: 0}}
"""
_PACE_S: Final = 0.1


@dataclass
class Live:
    """Calls of another key, ten in a second, from a process of their own."""

    port: int
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.honest", str(self.port), "3600", str(_PACE_S)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)

    def ended(self) -> list[float]:
        """End the calls; return how long each took, in ms."""
        self.process.terminate()
        told, _ = self.process.communicate(timeout=30)
        return [each * 1000 for each in json.loads(told)]


def shown(took_ms: list[float]) -> str:
    """Return median and 95th percentile."""
    return f"{statistics.median(took_ms):.0f}, {statistics.quantiles(took_ms, n=20)[-1]:.0f} ms"


def cpu_s(flow: Flow) -> dict[str, float]:
    """Return the processor's seconds so far of whatever shares this machine."""
    spent: dict[str, float] = defaultdict(float)
    known = {process.pid: "gateway" for process in processes(flow.stand.server.process.pid, "gateway.worker")}
    known |= {each.process.pid: "workers" for each in flow.workers if each.process is not None}
    known |= {process.pid: "the product's others" for process in flow.stand.server.tree() if process.pid not in known}
    known |= {os.getpid(): "campaign and target"}
    for process in psutil.process_iter(["pid", "name", "cpu_times", "cmdline"]):
        model = "benchmarks.faulty_upstream" in (process.info["cmdline"] or ())
        other = "PostgreSQL" if process.info["name"] == "postgres" else "model" if model else "everything else"
        times = process.info["cpu_times"]
        spent[known.get(process.pid, other)] += times.user + times.system
    return spent


def put_in(flow: Flow, count: int, batch: int) -> tuple[float, int]:
    """Enqueue a burst over eight connections; return how long it took and how many were acknowledged as new."""
    letters = [{"id": f"b{n}", "sender": f"customer-{n % 500}", "text": "Please sum this up."} for n in range(count)]
    began = time.monotonic()
    with ThreadPoolExecutor(8) as clients:
        parts = (letters[at : at + batch] for at in range(0, count, batch))
        new = sum(each["new"] for found in clients.map(flow.enqueue, parts) for each in found)
    return time.monotonic() - began, new


def fullest_minute(flow: Flow) -> int:
    """Return how many of the letters' calls were answered in the fullest minute, by the ledger."""
    ledger = RecorderClient(flow.access[0].recorder_url(), flow.access[0].query_token)
    rows = ledger.query("calls_over_time", slice_s=60, automation=LETTERS).dicts()
    return max((int(row["calls"]) for row in rows if row["ending"] == "pass"), default=0)


def one(figures: Figures, count: int, batch: int, limit: int, *, postgresql: bool) -> None:
    """Run the burst on one database."""
    store, workers = ("PostgreSQL", 3) if postgresql else ("SQLite", 1)
    with flowing(workers, postgresql=postgresql, slots=8, lease_s=15.0) as flow:
        (flow.stand.folder / "policies" / "letters.yaml").write_text(LIMITED.replace("LIMIT", str(limit)))
        flow.states()
        quiet = Live(flow.stand.port)
        time.sleep(15)
        idle, live = quiet.ended(), Live(flow.stand.port)
        before, began = cpu_s(flow), time.monotonic()
        took_s, new = put_in(flow, count, batch)
        coming, live = live.ended(), Live(flow.stand.port)
        drained = flow.until_ended(count, 1500)
        drain_s, draining, states = time.monotonic() - began, live.ended(), flow.states()
        spent = {name: max(0.0, seconds - before.get(name, 0.0)) for name, seconds in cpu_s(flow).items()}
        flow.until_told()
        time.sleep(3)
        most = fullest_minute(flow)
    say = figures.say
    arrived, twice = len(flow.target.done), sum(n > 1 for n in flow.target.done.values())
    say(
        f"{store}: letters, in requests of, seconds until all were on disk",
        f"{count}, {batch}, {took_s:.1f}",
        well=took_s <= 60,
    )
    say(f"{store}: workers, seconds until all were done", f"{workers}, {drain_s:.0f}", well=drained)
    say(
        f"{store}: acknowledged, done, arrived, arrived twice",
        f"{new}, {states.get('done', 0)}, {arrived}, {twice}",
        well=new == arrived == count and not twice,
    )
    say(f"{store}: answered calls in the fullest minute, limit", f"{most}, {limit}", well=0 < most <= limit)
    say(f"{store}: live calls before the burst: median, 95th percentile", shown(idle))
    say(f"{store}: live calls while it came in: median, 95th percentile", shown(coming))
    failed = sum(each >= FAILED_S * 1000 for each in coming + draining)
    say(
        f"{store}: live calls while it drained: median, 95th percentile; failed of {len(coming + draining)}",
        f"{shown(draining)}; {failed}",
        well=not failed,
    )
    used = ", ".join(f"{name} {seconds:.0f}" for name, seconds in sorted(spent.items(), key=lambda it: -it[1]))
    say(f"{store}: seconds of two cores that went to", used)


@click.command()
@click.option("--only", type=click.Choice(["sqlite", "postgresql"]), help="Only one of the databases.")
@click.option("--count", default=0, help="Letters, instead of 2,000 on SQLite and 10,000 on PostgreSQL.")
@click.option("--limit", default=0, help="Model calls in a minute, instead of 1,200 and 3,000.")
@page_option
def main(only: str | None, count: int, limit: int, page: Path | None) -> None:
    """Put bursts in and drain them; exit 1 when a letter is lost or done twice, or a bound is missed."""
    figures = Figures()
    for name, usual, batch, pace in (("sqlite", 2000, 10, 1200), ("postgresql", 10_000, 10, 3000)):
        if only in (None, name):
            one(figures, count or usual, batch, limit or pace, postgresql=name == "postgresql")
    figures.end(page, HEADING, INTRODUCTION)


if __name__ == "__main__":
    main()
