"""One child: restarted after a crash, stopped in bounded time, and gone when its parent is."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.machine.processes import MISCONFIGURED, Child, Lifeline, Program
from tests.integration.processes.watching import alive, pids, tiny, trace, until


def child(folder: Path, how: str, said: list[str], *, stop_s: float = 10.0) -> Child:
    environment = {**os.environ, "TRACE": str(folder / "trace")}
    program = Program("part", tiny("part", how), environment, stop_s, log=folder / "part.log")
    return Child(program, Lifeline(), said.append, first_delay_s=0.01)


async def seen(condition: object, what: str) -> None:
    assert callable(condition)
    await asyncio.to_thread(until, condition, what)


def test_a_crash_is_said_in_one_line_and_the_program_starts_again_more_and_more_slowly(tmp_path: Path) -> None:
    said: list[str] = []

    async def run() -> None:
        part = child(tmp_path, "crash", said)
        keeping = asyncio.create_task(part.keep())
        await seen(lambda: len(said) >= 4, "four crashes")
        await part.stop()
        await keeping

    asyncio.run(run())
    assert said[0] == f"part ended unexpectedly (exit code 7); starting it again in 0.01 s; see {tmp_path / 'part.log'}"
    assert [line.split(" in ")[1].split(";")[0] for line in said[:4]] == ["0.01 s", "0.02 s", "0.04 s", "0.08 s"]


def test_a_killed_program_starts_again(tmp_path: Path) -> None:
    said: list[str] = []

    async def run() -> None:
        part = child(tmp_path, "wait", said)
        keeping = asyncio.create_task(part.keep())
        await seen(lambda: pids(tmp_path / "trace", "part"), "the first start")
        os.kill(pids(tmp_path / "trace", "part")[0], signal.SIGKILL)
        await seen(lambda: len(pids(tmp_path / "trace", "part")) == 2, "the second start")
        await part.stop()
        await keeping

    asyncio.run(run())
    assert len(said) == 1
    assert said[0].startswith("part ended unexpectedly (SIGKILL); starting it again in 0.01 s")


def test_a_program_that_cannot_run_with_these_settings_is_not_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    assert asyncio.run(child(tmp_path, "refuse", said).keep()) == MISCONFIGURED
    assert said == []
    assert (tmp_path / "part.log").read_text() == "SLUICE_PORT is 1; choose another.\n"


def test_a_program_that_cannot_be_executed_is_said_and_tried_again(tmp_path: Path) -> None:
    said: list[str] = []

    async def run() -> None:
        program = Program("part", (str(tmp_path / "nothing"),), {}, 1.0)
        part = Child(program, Lifeline(), said.append, first_delay_s=0.01)
        keeping = asyncio.create_task(part.keep())
        await seen(lambda: len(said) >= 3, "three lines")
        await part.stop()
        await keeping

    asyncio.run(run())
    assert said[0] == "part could not be started (No such file or directory)"


@pytest.mark.parametrize(("how", "by_itself"), [("wait", True), ("stubborn", False)])
def test_stopping_asks_first_and_kills_when_the_time_is_over(how: str, by_itself: bool, tmp_path: Path) -> None:
    said: list[str] = []

    async def run() -> bool:
        part = child(tmp_path, how, said, stop_s=10.0 if by_itself else 0.3)
        keeping = asyncio.create_task(part.keep())
        await seen(lambda: ("part", "up") in [line[:2] for line in trace(tmp_path / "trace")], "the start")
        ended = await part.stop()
        await keeping
        return ended

    assert asyncio.run(run()) is by_itself
    assert said == ([] if by_itself else ["part did not stop within 0.3 s and was killed"])
    assert not alive(pids(tmp_path / "trace", "part")[0])


PARENT = """
import asyncio, os, sys
from gateway.machine.processes import Child, Lifeline, Program
async def main():
    lifeline = Lifeline()
    children = [Child(Program(n, tuple(sys.argv[1:3]) + (n, how), dict(os.environ), 5.0), lifeline, print)
                for n, how in (("polite", "wait"), ("deaf", "stubborn"))]
    await asyncio.gather(*(child.keep() for child in children))
asyncio.run(main())
"""


def test_children_end_when_their_parent_is_killed_even_those_that_ignore_signals(tmp_path: Path) -> None:
    environment = {**os.environ, "TRACE": str(tmp_path / "trace")}
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *tiny("", "")[:2]], env=environment)

    def up() -> list[tuple[str, str, int]]:
        return [line for line in trace(tmp_path / "trace") if line[1] == "up"]

    until(lambda: len(up()) == 2, "both children")
    parent.kill()
    parent.wait()
    until(lambda: not any(alive(pid) for _, _, pid in up()), "the end of both children")
    assert ("polite", "end") in [line[:2] for line in trace(tmp_path / "trace")]


def test_a_log_that_grew_large_is_put_aside_at_the_next_start(tmp_path: Path) -> None:
    with (tmp_path / "part.log").open("wb") as log:
        log.truncate(50_000_001)
    asyncio.run(child(tmp_path, "refuse", []).keep())
    assert (tmp_path / "part.log").stat().st_size < 100
    assert (tmp_path / "part.1.log").stat().st_size == 50_000_001
