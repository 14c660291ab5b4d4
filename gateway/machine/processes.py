"""Child processes: started with a lifeline, restarted with back-off, stopped in bounded time.

A parent holds the write end of a pipe and every child the read end, so a child learns of its parent's
death however that came. Used by `sluice up` and `sluice gateway` (parents) and by every program (children).
"""

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, NoReturn

from gateway.machine.crashes import ENDED
from gateway.machine.gate import GATE_FD, ROLL_FD, Gate, Roll
from gateway.machine.running import private

LIFELINE_FD: Final = "SLUICE_LIFELINE_FD"
LISTENER_FD: Final = "SLUICE_LISTENER_FD"
PROGRAM_NAME: Final = "SLUICE_PROGRAM"  # how a child calls itself in its log
MISCONFIGURED: Final = 2  # exit code of a program that cannot start with these settings
NOT_STARTED: Final = 127
STEADY_S: Final = 10.0  # a child that ran this long starts again at once
LONGEST_DELAY_S: Final = 4.0  # capacity that is missing longer than this hurts more than a start that fails
MAX_LOG_BYTES: Final = 50_000_000

Say = Callable[[str], None]


def hold_lifeline(environ: MutableMapping[str, str], linger_s: float) -> bool:
    """End this process when its parent does; return False when nobody gave it a lifeline.

    Args:
        environ: the process environment; the variable is removed, so that grandchildren do not see it.
        linger_s: how long the process may take to stop after SIGTERM before it is ended for good.
    """
    text = environ.pop(LIFELINE_FD, None)
    if text is None:
        return False
    fd = int(text)
    os.set_inheritable(fd, False)
    threading.Thread(target=_end_when_cut, args=(fd, linger_s), name="lifeline", daemon=True).start()
    return True


def leave(code: int) -> NoReturn:
    """End this process: all is closed and synced; taking the interpreter apart would only keep a restart waiting."""
    logging.shutdown()
    os._exit(code)


def inherited_listener(environ: MutableMapping[str, str]) -> socket.socket | None:
    """Return the listening socket the parent passed on, or None when there is none."""
    text = environ.pop(LISTENER_FD, None)
    if text is None:
        return None
    listener = socket.socket(fileno=int(text))
    listener.set_inheritable(False)
    return listener


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line that runs a module of ours (`-P`: folders of the working directory are not packages)."""
    return (sys.executable, "-P", "-m", module, *arguments)


class Lifeline:
    """The parent's side: one pipe, kept open as long as the parent lives."""

    def __init__(self) -> None:
        self.read_fd, self._write_fd = os.pipe()

    def close(self) -> None:
        os.close(self._write_fd)
        os.close(self.read_fd)


@dataclass(frozen=True, slots=True)
class Program:
    """How one child is started. `log` is appended to; without it the child writes where its parent does."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    stop_s: float
    log: Path | None = None
    listener: socket.socket | None = None
    gate: Gate | None = None
    roll: Roll | None = None
    own_group: bool = True  # signals from the terminal reach only the parent, which stops children in order


@dataclass(slots=True)
class Child:
    """One program kept running until it is stopped."""

    program: Program
    lifeline: Lifeline
    say: Say
    first_delay_s: float = 0.5
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ended(self) -> bool:
        """Tell whether the program does not run just now."""
        return self.process is None or self.process.returncode is not None

    async def keep(self) -> int:
        """Run the program again and again; return its last exit code once stopped or misconfigured from the start."""
        delay_s = self.first_delay_s
        while True:
            if self._stopping.is_set():  # before it ever ran
                return 0
            began = time.monotonic()
            code = await self._run_once()
            if self._stopping.is_set() or (code == MISCONFIGURED and self.starts == 1):
                return code
            if time.monotonic() - began > STEADY_S:
                delay_s = self.first_delay_s
            self.say(f"{self.program.name} {ENDED} ({_cause(code)}); {_again(delay_s, self.program.log)}")
            if await self._stopped_within(delay_s):
                return code
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    async def stop(self) -> bool:
        """Ask the program to end and wait; kill it when its time is over. Tell whether it ended by itself."""
        self._stopping.set()
        process = self.process
        if process is None or self.ended:
            return True
        _signal(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self.program.stop_s)
        except TimeoutError:
            self.say(f"{self.program.name} did not stop within {self.program.stop_s:g} s and was killed")
            self.kill()
            await process.wait()
            return False
        return True

    def kill(self) -> None:
        """End the program, and what it started, at once."""
        self._stopping.set()
        process = self.process
        if process is None or self.ended:
            return
        if self.program.own_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()

    async def _run_once(self) -> int:
        self.starts += 1
        try:
            self.process = await self._start()
        except OSError as error:  # no memory, no process slot, no disk: as bad as a crash, and as passing
            self.say(f"{self.program.name} could not be started ({error.strerror or error})")
            return NOT_STARTED
        if self._stopping.is_set():  # stopped while it was being started
            _signal(self.process, signal.SIGTERM)
        return await self.process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        program, fds = self.program, {LIFELINE_FD: self.lifeline.read_fd}
        if program.listener is not None:
            fds[LISTENER_FD] = program.listener.fileno()
        if program.gate is not None and not program.gate.is_open:
            fds[GATE_FD] = program.gate.read_fd
        if program.roll is not None and program.roll.is_open:
            fds[ROLL_FD] = program.roll.write_fd
        with _open_log(program.log) as log:
            return await asyncio.create_subprocess_exec(
                *program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**program.environment, **{mark: str(fd) for mark, fd in fds.items()}},
                pass_fds=tuple(fds.values()),
                process_group=0 if program.own_group else None,
            )

    async def _stopped_within(self, delay_s: float) -> bool:
        try:
            await asyncio.wait_for(self._stopping.wait(), delay_s)
        except TimeoutError:
            return False
        return True


def _open_log(path: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    """Open a log for appending; a log that grew large is put aside first, replacing the one put aside before."""
    if path is None:
        return nullcontext()
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_suffix(".1.log"))
    return open(path, "ab", opener=private)


def _again(delay_s: float, log: Path | None) -> str:
    return f"starting it again in {delay_s:g} s" + (f"; see {log}" if log else "")


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    if process.returncode is None:
        process.send_signal(number)


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _end_when_cut(fd: int, linger_s: float) -> None:
    while os.read(fd, 1):  # nobody writes; the read returns empty when the last write end is closed
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(linger_s)
    os._exit(1)
