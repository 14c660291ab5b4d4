"""`make campaign-worker`: kill -9 workers while they run 1,000 letters; count what is lost, and what is done twice.

Some letters are poisoned: one kind fails whenever it is read, the other kills its worker. Each other letter is summed
up by a model through the gateway and posted to a real HTTP target, which does nothing twice for one Idempotency-Key
and counts what it was asked. A kill comes after some further letters have arrived, and at random: also while a worker
is starting. In the end every dead letter is replayed with a mended text.
"""

import random
import time
from pathlib import Path
from typing import Any, Final

import click

from benchmarks.flow_stand import Flow, flowing
from benchmarks.stand import Figures, page_option
from metrics.client import RecorderClient

HEADING: Final = "## make campaign-worker"
INTRODUCTION: Final = (
    "kill -9 of workers at random points while they run letters through ingest, a model call by the gateway and a "
    "post to a real HTTP\ntarget that counts keys. Poisoned letters fail whenever they are read, deadly ones kill "
    "their worker. Leases of 3 s. `make campaign-worker`:"
)


def letters(count: int, poisoned: int, deadly: int) -> list[dict[str, str]]:
    """Make letters; the bad ones stand anywhere between the others."""
    texts = ["poison"] * poisoned + ["deadly"] * deadly + ["Please sum this up."] * (count - poisoned - deadly)
    random.shuffle(texts)
    return [{"id": f"l{n}", "sender": f"customer-{n % 50}", "text": text} for n, text in enumerate(texts)]


def kill(flow: Flow, kills: int, count: int) -> int:
    """Kill a random worker each time some further letters have arrived; return how often one was killed."""
    done = 0
    for number in range(kills):
        wanted, waited = number * count // (kills + 5) + random.randint(0, 5), time.monotonic()
        while len(flow.target.done) < wanted and time.monotonic() - waited < 30:
            time.sleep(random.uniform(0.005, 0.05))
        while not random.choice(flow.workers).kill():
            time.sleep(0.02)
        done += 1
    return done


def replay(flow: Flow, dead: list[dict[str, Any]]) -> int:
    """Replay every dead letter with a mended text; return how many were taken."""
    for each in dead:
        content = flow.ask("GET", f"/runs/{each['run_id']}/content")
        flow.ask("POST", f"/runs/{each['run_id']}/replay", {"input": content["input"] | {"text": "Mended."}})
    return len(dead)


def one(figures: Figures, sizes: tuple[int, int, int, int], workers: int, *, postgresql: bool) -> None:
    """Run the campaign on one database."""
    count, kills, poisoned, deadly = sizes
    store = "PostgreSQL" if postgresql else "SQLite"
    with flowing(workers, postgresql=postgresql) as flow:
        sent = letters(count, poisoned, deadly)
        began = time.monotonic()
        told = [each["run"] for at in range(0, count, 50) for each in flow.enqueue(sent[at : at + 50])]
        killed = kill(flow, kills, count)
        ended = flow.until_ended(count, 600)
        took_s = time.monotonic() - began
        dead = flow.ask("GET", "/runs?state=dead&limit=1000")["data"]
        causes = {each["cause"] for each in dead}
        good = count - poisoned - deadly
        first = dict(flow.target.done)
        replayed = replay(flow, dead)
        again = flow.until_ended(count, 300) and flow.states().get("done", 0) == count
        flow.until_told()
        asked_again = sum(n - 1 for n in flow.target.asked.values())
        deaths = sum(worker.deaths for worker in flow.workers)
        complete = _complete(flow, set(told))
    say = figures.say
    say(f"{store}: workers, runs, of them poisoned, deadly", f"{workers}, {count}, {poisoned}, {deadly}")
    say(f"{store}: kill -9 of workers; all their deaths", f"{killed}; {deaths}", well=killed == kills)
    lost = count - len(set(told))
    say(f"{store}: runs acknowledged but lost", lost if ended else "not all ended", well=ended and not lost)
    say(f"{store}: letters that arrived of those that should", f"{len(first)} of {good}", well=len(first) == good)
    twice = sum(n > 1 for n in flow.target.done.values())
    say(f"{store}: effects that happened twice at the target", twice, well=not twice)
    say(f"{store}: requests that the target knew again by their key", asked_again)
    right = len(dead) == poisoned + deadly
    say(f"{store}: dead letters (causes)", f"{len(dead)} ({', '.join(sorted(causes))})", well=right)
    say(f"{store}: dead letters replayed, all runs done then", f"{replayed}, {again}", well=again)
    say(f"{store}: runs whose beginning and end the ledger tells", f"{complete} of {count}", well=complete == count)
    say(f"{store}: seconds", f"{took_s:.0f}")


def _complete(flow: Flow, runs: set[str]) -> int:
    """Ask the ledger, once the recorder has read everything, for how many runs it tells beginning and end."""
    found, ends = 0, time.monotonic() + 60
    while found < len(runs) and time.monotonic() < ends:
        time.sleep(2)
        found = len(runs & _told(flow, "run.queued") & _told(flow, "run.end"))
    return found


def _told(flow: Flow, kind: str) -> set[str]:
    from_seq, found = 1 << 62, set[str]()
    access = flow.access[0]
    ledger = RecorderClient(access.recorder_url(), access.query_token)
    while True:
        rows = list(ledger.query("events", kind=kind, before_seq=from_seq, limit=1000).dicts())
        found |= {str(each["run"]) for each in rows}
        if len(rows) < 1000:
            return found
        from_seq = min(int(each["seq"]) for each in rows)


@click.command()
@click.option("--count", default=1000, show_default=True, help="Runs on each database.")
@click.option("--kills", default=100, show_default=True, help="kill -9 of workers on each database.")
@click.option("--poisoned", default=45, show_default=True, help="Letters that cannot be read.")
@click.option("--deadly", default=3, show_default=True, help="Letters that kill their worker.")
@click.option("--only", type=click.Choice(["sqlite", "postgresql"]), help="Only one of the databases.")
@page_option
def main(count: int, kills: int, poisoned: int, deadly: int, only: str | None, page: Path | None) -> None:
    """Kill workers on SQLite and on PostgreSQL; exit 1 when anything is lost or done twice."""
    figures = Figures()
    for name, workers in (("sqlite", 2), ("postgresql", 3)):
        if only in (None, name):
            one(figures, (count, kills, poisoned, deadly), workers, postgresql=name == "postgresql")
    figures.end(page, HEADING, INTRODUCTION)


if __name__ == "__main__":
    main()
