"""`sluice gateway`: binds the listening socket, keeps N workers and one keeper running on it, drains when told.

What has to be prepared first is prepared by a program of its own, so that this long-lived parent stays small; workers
import meanwhile, and wait at a gate. The keeper, which no first call needs, starts when the workers serve.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.machine.gate import Gate, Roll
from gateway.machine.ports import open_listener
from gateway.machine.processes import MISCONFIGURED, PROGRAM_NAME, Child, Lifeline, Program, python
from gateway.settings import Settings, as_environment

ROLL_S = 3.0  # the keeper waits so long for workers, and starts beside them when they need more
MARGIN_S = 3.0  # beyond the grace that calls get: to sync the journal and end
CHILD_MARGIN_S = 0.9  # for one that has not ended itself by then: what is acknowledged is synced, the rest can wait
_log = logging.getLogger("gateway.machine.parent")


@dataclass(frozen=True, slots=True)
class Commands:
    """What is run for a worker and for the keeper, and once before them; tests run tiny programs instead."""

    worker: tuple[str, ...] = python("gateway.machine.start", "gateway.worker")
    keeper: tuple[str, ...] = python("gateway.machine.start", "gateway.keeper.__main__")
    prepare: tuple[str, ...] | None = None


PREPARED = Commands()  # `sluice up` prepares before it starts its parts
PREPARING = Commands(prepare=python("gateway.machine.start", "gateway.machine.prepare"))


async def serve(
    settings: Settings,
    environ: Mapping[str, str],
    commands: Commands = PREPARED,
    listener: socket.socket | None = None,
) -> int:
    """Run the gateway on this machine until SIGTERM or SIGINT; return the exit code.

    A `listener` that several gateways share lets one take over from another without a lost connection.

    Raises:
        SettingsError: the listening socket cannot be bound.
    """
    stop = stop_signals()
    listener = listener or open_listener(settings)
    settings = replace(settings, port=listener.getsockname()[1])
    lifeline, gate, roll = Lifeline(), Gate(), Roll()
    programs = _programs(settings, environ, commands, listener, gate, roll)
    keeper, *workers = children = [Child(program, lifeline, _log.warning) for program in programs]
    _log.info("listening on %s:%d with %d workers", settings.host, settings.port, settings.workers)
    running = [asyncio.create_task(child.keep()) for child in workers]
    failed = await _prepare(commands.prepare, {**environ, **as_environment(settings)}, stop)
    asked = False
    if not failed:
        gate.open()
        running.append(asyncio.create_task(_last(keeper, roll, len(workers))))
        asked = await first_of(stop, running)
    listener.close()
    roll.close()
    await asyncio.gather(*(child.stop() for child in children))
    await asyncio.gather(*running)
    gate.open()
    lifeline.close()
    _log.info("stopped")
    return failed or (0 if asked else MISCONFIGURED)


async def _last(keeper: Child, roll: Roll, workers: int) -> int:
    await roll.all_serve(workers, ROLL_S)
    return await keeper.keep()


async def _prepare(command: tuple[str, ...] | None, environ: Mapping[str, str], stop: asyncio.Event) -> int:
    """Run the program that makes what the others rely on; return its exit code, or 0 when told to stop before."""
    if command is None:
        return 0
    preparing = await asyncio.create_subprocess_exec(*command, env=environ)
    ended = asyncio.create_task(preparing.wait())
    await first_of(stop, [ended])
    if not ended.done():
        preparing.terminate()
    code = await ended
    return 0 if stop.is_set() else code


def _programs(
    settings: Settings, environ: Mapping[str, str], commands: Commands, listener: socket.socket, gate: Gate, roll: Roll
) -> list[Program]:
    """Return the keeper, then the workers."""
    # One arena of malloc is enough where one lock lets one thread work at a time, and saves 4 MB a worker.
    environment = {"MALLOC_ARENA_MAX": "1", **environ, **as_environment(settings)}

    def program(name: str, command: tuple[str, ...], stop_s: float) -> Program:
        return Program(name, command, {**environment, PROGRAM_NAME: name}, stop_s, gate=gate, own_group=False)

    numbers = range(1, settings.workers + 1)
    most_s = settings.grace_s + CHILD_MARGIN_S
    workers = [program(f"worker-{n}", commands.worker, most_s) for n in numbers]
    keeper = program("keeper", commands.keeper, min(MARGIN_S, most_s))
    return [keeper, *(replace(worker, listener=listener, roll=roll) for worker in workers)]


def stop_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def first_of(stop: asyncio.Event, running: list[asyncio.Task[int]]) -> bool:
    """Wait for the stop event; return False when instead a child ended for good: it cannot run with these settings."""
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait([waiting, *running], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return stop.is_set()
