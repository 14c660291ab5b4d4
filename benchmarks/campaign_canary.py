"""`make campaign-canary`: secrets in every place of a request, through an upstream that fails in every way.

None may turn up in what is left behind or told: every byte of the data folder, the ledger's rows, logs, telemetry,
webhooks, pages for machines, what commands print, and every answer.
"""

import asyncio
import itertools
import os
import subprocess
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import click

from benchmarks.canaries import Hooks, Hunt, files, hits, listening, of_callers, of_operators, places, tables
from benchmarks.faulty_upstream import WHOLE
from benchmarks.hostile_requests import head
from benchmarks.rawhttp import Reply, ask
from benchmarks.stand import KEY, POLICY, SLUICE, Figures, Stand, page_option, standing
from tests.integration.metrics.otlp_collector import Collector, collecting

HEADING = "## make campaign-canary"
INTRODUCTION = """
Calls whose requests hold secrets in every place where somebody might put one, through an upstream that fails in every
way and quotes the provider key and the request in its refusals; sign-ins, wrong keys, broken requests. Then every byte
of the data folder, the ledger's rows, logs, telemetry, `/metrics`, what commands print and every answer are searched
for them in eight spellings. At last the automation is stopped, a model repeats what it was asked, its answers are held
and approved, and what webhooks are sent of them is searched as well."""
SECRETS = 'redaction:\n  names: "off"\n  request: {secrets: {operator: pseudonym}, '
HOLD = "hold: {queue: all, deadline: 5m, webhook: {url_env: BENCH_HOOK_URL, secret_env: BENCH_HOOK_SECRET}}\n"
POLICY_WITH_SECRETS = POLICY.replace('redaction:\n  names: "off"\n  request: {', SECRETS) + HOLD
QUICK = [
    *WHOLE,
    "ok",
    "echo-400",
    "echo-401",
    "echo-403",
    "echo-429",
    "echo-500",
    "reset",
    "cut-200-fin",
    "cut-300-rst",
]
SLOW = ["hang", "stall"]
SLOW_EACH = 100
NOT_LABELS = (
    "login", "link", "wrong login", "bearer", "basic", "api-key header", "other header", "cookie", "query",
    "unknown path", "broken json", "wrong type", "user text", "system text", "tool call", "comment", "completions",
)  # fmt: skip
REPEATING = "echo-200"
HELD = 423
HOOKS_S = 60
COMMANDS = (["settings"], ["settings", "--json"], ["calls", "list", "--json"], ["doctor", "--json"], ["keys", "list"])


@dataclass
class Run:
    """What came back."""

    statuses: Counter[int] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Call:
    """One request: the secret that it holds, where, and the failure that it meets."""

    secret: str
    place: str
    model: str
    data: bytes


