"""`sluice up`: starts every part on one machine, says where they are, and stops them in order."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final, Protocol

from gateway.machine.crashes import Crashes
from gateway.machine.parent import MARGIN_S, first_of
from gateway.machine.ports import reachable_host
from gateway.machine.processes import MISCONFIGURED, Child, Lifeline, Program, python
from gateway.machine.running import log_file
from gateway.settings import Settings, as_environment

RECORDER_STOP_S: Final = 20.0
CATCH_UP_S: Final = 10.0
DASHBOARD_STOP_S: Final = 5.0
WORKER_STOP_S: Final = 20.0
POLL_S: Final = 0.2
PATIENCE_S: Final = 60.0
TAIL_BYTES: Final = 4_000
KILLED: Final = 1
_CUT_SHORT: Final = (
    "Stopped, but not everything ended by itself. What was acknowledged is in the journal and counts at the next start."
)


class Terminal(Protocol):
    """Where `sluice up` speaks."""

    def say(self, line: str) -> None:
        """Show a line and log it."""

    def show(self, line: str) -> None:
        """Show a line that may hold a secret; it is not logged."""


@dataclass(frozen=True, slots=True)
class Part:
    """One program that `sluice up` keeps running, and how to ask whether it is ready.

    `status_path` answers JSON with `behind_bytes`: the part is stopped when that is 0, or after `CATCH_UP_S`.
    """

    name: str
    command: tuple[str, ...]
    port: int
    ready_path: str
    stop_s: float
    status_path: str | None = None
    awaited: bool = True  # a person is told how to get in once all such parts are ready


def parts(settings: Settings, *, dashboard: bool, worker: bool = True) -> list[Part]:
    """Return the parts in the order in which they stop: who calls, then calls end, are counted, and nobody looks."""
    gateway_stop_s = settings.grace_s + 3 * MARGIN_S  # its workers, then its keeper, then itself
    asking = [
        Part("worker", python("gateway.cli", "worker"), settings.worker_port, "/readyz", WORKER_STOP_S, awaited=False)
    ]
    # An automation's file that cannot be loaded keeps nobody out: the worker's crashes are said.
    found = [
        *(asking if worker else []),
        Part("gateway", python("gateway.cli", "gateway"), settings.port, "/readyz", gateway_stop_s),
        Part(
            "recorder", python("gateway.cli", "recorder"), settings.recorder_port, "/readyz", RECORDER_STOP_S, "/status"
        ),
    ]
    if dashboard:
        command = python("gateway.cli", "dashboard")
        found.append(Part("dashboard", command, settings.dashboard_port, "/_stcore/health", DASHBOARD_STOP_S))
    return found


class Supervisor:
    """Keeps the parts running from the first start to the ordered stop."""

    def __init__(
        self, settings: Settings, wanted: Sequence[Part], environ: Mapping[str, str], terminal: Terminal
    ) -> None:
        self._host, self._data, self._terminal, self._parts = settings.host, settings.data, terminal, wanted
        self._lifeline = Lifeline()
        own = {"SLUICE_DASHBOARD_SECRET": secrets.token_urlsafe(32)}  # of this run, where none is set
        environment = {**environ, **own, **as_environment(settings)}
        self._children = {part.name: self._child(part, environment) for part in wanted}
        self._stop = asyncio.Event()
        self._killed = False

    async def run(self, when_ready: Callable[[], Awaitable[None]]) -> int:
        """Run until a signal comes or a part cannot start; return the exit code.

        Args:
            when_ready: called once, when every part answered that it is ready.
        """
        closed = () if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (signal.SIGHUP,)  # ignored: nohup
        for number in (signal.SIGTERM, signal.SIGINT, *closed):
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)
        telling = asyncio.create_task(self._tell_crashes())
        running = [asyncio.create_task(child.keep()) for child in self._children.values()]
        welcome = asyncio.create_task(self._welcome(when_ready))
        asked = await first_of(self._stop, running)
        welcome.cancel()
        telling.cancel()
        if not asked:
            self._say_why()
        in_time = await self._stop_in_order(running)
        for told in (welcome, telling):
            with contextlib.suppress(asyncio.CancelledError):
                await told
        if not asked:
            return MISCONFIGURED
        self._terminal.say("Stopped. Nothing was lost." if in_time else _CUT_SHORT)
        return KILLED if self._killed else 0

    def _child(self, part: Part, environment: Mapping[str, str]) -> Child:
        program = Program(part.name, part.command, environment, part.stop_s, log=log_file(self._data, part.name))
        return Child(program, self._lifeline, self._say_crash)

    def _on_signal(self) -> None:
        if not self._stop.is_set():
            self._terminal.say("Stopping: calls in flight finish first (press Ctrl-C again to kill).")
            self._stop.set()
            return
        self._killed = True
        for child in self._children.values():
            child.kill()

    async def _welcome(self, when_ready: Callable[[], Awaitable[None]]) -> None:
        await asyncio.gather(*(self._until_ready(part) for part in self._parts if part.awaited))
        await when_ready()

    async def _tell_crashes(self) -> None:
        """Say which programs below a part end again and again: each at once, and then once in a while."""
        logs = {part.name: log_file(self._data, part.name) for part in self._parts}
        crashes = {name: Crashes(log) for name, log in logs.items()}
        quiet_until_s: dict[str, float] = {}
        while True:
            await asyncio.sleep(POLL_S)
            for part, found in [(name, each.news()) for name, each in crashes.items()]:
                for program, sentence in found.items():
                    if monotonic() >= quiet_until_s.get(program, 0.0):
                        quiet_until_s[program] = monotonic() + PATIENCE_S
                        self._terminal.say(f"The {part}'s {sentence}; see {logs[part]}")

    async def _until_ready(self, part: Part) -> None:
        host = reachable_host(self._host).strip("[]")
        said_s = monotonic()
        while not await is_ready(host, part.port, part.ready_path):
            await asyncio.sleep(POLL_S)
            if monotonic() - said_s >= PATIENCE_S:
                self._terminal.say(f"Still waiting for the {part.name}; see {log_file(self._data, part.name)}")
                said_s = monotonic()

    async def _until_caught_up(self, part: Part) -> None:
        """Let a part read what the parts before it wrote last; what it does not read now it reads at the next start."""
        host = reachable_host(self._host).strip("[]")
        ends_s = monotonic() + CATCH_UP_S
        while monotonic() < ends_s:
            if part.status_path is None or self._killed or self._children[part.name].ended:
                return
            if await is_caught_up(host, part.port, part.status_path):
                return
            await asyncio.sleep(POLL_S)

    async def _stop_in_order(self, running: list[asyncio.Task[int]]) -> bool:
        """Stop one part after the other; tell whether all ended by themselves."""
        in_time = []
        for part in self._parts:
            await self._until_caught_up(part)
            in_time.append(await self._children[part.name].stop())
        await asyncio.gather(*running)
        self._lifeline.close()
        return all(in_time) and not self._killed

    def _say_crash(self, sentence: str) -> None:
        self._terminal.say(f"The {sentence}")

    def _say_why(self) -> None:
        """Repeat the last sentence of each part that refused to start."""
        for name, child in self._children.items():
            if child.process is not None and child.process.returncode == MISCONFIGURED:
                self._terminal.say(f"The {name} cannot start. {last_line(log_file(self._data, name))}")


async def is_ready(host: str, port: int, path: str) -> bool:
    """Tell whether a part answers 200 on its readiness path within a second."""
    return b" 200 " in (await _answer(host, port, path)).partition(b"\r\n")[0]


async def is_caught_up(host: str, port: int, path: str) -> bool:
    """Tell whether a part has nothing left to read."""
    try:
        status = json.loads((await _answer(host, port, path)).partition(b"\r\n\r\n")[2])
    except ValueError:
        return False
    return isinstance(status, dict) and status.get("behind_bytes") == 0


async def _answer(host: str, port: int, path: str) -> bytes:
    """Return the whole answer to a GET, or nothing when there is none within a second."""
    try:
        async with asyncio.timeout(1.0):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n".encode())
                return await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""


def last_line(file: Path) -> str:
    """Return the last line of a log, or an empty text."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
