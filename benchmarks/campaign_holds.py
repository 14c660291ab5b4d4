"""`make campaign-holds`: kill -9 gateway workers while answers are held, waited for and decided; count what is lost.

Every answer is held. Clients wait a second for a decision, then poll. Two reviewers work on the same queue, so that
they meet over reviews; what they leave is released at its deadline by the keeper, which is killed as well. A hold
counts as acknowledged when its client saw its id. At the end every acknowledged hold must be there, decided once,
with one answer for whoever asks.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import click
import duckdb
import orjson

from benchmarks.campaign_kill import KEY, environment, kill_one
from benchmarks.payload import request_body
from benchmarks.servers import ROOT, free_port, python, started, wait_ready
from benchmarks.stand import finish, processes
from benchmarks.stopping import stopping
from gateway.control.database import open_database
from gateway.control.identity.login import create_link
from gateway.control.identity.roles import local_operator
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.control.identity.users import create_user

CLIENTS, REVIEWERS = 16, 2
STOP_MS: Final = 1_000  # a stop is seen by every worker within a second
_ACTIONS: Final = ("approve", "edit", "reject")
_OUTPUT: Final = {"approve": "answer", "edit": "edit", "reject": "none"}
_AWAY: Final = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass
class Seen:
    """What clients and reviewers saw."""

    held: dict[str, float] = field(default_factory=dict)  # review id -> when
    waited: Counter[int] = field(default_factory=Counter)  # statuses of calls
    decided: dict[str, list[str]] = field(default_factory=dict)  # review id -> outputs that the gateway confirmed
    conflicts: int = 0
    broken: int = 0
    kills: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Stand:
    """A running product, with a session of each reviewer."""

    port: int
    sessions: list[str]
    seen: Seen
    stop: asyncio.Event

    async def ask(self, http: aiohttp.ClientSession, method: str, path: str, token: str, body: Any = None) -> Any:
        headers = {"authorization": f"Bearer {token}"}
        async with http.request(method, f"http://127.0.0.1:{self.port}{path}", json=body, headers=headers) as reply:
            return reply.status, await reply.json()

    async def client(self, number: int) -> None:
        """Call again and again; remember every review id."""
        async with _session() as http:
            while not self.stop.is_set():
                number += 1
                try:
                    await self._call(http, number)
                except _AWAY:
                    self.seen.broken += 1
                    await asyncio.sleep(0.05)

    async def _call(self, http: aiohttp.ClientSession, number: int) -> None:
        url, headers = f"http://127.0.0.1:{self.port}/v1/chat/completions", {"authorization": f"Bearer {KEY}"}
        async with http.post(url, data=request_body(number), headers=headers) as reply:
            await reply.read()
            self.seen.waited[reply.status] += 1
            if name := reply.headers.get("x-sluice-review-id"):
                self.seen.held[name] = time.monotonic()

    async def reviewer(self, token: str) -> None:
        """Decide what lies in the queue, as another reviewer may be doing at this moment."""
        async with _session() as http:
            while not self.stop.is_set():
                try:
                    _, found = await self.ask(http, "GET", "/reviews?limit=1000", token)
                    waiting = found.get("data", [])
                    for review in random.sample(waiting, min(6, len(waiting))):
                        await self._decide(http, token, review["id"])
                except _AWAY:
                    self.seen.broken += 1
                await asyncio.sleep(0.3)

    async def _decide(self, http: aiohttp.ClientSession, token: str, name: str) -> None:
        action = random.choice(_ACTIONS)
        body = {"text": f"Edited {name}."} if action == "edit" else {}
        status, _ = await self.ask(http, "POST", f"/reviews/{name}/{action}", token, body)
        if status == 200:
            self.seen.decided.setdefault(name, []).append(_OUTPUT[action])
        self.seen.conflicts += status == 409

    async def killer(self, parent: int, kills: int) -> None:
        """Kill a worker each time some more answers were held, and the keeper now and then."""
        for number in range(kills):
            wanted = len(self.seen.held) + random.randint(1, 2)
            while len(self.seen.held) < wanted:  # noqa: ASYNC110 - the clients are plain coroutines of this loop
                await asyncio.sleep(0.02)
            while not kill_one(parent, ("gateway.worker",)):  # noqa: ASYNC110 - a process table has no events
                await asyncio.sleep(0.05)
            self.seen.kills.append(time.monotonic())
            if number % 10 == 9:
                kill_one(parent, ("gateway.keeper",))

    async def polled(self) -> dict[str, dict[str, Any]]:
        """Ask for every hold twice, as its caller does."""
        async with _session() as http:
            found: dict[str, dict[str, Any]] = {}
            for name in self.seen.held:
                first, second = [(await self.ask(http, "GET", f"/v1/holds/{name}", KEY))[1] for _ in range(2)]
                found[name] = first | {"same": first == second}
            return found


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        yield http


def links_for(data: Path, count: int, role: str) -> list[str]:
    """Make people with a role and give a sign-in link for each."""
    database = open_database(f"sqlite:///{data}/control.db")
    admin = local_operator(DEFAULT_TENANT)
    users = [create_user(database, DEFAULT_TENANT, f"r{n}@example.com", [role], admin) for n in range(count)]
    links = [create_link(database, DEFAULT_TENANT, user.user_id, admin) for user in users]
    database.close()
    return links


async def campaign(port: int, parent: int, links: list[str], kills: int) -> tuple[Seen, dict[str, dict[str, Any]]]:
    """Run clients, reviewers and the killer; then let deadlines fall, and poll."""
    stand = Stand(port, [], Seen(), asyncio.Event())
    async with _session() as http:
        for link in links:
            stand.sessions.append((await stand.ask(http, "POST", "/auth/link", "", {"token": link}))[1]["session"])
    work = [stand.client(seed * 1_000_000) for seed in range(CLIENTS)] + [stand.reviewer(s) for s in stand.sessions]
    tasks = [asyncio.create_task(each) for each in work]
    await stand.killer(parent, kills)
    stand.stop.set()
    await asyncio.gather(*tasks)
    await asyncio.sleep(25)  # the last deadline, and the recorder
    return stand.seen, await stand.polled()


def counts(seen: Seen, polled: dict[str, dict[str, Any]], ledger: Path) -> dict[str, int]:
    """Compare what was seen with what callers get now, and with the record."""
    with duckdb.connect(str(ledger), read_only=True) as db:
        rows = db.sql("select body from events where kind = 'review.decided'").fetchall()
        opened = db.sql("select count(*) from events where kind = 'review.opened'").fetchall()[0][0]
    told = Counter(orjson.loads(body)["review_id"] for (body,) in rows)
    outputs = {name: found.get("output") for name, found in polled.items()}
    released = [name for name, output in outputs.items() if output != "none"]
    return {
        "kill -9 of gateway workers": len(seen.kills),
        "holds acknowledged": len(seen.held),
        "answered while their caller waited": seen.waited[200] + seen.waited[403],
        "calls broken for their client": seen.broken,
        "decided by a reviewer": len(seen.decided),
        "refused as decided already": seen.conflicts,
        "released at the deadline": sum(found.get("state") == "expired" for found in polled.values()),
        "held before a kill, decided after it": sum(
            any(at < kill for kill in seen.kills) for name, at in seen.held.items() if name in seen.decided
        ),
        "opened according to the record": int(opened),
        "acknowledged but lost": sum("state" not in found for found in polled.values()),
        "still open after the deadline": sum(found.get("state") == "open" for found in polled.values()),
        "decided twice": sum(len(done) > 1 for done in seen.decided.values()),
        "decided twice according to the record": sum(times > 1 for times in told.values()),
        "other output than was confirmed": sum(outputs.get(n, d[0]) != d[0] for n, d in seen.decided.items()),
        "released without an answer": sum(not polled[name].get("answer") for name in released),
        "another answer when asked again": sum(not found["same"] for found in polled.values()),
    }


BAD: Final = (
    "live streams ended in another way",
    "acknowledged but lost", "still open after the deadline", "decided twice", "decided twice according to the record",
    "other output than was confirmed", "released without an answer", "another answer when asked again",
)  # fmt: skip


@contextmanager
def product(policies: str, data: Path) -> Iterator[tuple[int, int]]:
    """Start `sluice up` with four workers; give its port and its process id."""
    upstream, ports = free_port(), [free_port(), free_port()]
    env = environment(data, upstream, ports) | {"SLUICE_WORKERS": "4"}
    env["SLUICE_POLICIES"] = str(ROOT / "benchmarks/policies" / policies)
    up = [str(Path(sys.executable).parent / "sluice"), "up", "--no-dashboard", "--no-worker"]
    with started(python("benchmarks.upstream", str(upstream)), upstream), started(up, ports[0], env=env) as server:
        wait_ready(ports[0], "/readyz")
        wait_ready(ports[1], "/readyz")
        yield ports[0], server.process.pid


def run(kills: int) -> dict[str, int]:
    """Kill -9 while answers are held."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with product("holds", data) as (port, parent):
            seen, polled = asyncio.run(campaign(port, parent, links_for(data, REVIEWERS, "reviewer"), kills))
        return counts(seen, polled, data / "ledger.duckdb")


