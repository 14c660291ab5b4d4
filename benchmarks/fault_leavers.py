"""Clients that leave: while the gateway connects, before the first byte, in the stream, at its end."""

import asyncio
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson
import psutil

from benchmarks.fault_streams import words
from benchmarks.hostile_requests import chat
from benchmarks.rawhttp import Reply, ask
from benchmarks.stand import POLICY, Stand, standing
from gateway.control import budgets
from gateway.control.database import open_database

BUDGET = "\nbudget: {rules: [{period: day, usd: 1000}]}\n"
MODELS = ("m", "hang", "words-1000-50", "words-10-5", "bench-model")
PRICE = f"{{provider: NAME, model: [{', '.join(MODELS)}], from: 2020-01-01, input_usd: 10, output_usd: 40}}"
AT_ONCE = 25
A_WORD = 16  # characters, its space included
SETTLED_S = 8.0  # after which what was set aside is given back
KEPT_S = 17.0  # connections to an upstream are kept for 15 s
GONE_S = 0.9

Say = Callable[[str, object], None]


class Left(NamedTuple):
    """A client that left: in which phase, under which run, with which text."""

    phase: str
    run: str
    text: str


def leavers(each: int, seed: int, say: Say) -> list[str]:
    """Let clients leave in every phase; return what should not have happened."""
    bad: list[str] = []
    with silence() as port:
        address = f"http://127.0.0.1:{port}/v1"
        policy = POLICY + BUDGET
        with standing(first_byte_s=30, idle_s=30, policy=policy, SLUICE_BENCH_SILENT_URL=address) as stand:
            price(stand)
            left = asyncio.run(leaving(stand, each, random.Random(seed), port, bad))
            time.sleep(SETTLED_S)
            leaked = set_aside(stand)
            records = ends(stand)
    twice = sum(len(records.get(one.run, [])) != 1 for one in left)
    far = [one for one in left if one.phase == "in the stream" and unlike(one, records.get(one.run, []))]
    outcomes = Counter(body["outcome"] for one in left for body in records.get(one.run, []))
    if twice or far or leaked > 1e-9 or outcomes.keys() - {"client_disconnected", "ok"}:
        bad.append(f"clients that left: {twice} without exactly one record, {len(far)} with another text, {outcomes}")
    say("clients that left; without exactly one record", f"{len(left)}: {dict(outcomes)}; {twice}")
    say("left in the stream; recorded text a word off", f"{each}; {len(far)}")
    say("still set aside of their budget", f"${leaked:.4f}")
    return bad


async def leaving(stand: Stand, each: int, die: random.Random, silent: int, bad: list[str]) -> list[Left]:
    upstream = int(stand.environment["SLUICE_BENCH_BASE_URL"].split(":")[2].split("/")[0])
    left: list[Left] = []
    phases: list[tuple[str, str, Callable[[], int]]] = [
        ("while it connects", "silent/m", lambda: 0),
        ("before the first byte", "hang", lambda: 0),
        ("in the stream", "words-1000-50", lambda: die.randint(1, 8)),
        ("at the end", "words-10-5", lambda: 10),
    ]
    for phase, model, count in phases:
        for at in range(0, each, AT_ONCE):
            runs = [f"{phase} {number}".replace(" ", "-") for number in range(at, min(each, at + AT_ONCE))]
            left += await asyncio.gather(*(leave(stand, phase, model, run, count(), die.random()) for run in runs))
        await asyncio.sleep(KEPT_S if phase == "at the end" else GONE_S)
        if open_ := connected(stand, {upstream, silent}):
            bad.append(f"clients left {phase}: {open_} connections to the upstream are still open")
    return left


async def leave(stand: Stand, phase: str, model: str, run: str, count: int, patience: float) -> Left:
    """Leave after so many words, or without any after a while."""
    reply = Reply()
    request = chat(model=model, stream=True, metadata={"run_id": run})
    asking = asyncio.create_task(ask(stand.port, request, 20, reply))
    deadline = time.monotonic() + (10 if count else 0.02 + patience * 0.3)
    while not asking.done() and time.monotonic() < deadline:
        if count and reply.body.count(b'"content":" ') >= count:
            break
        await asyncio.sleep(0.002)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    return Left(phase, run, words(reply.body.rpartition(b"\n\n")[0]))


def unlike(one: Left, bodies: list[dict[str, Any]]) -> bool:
    """Tell whether the record holds another text than the client got, by more than a word."""
    recorded = sum(body.get("answer_chars") or 0 for body in bodies)
    return abs(recorded - len(one.text)) > A_WORD or not all(body.get("usage") for body in bodies)


def connected(stand: Stand, ports: set[int]) -> int:
    """Count the workers' connections to upstreams, and those they still try to make."""
    states = {psutil.CONN_ESTABLISHED, psutil.CONN_SYN_SENT}
    return sum(
        found.status in states and bool(found.raddr) and found.raddr.port in ports
        for worker in stand.workers()
        for found in worker.net_connections("tcp")
    )


def ends(stand: Stand) -> dict[str, list[dict[str, Any]]]:
    """Return the ends of calls on record by run."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in (stand.data / "journal" / "meta").rglob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            event = orjson.loads(line)
            if event["kind"] == "call.end" and event.get("run"):
                found.setdefault(event["run"], []).append(event["body"])
    return found


def price(stand: Stand) -> None:
    """Put prices in force, without which no budget can be kept."""
    prices = ", ".join(PRICE.replace("NAME", name) for name in ("bench", "silent"))
    (stand.folder / "policies" / "prices.yaml").write_text(f"schema: 1\nprices: [{prices}]\n")
    while asyncio.run(ask(stand.port, chat(model="silent/m"), 20)).status == 403:  # it leaves no connection behind
        time.sleep(0.1)


def set_aside(stand: Stand) -> float:
    """Return how many dollars are reserved, but not spent."""
    database = open_database(f"sqlite:///{stand.data}/control.db")
    try:
        states = budgets.states(database, "default", 0)
        return sum(state.taken - state.spent for state in states) / 1e9
    finally:
        database.close()


@contextmanager
def silence() -> Iterator[int]:
    """Give a port on which connecting neither succeeds nor fails: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for each in waiting:
                each.close()
