"""The supervisor of `sluice up`: ready is said once, parts stop in order, a second Ctrl-C kills, no orphans."""

import asyncio
import functools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.machine.ports import listen
from gateway.machine.up import is_caught_up
from tests.integration.processes.watching import TINY, alive, pids, trace, until

UP = """
import asyncio, os, signal, sys
from dataclasses import replace
from pathlib import Path
from gateway.machine.running import make_data_folder
from gateway.settings import load
from gateway.machine.up import Part, Supervisor

signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests run under nohup

class Lines:
    def say(self, line):
        print(line, flush=True)
    show = say

async def ready():
    print("READY", flush=True)

def part(text):
    name, how, port = text.split(":")
    return Part(name, (sys.executable, sys.argv[1], name, how, port), int(port), "/readyz", 5.0)

async def main():
    settings = load(os.environ, Path.cwd())
    make_data_folder(settings)
    wanted = [part(text) for text in sys.argv[2:]]
    return await Supervisor(settings, wanted, os.environ, Lines()).run(ready)

sys.exit(asyncio.run(main()))
"""
Start = Callable[..., "Up"]


class Up:
    def __init__(self, folder: Path, ports: dict[str, int], parts: list[str]) -> None:
        self.trace, self.data = folder / "trace", folder / "sluice-data"
        self.output = folder / "output"
        environment = {**os.environ, "TRACE": str(self.trace)}
        with self.output.open("wb") as output:
            arguments = [f"{part}:{ports[part.split(':')[0]]}" for part in parts]
            command = [sys.executable, "-c", UP, TINY, *arguments]
            self.process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output)

    def said(self) -> str:
        return self.output.read_text()

    def everyone(self) -> list[int]:
        return [pid for _, what, pid in trace(self.trace) if what == "start"]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Up] = []

    def begin(*parts: str) -> Up:
        listeners = [listen("127.0.0.1", 0) for _ in parts]
        ports = {part.split(":")[0]: held.getsockname()[1] for part, held in zip(parts, listeners, strict=True)}
        for held in listeners:
            held.close()
        started.append(Up(tmp_path, ports, list(parts)))
        return started[-1]

    yield begin
    for up in started:
        up.process.kill()
        up.process.wait()
        everyone = up.everyone()
        until(functools.partial(gone, everyone), "the end of all parts")


@pytest.mark.parametrize(
    ("body", "caught_up"),
    [
        (b'{"behind_bytes": 0}', True),
        (b'{"behind_bytes": 7}', False),
        (b'{"behind_bytes": -1}', False),
        (b"[]", False),
        (b"?", False),
    ],
)
def test_a_part_has_caught_up_when_it_says_that_nothing_is_left(body: bytes, caught_up: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)
        writer.close()

    async def ask() -> bool:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            return await is_caught_up("127.0.0.1", server.sockets[0].getsockname()[1], "/status")

    assert asyncio.run(ask()) is caught_up


def gone(processes: list[int]) -> bool:
    return not any(alive(pid) for pid in processes)


def ended(up: Up) -> list[str]:
    return [name for name, what, _ in trace(up.trace) if what == "end"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_parts_stop_in_order_and_the_exit_code_is_zero(number: int, start: Start) -> None:
    up = start("gateway:serve", "recorder:serve", "dashboard:serve")
    until(lambda: "READY" in up.said(), "readiness")
    up.signal(number)
    assert up.process.wait(60) == 0
    assert ended(up) == ["gateway", "recorder", "dashboard"]
    assert up.said().splitlines()[-1] == "Stopped. Nothing was lost."
    assert not any(alive(pid) for pid in up.everyone())


def test_a_second_ctrl_c_kills_at_once(start: Start) -> None:
    up = start("gateway:stubborn", "recorder:serve")
    until(lambda: len([1 for _, what, _ in trace(up.trace) if what == "up"]) == 2, "both parts")
    up.signal(signal.SIGINT)
    until(lambda: "again to kill" in up.said(), "the first answer")
    up.signal(signal.SIGINT)
    assert up.process.wait(60) == 1
    assert ended(up) == []
    assert "Nothing was lost" not in up.said()
    assert not any(alive(pid) for pid in up.everyone())


def test_ready_is_said_only_when_every_part_answers(start: Start) -> None:
    up = start("gateway:serve", "recorder:wait")
    until(lambda: len([1 for _, what, _ in trace(up.trace) if what == "up"]) == 2, "both parts")
    up.signal(signal.SIGTERM)
    assert up.process.wait(60) == 0
    assert "READY" not in up.said()


def test_a_crashed_part_is_said_in_one_line_and_comes_back(start: Start) -> None:
    up = start("gateway:serve", "recorder:serve")
    until(lambda: "READY" in up.said(), "readiness")
    os.kill(pids(up.trace, "recorder")[0], signal.SIGKILL)
    until(lambda: len(pids(up.trace, "recorder")) == 2, "the second start")
    crashes = [line for line in up.said().splitlines() if "unexpectedly" in line]
    assert crashes == [
        f"The recorder ended unexpectedly (SIGKILL); starting it again in 0.5 s; see {up.data}/logs/recorder.log"
    ]


def test_a_part_that_cannot_run_with_these_settings_ends_everything_with_its_sentence(start: Start) -> None:
    up = start("gateway:serve", "recorder:refuse")
    assert up.process.wait(60) == 2
    assert "The recorder cannot start. SLUICE_PORT is 1; choose another." in up.said()
    assert not any(alive(pid) for pid in up.everyone())


def test_parts_end_when_the_supervisor_is_killed(start: Start) -> None:
    up = start("gateway:serve", "recorder:serve", "dashboard:stubborn")
    until(lambda: len([1 for _, what, _ in trace(up.trace) if what == "up"]) == 3, "all parts")
    up.process.kill()
    until(lambda: not any(alive(pid) for pid in up.everyone()), "the end of all parts")


def test_a_ctrl_c_of_the_terminal_does_not_reach_the_parts(start: Start) -> None:
    """The terminal signals the whole foreground group; parts are in groups of their own, so that they stop in order."""
    up = start("gateway:serve", "recorder:serve")
    until(lambda: "READY" in up.said(), "readiness")
    assert all(os.getpgid(pid) == pid for pid in up.everyone())
