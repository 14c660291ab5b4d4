"""Detector processes under bad conditions: they die, hang, lose their parent, or get more work than they can do."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest
import uvloop

from redaction.detect import DetectorDown
from redaction.presidio.frames import Query
from redaction.presidio.pool import Pool

QUERY = Query("balanced", "en")
ROOT = Path(__file__).parents[3]


def with_pool(work: Callable[[Pool], Awaitable[None]], processes: int = 1, program: str = "") -> None:
    async def main() -> None:
        pool = Pool(program or "tests.integration.redaction.hostile_worker", processes, least_s=0.05)
        try:
            await work(pool)
        finally:
            pids = pool.pids
            await pool.close()
        assert not [
            pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        ]

    uvloop.run(main())  # as gateway workers do


async def pid_of(pool: Pool, text: str = "hello", deadline_s: float = 60.0) -> int:
    ((entity,),) = await pool.find([text], QUERY, deadline_s)
    return entity.end


def test_a_process_that_dies_fails_its_request_and_is_replaced() -> None:
    async def work(pool: Pool) -> None:
        first = await pid_of(pool)
        with pytest.raises(DetectorDown):
            await pool.find(["die"], QUERY, 60)
        assert await pid_of(pool) != first

    with_pool(work)


def test_a_process_killed_while_idle_costs_no_request() -> None:
    async def work(pool: Pool) -> None:
        first = await pid_of(pool)
        os.kill(first, signal.SIGKILL)
        await asyncio.sleep(0.1)
        assert await pid_of(pool) != first

    with_pool(work)


def test_a_process_killed_in_the_middle_fails_its_request_and_is_replaced() -> None:
    async def work(pool: Pool) -> None:
        first = await pid_of(pool)
        waiting = asyncio.create_task(pool.find(["sleep 30"], QUERY, 60))
        await asyncio.sleep(0.2)
        os.kill(first, signal.SIGKILL)
        with pytest.raises(DetectorDown):
            await waiting
        assert await pid_of(pool) != first

    with_pool(work)


def test_a_request_over_its_deadline_is_killed() -> None:
    async def work(pool: Pool) -> None:
        first = await pid_of(pool)
        with pytest.raises(TimeoutError):
            await pool.find(["sleep 30"], QUERY, 0.2)
        assert await pid_of(pool) != first
        assert not psutil.pid_exists(first)

    with_pool(work)


def test_others_go_on_while_one_is_slow() -> None:
    async def work(pool: Pool) -> None:
        await pid_of(pool)
        slow = asyncio.create_task(pool.find(["sleep 30"], QUERY, 60))
        await asyncio.sleep(0.05)
        for _ in range(5):
            await pid_of(pool)
        assert not slow.done()
        slow.cancel()

    with_pool(work, processes=2)


def test_a_request_given_up_before_its_turn_kills_nothing() -> None:
    async def work(pool: Pool) -> None:
        first = await pid_of(pool)
        slow = asyncio.create_task(pool.find(["sleep 0.5"], QUERY, 60))
        await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError):
            await pool.find(["hello"], QUERY, 0.05)
        assert ((await slow)[0][0].end, await pid_of(pool)) == (first, first)

    with_pool(work)


def test_readiness_is_said() -> None:
    async def work(pool: Pool) -> None:
        assert not pool.ready()
        await pid_of(pool)
        assert pool.ready()

    with_pool(work)


def test_a_program_that_does_not_start_is_a_time_out_not_a_hang() -> None:
    async def work(pool: Pool) -> None:
        with pytest.raises(TimeoutError):
            await pool.find(["hello"], QUERY, 0.3)
        assert not pool.ready()

    with_pool(work, program="tests.integration.redaction.no_such_worker")


def test_sockets_are_refused_inside_and_no_secret_of_the_parent_is_there() -> None:
    async def work(pool: Pool) -> None:
        os.environ["SECRET_KEY"] = "s3cr3t"
        try:
            ((entity,), (other,)) = await pool.find(["socket", "hello"], QUERY, 60)
        finally:
            del os.environ["SECRET_KEY"]
        assert (entity.kind, other.recognizer) == ("REFUSED", "none")

    with_pool(work)


PARENT = """
    import asyncio, sys
    from redaction.presidio.frames import Query
    from redaction.presidio.pool import Pool

    async def main():
        pool = Pool("tests.integration.redaction.hostile_worker", 2)
        await pool.find(["hello"], Query("off", "en"), 60)
        while len(pool.pids) < 2:
            await asyncio.sleep(0.02)
        print(*pool.pids, flush=True)
        await pool.find(["sleep 1"], Query("off", "en"), 1.0)

    asyncio.run(main())
"""


def test_children_end_when_the_parent_is_killed_idle_or_busy() -> None:
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(PARENT)], stdout=subprocess.PIPE, cwd=ROOT)
    assert parent.stdout
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs(children, timeout=15)
    assert len(children) == 2
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]