def requests(count: int, callers: dict[str, str], operators: dict[str, str]) -> list[Call]:
    """Build the calls: places, secrets, failures and streaming in turn, each with the others as far as they go.

    What signs people in has no form that a recognizer knows, so it stands where it is sent or pasted by mistake, and
    not in labels: those are recorded as they are when nothing is found in them.
    """
    built: list[Call] = []
    pairs = [(way, secret) for way in places() for secret in callers]
    pairs += [(way, secret) for way in NOT_LABELS for secret in operators]
    secrets, ways = callers | operators, places()
    for number in range(count):
        place, secret = pairs[number % len(pairs)]
        model = SLOW[number // SLOW_EACH % 2] if number % SLOW_EACH == 0 else QUICK[number * 7 % len(QUICK)]
        built.append(Call(secret, place, model, ways[place](secrets[secret], model, number % 3 == 0)))
    return built


async def send(stand: Stand, calls: list[Call], hunt: Hunt, connections: int) -> Run:
    """Send all; another's secret in an answer or its headers is a leak, one's own comes back to oneself."""
    run, waiting = Run(), iter(calls)

    async def one() -> None:
        for call in waiting:
            reply: Reply = await ask(stand.port, call.data)
            run.statuses[reply.status] += 1
            found = set(hunt.found(str(reply.headers).encode() + reply.body)) - {call.secret}
            run.leaks += [f"{each} in the answer to {call.place} through {call.model}" for each in found]

    await asyncio.gather(*(one() for _ in range(connections)))
    return run


async def told(stand: Stand, hunt: Hunt, secrets: dict[str, str], hooks: Hooks) -> tuple[Run, int]:
    """Have answers held that repeat the request, and approve them; return what came back, and how many were told."""
    ways = {place: build for place, build in places().items() if place not in NOT_LABELS or "text" in place}
    calls = [
        Call(name, place, REPEATING, build(secrets[name], REPEATING, False))
        for (place, build), name in itertools.product(ways.items(), secrets)
    ]
    run = await send(stand, calls, hunt, 4)
    token, approved = (stand.data / "cli.token").read_text().strip(), 0
    headers = {"authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{stand.port}", headers=headers) as http:
        async with http.get("/reviews?limit=1000") as reply:
            waiting = (await reply.json())["data"]
        for review in waiting:
            async with http.post(f"/reviews/{review['id']}/approve", json={}) as reply:
                approved += reply.status == 200
                run.leaks += [f"{each} in a review" for each in hunt.found(await reply.read())]
    until = time.monotonic() + HOOKS_S
    while hooks.count < approved and time.monotonic() < until:  # noqa: ASYNC110 - another thread counts them
        await asyncio.sleep(0.2)
    return run, approved


async def pages(stand: Stand) -> list[tuple[str, bytes]]:
    """Return what the running product tells machines."""
    found = []
    for port, path in itertools.product(
        (stand.port, stand.recorder), ("/metrics", "/status", "/readyz", "/openapi.json")
    ):
        reply = await ask(port, head(method="GET", path=path))
        found.append((path, str(reply.headers).encode() + reply.body))
    return found


def printed(stand: Stand) -> list[tuple[str, bytes]]:
    """Return what commands tell people."""
    found = []
    for command in COMMANDS:
        done = subprocess.run([SLUICE, *command], env=stand.environment, capture_output=True, check=False, timeout=60)
        found.append((f"sluice {' '.join(command)}", done.stdout + done.stderr))
    return found


def search(stand: Stand, hunt: Hunt, collector: Collector, hooks: Hooks) -> tuple[list[str], int]:
    """Search all that is left of a stopped product; return what was found, and how many bytes were searched."""
    sinks = [*files(stand.data), *tables(stand.ledger), ("telemetry", collector.raw), ("webhooks", hooks.raw)]
    return hits(hunt, sinks), sum(len(data) for _, data in sinks)


def run(figures: Figures, count: int, seed: int, connections: int) -> None:
    """Run the campaign."""
    operators = of_operators(seed)
    given = {name: operators[name] for name in ("password", "sign-in link", "session", "wrong api key")}
    hunt = Hunt.of(of_callers(seed) | operators)
    with ExitStack() as stack:
        collector, hooks = stack.enter_context(collecting()), stack.enter_context(listening())
        more: dict[str, Any] = {
            "BENCH_HOOK_URL": hooks.url,
            "BENCH_HOOK_SECRET": operators["webhook secret"],
            "SLUICE_WEBHOOK_HOSTS": "127.0.0.1",
            "SLUICE_BENCH_KEY": operators["provider key"],
            "SLUICE_MASTER_KEY": operators["master key"],
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {operators['telemetry token']}",
        }
        stand = stack.enter_context(standing(policy=POLICY_WITH_SECRETS, **more))
        done = asyncio.run(send(stand, requests(count, of_callers(seed), given), hunt, connections))
        subprocess.run([SLUICE, "stop", "default"], env=stand.environment, capture_output=True, check=True, timeout=60)
        time.sleep(1.5)
        held, approved = asyncio.run(told(stand, hunt, of_callers(seed), hooks))
        time.sleep(8)  # the last batch of telemetry
        leaks = done.leaks + held.leaks + hits(hunt, [*asyncio.run(pages(stand)), *printed(stand)])
        stand.server.process.terminate()
        stand.server.process.wait(60)
        left, size = search(stand, hunt, collector, hooks)
        tell(figures, done.statuses, left + leaks, size, len(collector.raw))
        by_status = ", ".join(f"{number} x {status}" for status, number in sorted(held.statuses.items()))
        figures.say("requests that a model repeats to a stopped automation, by status", by_status)
        well = hooks.count >= approved == held.statuses[HELD] > 0
        figures.say(
            "answers held and approved; webhooks sent; their bytes",
            f"{approved}; {hooks.count}; {len(hooks.raw):,}",
            well=well,
        )
        figures.say("places; secrets; spellings", f"{len(places())}; {len(hunt.spellings)}; 8")
        known = Hunt.of({"key": KEY}).found(b"x" + KEY.encode())  # the search finds what is there
        figures.say("the search finds what stands there", len(known), well=len(known) == 1)


def tell(figures: Figures, statuses: Counter[int], leaks: list[str], size: int, telemetry: int) -> None:
    """Say what was counted."""
    calls = ", ".join(f"{number} x {status}" for status, number in sorted(statuses.items()))
    answered = statuses[200] * 10 >= statuses.total()  # or the zeros below would say little
    figures.say("calls, by status (0: the connection was refused)", f"{statuses.total()}: {calls}", well=answered)
    figures.say("bytes searched: left behind; telemetry", f"{size:,}; {telemetry:,}", well=telemetry > 0)
    figures.say("secrets found", len(leaks), well=not leaks)
    for leak in leaks[:40]:
        click.echo(f"  {leak}", err=True)


@click.command()
@click.option("--calls", "count", default=10_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--connections", default=16, show_default=True)
@page_option
def main(count: int, seed: int, connections: int, page: Path | None) -> None:
    """Send secrets everywhere and print where they turned up; exit 1 if they did."""
    figures, began = Figures(), time.monotonic()
    run(figures, count, seed, connections)
    figures.say("seconds", f"{time.monotonic() - began:.0f} (load {os.getloadavg()[0]:.0f})")
    figures.end(page, HEADING, INTRODUCTION)


if __name__ == "__main__":
    main()
