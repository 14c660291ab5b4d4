"""The gateway's parent: one socket for all workers, dead ones replaced, keeper last, nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.machine.gate import GATE_FD, ROLL_FD, Gate, Roll, answer_roll
from gateway.machine.ports import listen
from tests.integration.processes.watching import TINY, alive, free, get, pids, trace, until

PARENT = """
import asyncio, os, sys
from pathlib import Path
from gateway.machine.parent import Commands, serve
from gateway.settings import load
tiny = (sys.executable, sys.argv[1])
prepare = (sys.executable, "-c", sys.argv[3]) if sys.argv[3:] else None
commands = Commands(tiny + ("worker", sys.argv[2]), tiny + ("keeper", "wait"), prepare)
sys.exit(asyncio.run(serve(load(os.environ, Path.cwd()), os.environ, commands)))
"""


class Gateway:
    """A real parent process with tiny workers."""

    def __init__(self, folder: Path, how: str = "serve", *prepare: str) -> None:
        with listen("127.0.0.1", 0) as probe:
            self.port = probe.getsockname()[1]
        self.trace = folder / "trace"
        environment = {**os.environ, "TRACE": str(self.trace), "SLUICE_PORT": str(self.port), "SLUICE_GRACE_S": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, TINY, how, *prepare], env=environment, cwd=folder
        )

    def up(self, name: str) -> list[int]:
        return [pid for who, what, pid in trace(self.trace) if (who, what) == (name, "up")]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    running = Gateway(tmp_path)
    until(lambda: len(running.up("worker")) == 2 and running.up("keeper"), "two workers and a keeper")
    yield running
    running.process.kill()
    running.process.wait()
    until(lambda: not any(alive(pid) for _, _, pid in trace(running.trace)), "the end of all children")


def test_a_killed_worker_is_replaced_while_the_other_goes_on_answering(gateway: Gateway) -> None:
    victim = int(get(gateway.port))
    os.kill(victim, signal.SIGKILL)
    # A process that was just killed may still take a connection with it.
    until(lambda: get(gateway.port) in {str(pid) for pid in gateway.up("worker") if pid != victim}, "the other worker")
    until(lambda: len(gateway.up("worker")) == 3, "a third worker")


def test_sigterm_stops_everybody_and_ends_with_zero(gateway: Gateway) -> None:
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(60) == 0
    assert sorted(who for who, what, _ in trace(gateway.trace) if what == "end") == ["keeper", "worker", "worker"]
    until(lambda: free(gateway.port), "the free port")


def test_after_the_parent_is_killed_the_port_and_everything_else_is_free(gateway: Gateway) -> None:
    gateway.process.kill()
    until(lambda: not any(alive(pid) for pid in gateway.up("worker") + gateway.up("keeper")), "the end of all children")
    until(lambda: free(gateway.port), "the free port")


def test_a_worker_that_cannot_run_with_these_settings_ends_the_gateway_with_two(tmp_path: Path) -> None:
    running = Gateway(tmp_path, "refuse")
    assert running.process.wait(60) == 2
    assert not any(alive(pid) for pid in pids(running.trace, "keeper"))


def test_the_keeper_starts_when_the_workers_serve(gateway: Gateway) -> None:
    order = [(who, what) for who, what, _ in trace(gateway.trace)]
    assert order.index(("keeper", "start")) > max(at for at, seen in enumerate(order[:6]) if seen == ("worker", "up"))


def test_a_roll_waits_for_all_but_for_slow_ones_only_so_long() -> None:
    async def waited(answers: int, limit_s: float) -> float:
        roll, loop = Roll(), asyncio.get_running_loop()
        fds = [os.dup(roll.write_fd) for _ in range(answers)]
        waiting = asyncio.create_task(roll.all_serve(2, limit_s))
        began = loop.time()
        for fd in fds:
            await asyncio.sleep(0.05)
            answer_roll({ROLL_FD: str(fd)})
        await waiting
        assert not roll.is_open
        return loop.time() - began

    assert asyncio.run(waited(2, 600)) < 300
    assert asyncio.run(waited(1, 0.3)) >= 0.25
    answer_roll({})


def test_programs_wait_at_the_gate_until_it_opens_and_later_ones_do_not(tmp_path: Path) -> None:
    gate = Gate()
    program = (sys.executable, "-c", "import os; from gateway.machine.gate import *; wait_at_gate(os.environ)")
    marks = {**os.environ, GATE_FD: str(gate.read_fd)}
    waiting = subprocess.Popen(program, env=marks, pass_fds=[gate.read_fd])
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(0.5)
    gate.open()
    gate.open()
    assert waiting.wait(60) == 0
    assert subprocess.run(program, check=False).returncode == 0


def test_when_preparing_fails_the_gateway_ends_with_its_exit_code_and_leaves_nobody(tmp_path: Path) -> None:
    running = Gateway(tmp_path, "serve", "raise SystemExit(1)")
    assert running.process.wait(60) == 1
    until(lambda: not any(alive(pid) for _, _, pid in trace(running.trace)), "the end of all children")
    assert free(running.port)


def test_sigterm_while_preparing_ends_with_zero(tmp_path: Path) -> None:
    running = Gateway(tmp_path, "serve", "import time; time.sleep(600)")
    until(lambda: len(running.up("worker")) == 2, "two workers")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0
    until(lambda: not any(alive(pid) for _, _, pid in trace(running.trace)), "the end of all children")