def run_stops() -> dict[str, float]:
    """Stop an automation whose streams run in every worker."""
    with tempfile.TemporaryDirectory() as folder, product("structured", Path(folder)) as (port, parent):
        [link] = links_for(Path(folder), 1, "policy_owner")
        workers = {process.pid for process in processes(parent, "gateway.worker")}
        return asyncio.run(stopping(f"http://127.0.0.1:{port}", link, KEY, workers))


@click.command()
@click.option("--kills", default=100, show_default=True)
def main(kills: int) -> None:
    """Kill -9 while answers are held and count; exit 1 when a hold was lost or decided twice, or a stop was slow."""
    begin = time.monotonic()
    found: dict[str, float] = {**run_stops(), **(run(kills) if kills else {})}
    for name, count in found.items():
        click.echo(f"{name:50} {count:>6}")
    click.echo(f"{'seconds':50} {time.monotonic() - begin:>6.0f}")
    finish([f"{name}: {found[name]}" for name in BAD if found.get(name)] + list(_missed(found, kills)))


def _missed(found: dict[str, float], kills: int) -> Iterator[str]:
    """Give the limits that were passed, and what would make the zeros say nothing."""
    slowest = max(found["slowest end of a live stream (ms)"], found["last call begun that was answered unheld (ms)"])
    if slowest > STOP_MS:
        yield f"a stop took {slowest} ms"
    least = {"live streams ended with automation_stopped": 1}
    if kills:
        least |= {"kill -9 of gateway workers": kills, "holds acknowledged": 1, "decided by a reviewer": 1}
    yield from (f"{name}: {found[name]}" for name, count in least.items() if found[name] < count)


if __name__ == "__main__":
    main()
