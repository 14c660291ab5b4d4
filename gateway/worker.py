"""One gateway worker: serves the inherited listening socket until its parent ends or tells it to stop."""

import asyncio
import contextlib
import gc
import logging
import math
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, cast

import uvicorn
import uvloop

from gateway.app import Gateway, create_app
from gateway.logs import configure
from gateway.machine.gate import answer_roll
from gateway.machine.ports import open_listener
from gateway.machine.processes import MISCONFIGURED, PROGRAM_NAME, hold_lifeline, inherited_listener, leave
from gateway.machine.status import StatusFile
from gateway.routes.all import routers
from gateway.routes.health import worker_facts
from gateway.routes.refused import refusing
from gateway.setting_values import SettingsError
from gateway.settings import Settings, load
from gateway.sockets import Door, SocketLimits
from gateway.wiring import Parts, open_parts
from metrics.record.refusals import KeysError
from metrics.server import Server

INCOMPLETE: Final = 70  # "internal software error" of sysexits.h
_LOG: Final = logging.getLogger("sluice.gateway")
# Time beyond the grace of calls: to sync the journal and end.
_MARGIN_S: Final = 3.0
_RECORDS_S: Final = 0.6
# So long after the grace the process ends in any case: what is acknowledged is synced, the recorder closes the rest.
_LAST_S: Final = 0.8
_STOP_LOOK_S: Final = 0.1
_KEEP_ALIVE_S: Final = 75
# How often a new worker looks for policies before it serves without: it says so to its callers then.
_LOOKS: Final = 40
_LOOK_S: Final = 0.05
_SWITCH_S: Final = 0.0003


def main() -> None:
    """Run one worker."""
    name = os.environ.get(PROGRAM_NAME, "worker")
    allow_many_files()
    configure(name)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # each refused request has its line already
    try:
        settings = load(os.environ, Path.cwd())
        hold_lifeline(os.environ, settings.grace_s + _MARGIN_S)
        listener = inherited_listener(os.environ) or open_listener(settings)
        leave(uvloop.run(serve(listener, name, settings, os.environ)))
    except (SettingsError, KeysError) as error:
        _LOG.error("%s", error)
        raise SystemExit(MISCONFIGURED) from error


async def serve(listener: socket.socket, name: str, settings: Settings, environ: MutableMapping[str, str]) -> int:
    """Serve calls on a listening socket until SIGTERM or SIGINT; calls in flight get `grace_s` to finish.

    Return 0 when it was told to stop, else INCOMPLETE.
    """
    async with open_parts(settings, environ, name) as parts:
        await _until_governed(parts)
        status = StatusFile(settings.data, parts.writer, lambda: worker_facts(parts))
        duties = (parts.changes, status, parts.purses, parts.runner)
        pollers = [asyncio.create_task(each.run(), name=type(each).__name__) for each in duties]
        try:
            app = create_app(parts.pipeline, routers(parts), kept=parts.responses)
            return await _serve(app, listener, parts, partial(answer_roll, environ), pollers)
        finally:
            for poller in pollers:
                poller.cancel()
            # All of them, to their end: background responses are given back before anything is closed.
            await asyncio.gather(*pollers, return_exceptions=True)


async def _until_governed(parts: Parts) -> None:
    """Wait for policies, so that of several workers none refuses what another already serves; but not for ever."""
    for _ in range(_LOOKS):
        await asyncio.to_thread(parts.changes.check)
        if parts.in_force.sha256 is not None:
            return
        await asyncio.sleep(_LOOK_S)


async def _serve(
    app: Gateway,
    listener: socket.socket,
    parts: Parts,
    serves: Callable[[], None],
    pollers: Sequence[asyncio.Task[None]],
) -> int:
    door = Door(SocketLimits(), refusing(parts.pipeline))
    config = uvicorn.Config(
        app,
        http=door.protocol(),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        backlog=2048,
    )
    server = WorkerServer(config, parts.settings.grace_s, serves)
    sweeping = asyncio.create_task(door.watch(server.server_state.connections))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, server.stop, number)
    for poller in pollers:
        poller.add_done_callback(server.lost)
    tune_garbage_collection()
    share_the_interpreter()
    await server.serve(sockets=[listener])
    if left := list(server.server_state.tasks):  # calls that were cut short still write their records
        await asyncio.wait(left, timeout=_RECORDS_S)
    sweeping.cancel()
    return server.code


class WorkerServer(Server):
    """Stops without raising the signal again: the journal is closed after the server."""

    def __init__(self, config: uvicorn.Config, grace_s: float, serves: Callable[[], None]) -> None:
        super().__init__(config)
        self._grace_s, self._deadline, self._serves = grace_s, math.inf, serves
        self.code = 0
        self._asked: set[int] = set()
        self._last = threading.Timer(grace_s + _LAST_S, os._exit, (1,))
        self._last.daemon = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._serves()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to `_serve`."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in what waits in the queue of the listening socket, as closing it would reset those callers, then stop.

        Calls are cut short when the grace is over since the signal, however late this loop came to notice it.
        """
        queues = [listener.dup() for listener in sockets or []]
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        await asyncio.sleep(0)  # the loop lets go of the sockets in its next round; only `queues` hold them then
        await asyncio.sleep(0)
        for taken in [each for queue in queues for each in _queued(queue)]:
            await asyncio.get_running_loop().connect_accepted_socket(self._connection, taken)
        loop, state = asyncio.get_running_loop(), self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        while (state.connections or state.tasks) and not self.force_exit:
            if (left_s := self._deadline - loop.time()) <= 0:
                break
            await asyncio.sleep(min(_STOP_LOOK_S, left_s))
        for task in state.tasks:
            task.cancel()

    def _connection(self) -> asyncio.Protocol:
        given = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        return cast(Callable[..., asyncio.Protocol], self.config.http_protocol_class)(**given)

    def stop(self, number: int) -> None:
        """Finish the calls in flight and return; asked twice by the same signal, cut them short.

        Ctrl-C reaches a worker both from the terminal and, as SIGTERM, from its parent: that is one wish.
        """
        if not self._asked:
            self._deadline = asyncio.get_running_loop().time() + self._grace_s
            self._last.start()
        self.force_exit = number in self._asked
        self._asked.add(number)
        self.tell()

    def lost(self, duty: asyncio.Task[None]) -> None:
        """Stop, as something that goes on as long as a worker does has ended: its parent starts a whole one.

        Without it revoked keys would live on, or budgets never be paid back, and nobody would see it.
        """
        if duty.cancelled() or self.should_exit:
            return
        # Only the type: the text may quote what nobody may read in a log.
        _LOG.error("%s ended by itself (%s); this worker ends", duty.get_name(), type(duty.exception()).__name__)
        self.code = INCOMPLETE
        self.stop(signal.SIGTERM)


def _queued(listener: socket.socket) -> list[socket.socket]:
    """Return the connections that wait, and close the listening socket."""
    found = []
    with listener, contextlib.suppress(BlockingIOError):
        listener.setblocking(False)
        while True:
            found.append(listener.accept()[0])
    return found


def allow_many_files() -> None:
    """Use all the open files that this user may have: a call needs two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def tune_garbage_collection() -> None:
    """Collect rarely: calls leave hardly any cycles, and what was built at start lives as long as the worker."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)


def share_the_interpreter() -> None:
    """Give the event loop the interpreter back soon while a thread looks through a long request."""
    sys.setswitchinterval(_SWITCH_S)


if __name__ == "__main__":
    main()
