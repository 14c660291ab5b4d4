"""`make campaign-burst`: put a burst of letters into the queue while somebody else calls the gateway; watch it drain.

10,000 on PostgreSQL with three workers, 2,000 on SQLite with one. The policy limits the letters' model calls in a
minute. Counted: how long the burst took to be on disk, whether every letter arrived once, calls in the fullest minute,
and the latency of live calls by another key before the burst and during it.
"""

import json
import statistics
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

from benchmarks.flow_stand import LETTERS, Flow, flowing
from benchmarks.stand import KEY, Figures, write_page
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
    """Calls of another key, ten in a second: how long each took, and how many failed."""

    url: str
    took_ms: list[float] = field(default_factory=list)
    failed: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        body = json.dumps({"model": "ok", "messages": [{"role": "user", "content": "Hello."}]}).encode()
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        while not self.stop.wait(_PACE_S):
            began = time.perf_counter()
            try:
                with urllib.request.urlopen(urllib.request.Request(self.url, body, headers), timeout=30) as answer:
                    answer.read()
                self.took_ms.append((time.perf_counter() - began) * 1000)
            except (urllib.error.URLError, OSError):
                self.failed += 1

    def since(self, at: int) -> str:
        """Return median and 95th percentile of the calls from one on."""
        took = self.took_ms[at:] or [0.0]
        return f"{statistics.median(took):.0f}, {statistics.quantiles(took, n=20)[-1] if len(took) > 1 else 0:.0f} ms"


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
        live = Live(flow.stand.url)
        threading.Thread(target=live.run, daemon=True).start()
        time.sleep(15)
        quiet = live.since(0)
        at, began = len(live.took_ms), time.monotonic()
        took_s, new = put_in(flow, count, batch)
        drained = flow.until_ended(count, 1500)
        drain_s, busy, states = time.monotonic() - began, live.since(at), flow.states()
        live.stop.set()
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
    say(f"{store}: answered calls in the fullest minute, limit", f"{most}, {limit}", well=most <= limit)
    say(f"{store}: live calls before the burst: median, 95th percentile", quiet)
    say(
        f"{store}: live calls during it: median, 95th percentile; failed",
        f"{busy}; {live.failed}",
        well=not live.failed,
    )


@click.command()
@click.option("--only", type=click.Choice(["sqlite", "postgresql"]), help="Only one of the databases.")
@click.option("--count", default=0, help="Letters, instead of 2,000 on SQLite and 10,000 on PostgreSQL.")
@click.option("--limit", default=0, help="Model calls in a minute, instead of 1,200 and 3,000.")
@click.option("--page", type=click.Path(path_type=Path), help="Write the counts into this page.")
def main(only: str | None, count: int, limit: int, page: Path | None) -> None:
    """Put bursts in and drain them; exit 1 when a letter is lost or done twice, or a bound is missed."""
    figures = Figures()
    for name, usual, batch, pace in (("sqlite", 2000, 10, 1200), ("postgresql", 10_000, 10, 3000)):
        if only in (None, name):
            one(figures, count or usual, batch, limit or pace, postgresql=name == "postgresql")
    if page is not None:
        write_page(page, HEADING, INTRODUCTION, figures.lines)
    for line in figures.bad:
        click.echo(f"  missed: {line}", err=True)
    sys.exit(1 if figures.bad else 0)


if __name__ == "__main__":
    main()
