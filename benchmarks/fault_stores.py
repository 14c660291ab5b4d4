"""Stores that fail under a running product: stopped, locked, corrupt, gone."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping, Sequence

import duckdb
import orjson
import pytest

from benchmarks.fault_disks import Load, Say, audited, failed_syncs, full_disk
from benchmarks.rawhttp import Reply
from benchmarks.stand import Stand, processes, standing
from tests.postgres import SKIP_REASON, running_postgres


def recorders(stand: Stand) -> list[int]:
    return [process.pid for process in processes(stand.server.process.pid, "recorder")]


def kill_recorder(stand: Stand) -> None:
    for pid in recorders(stand):
        os.kill(pid, signal.SIGKILL)


async def stopped_recorder(load: Load, seconds: float) -> list[Reply]:
    pids = recorders(load.stand)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    replies = await load.run(seconds)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    return replies


async def locked_ledger(load: Load, seconds: float) -> list[Reply]:
    """Take the ledger's lock between a crash of the recorder and its next start."""
    kill_recorder(load.stand)
    for _ in range(200):
        try:
            held = duckdb.connect(str(load.stand.ledger))
            break
        except duckdb.Error:
            await asyncio.sleep(0.005)
    else:
        return []
    replies = await load.run(seconds)
    held.close()
    return replies


async def corrupt_ledger(load: Load, seconds: float) -> list[Reply]:
    kill_recorder(load.stand)
    with load.stand.ledger.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for _ in range(200):
            file.seek(random.randrange(size))
            file.write(os.urandom(16))
    return await load.run(seconds)


async def locked_control(load: Load, seconds: float) -> list[Reply]:
    """Hold the control database so that nobody can write to it."""
    with contextlib.closing(sqlite3.connect(load.stand.data / "control.db", isolation_level=None)) as held:
        held.execute("begin exclusive")
        replies = await load.run(seconds)
        held.execute("rollback")
    return replies


async def lost_control(load: Load, seconds: float) -> list[Reply]:
    """Put something that is no database in the place of the control database, then put it back."""
    file = load.stand.data / "control.db"
    away = file.with_name("away")
    away.mkdir()
    parts = [
        part for part in (file, file.with_name("control.db-wal"), file.with_name("control.db-shm")) if part.exists()
    ]
    for part in parts:
        part.rename(away / part.name)
    file.write_bytes(b"this is no database, and long enough to be read as one" * 100)
    replies = await load.run(seconds)
    for part in parts:
        (away / part.name).replace(part)
    return replies


async def restored_control(load: Load, seconds: float) -> list[Reply]:
    """Put a copy of the control database in its place, as a restored backup; calls go on with it."""
    file = load.stand.data / "control.db"
    with contextlib.closing(sqlite3.connect(file)) as now, contextlib.closing(sqlite3.connect(f"{file}.copy")) as copy:
        now.backup(copy)
    for part in ("-wal", "-shm"):
        file.with_name(file.name + part).unlink(missing_ok=True)
    file.with_name(file.name + ".copy").replace(file)
    return await load.run(seconds)


Fault = Callable[[Load, float], Awaitable[list[Reply]]]
FAULTS: Mapping[str, Fault] = {
    "recorder stopped": stopped_recorder,
    "ledger locked by another process": locked_ledger,
    "ledger corrupt": corrupt_ledger,
    "control database locked": locked_control,
    "control database replaced by garbage": lost_control,
    "control database restored from a copy": restored_control,
}


async def outages(
    stand: Stand, seconds: float, say: Say, faults: Mapping[str, Fault] = FAULTS
) -> tuple[Load, list[str]]:
    load, bad = Load(stand), []
    await load.run(1)
    for name, fault in faults.items():
        degraded: set[str] = set()
        looking = asyncio.create_task(look(stand, degraded))
        replies = await fault(load, seconds)
        looking.cancel()
        failed = [reply for reply in replies if reply.status != 200]
        back = await well_again(stand)
        if failed or not replies or back == float("inf"):
            bad.append(f"{name}: {len(failed)} of {len(replies)} calls failed; well after {back:.1f} s")
        say(
            f"{name} for {seconds:g} s",
            f"{len(replies)} calls, {len(failed)} failed; well {back:.1f} s after; saw degraded {[*degraded]}",
        )
    await asyncio.sleep(3)
    return load, bad


def lost_server(outage_s: float, say: Say) -> list[str]:
    """Keep the control database on a PostgreSQL server that goes away."""
    try:
        with running_postgres() as server, standing(SLUICE_DATABASE_URL=server.new_database()) as stand:

            async def without(load: Load, seconds: float) -> list[Reply]:
                await asyncio.to_thread(server.stop)
                replies = await load.run(seconds)
                await asyncio.to_thread(server.start)
                return replies

            load, bad = asyncio.run(outages(stand, outage_s, say, {"PostgreSQL server away": without}))
            acknowledged, lost, _ = audited(stand, load)
            say("  acknowledged; lost", f"{acknowledged}; {lost}")
            return bad + ([f"{lost} acknowledged calls lost without the database"] if lost else [])
    except pytest.skip.Exception:
        say("PostgreSQL server away", f"skipped: {SKIP_REASON}")
        return []


async def look(stand: Stand, degraded: set[str]) -> None:
    """Note which parts `/readyz` calls degraded."""
    while True:
        with contextlib.suppress(OSError, ValueError):
            parts = await asyncio.to_thread(gateway_parts, stand)
            degraded |= {name for name, said in parts.items() if said != "ok"}
        await asyncio.sleep(0.5)


async def well_again(stand: Stand, limit_s: float = 60.0) -> float:
    """Return after how many seconds recorder and control are followed again."""
    began = time.monotonic()
    while time.monotonic() - began < limit_s:
        with contextlib.suppress(OSError, ValueError):
            parts = await asyncio.to_thread(readiness, stand)
            if parts.get("recorder") == parts.get("control") == "ok":
                return time.monotonic() - began
        await asyncio.sleep(0.2)
    return float("inf")


def readiness(stand: Stand) -> dict[str, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{stand.recorder}/readyz", timeout=5):
        return gateway_parts(stand)


def gateway_parts(stand: Stand) -> dict[str, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{stand.port}/readyz", timeout=5) as answer:
        parts: dict[str, str] = orjson.loads(answer.read())["parts"]
        return parts


def stores(outage_s: float, say: Say, rows: Sequence[str] = ()) -> list[str]:
    """Run the faults of disks and stores whose names hold one of `rows`, or all; return what should not have been."""

    def wanted(name: str) -> bool:
        return not rows or any(row in name for row in rows)

    bad = []
    for policy in ("block", "serve"):
        bad += full_disk(policy, say) if wanted("full disk") else []
        bad += failed_syncs(policy, say) if wanted("fdatasync fails") else []
    bad += lost_server(outage_s, say) if wanted("PostgreSQL server away") else []
    chosen = {name: fault for name, fault in FAULTS.items() if wanted(name)}
    if not chosen:
        return bad
    with standing() as stand:
        load, found = asyncio.run(outages(stand, outage_s, say, chosen))
        acknowledged, lost, _ = audited(stand, load)
        say("acknowledged during the outages; lost", f"{acknowledged}; {lost}")
        return bad + found + ([f"{lost} acknowledged calls lost in the outages"] if lost else [])
