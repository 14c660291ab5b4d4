"""`sluice worker`: from settings to a queue that is worked on, until it is told to stop."""

import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import uvicorn

from automations.flow.automation import Automation
from automations.flow.engine import Engine
from automations.queue.clock import QueueClock
from automations.queue.database import open_queue
from automations.queue.desk import Desk
from automations.queue.outbox import Outbox
from automations.queue.paces import SharedPace
from automations.queue.store import Store
from automations.worker.access import Access
from automations.worker.app import Api, create_app
from automations.worker.gateway import HttpGateway
from automations.worker.loading import CannotLoad, load_automations
from automations.worker.pool import Pool
from automations.worker.pressure import Intake, Pressure
from automations.worker.relay import Relay

__all__ = ("CannotLoad", "Options", "load_automations", "run")

STOP_S: Final = 15.0
WORN_CODE: Final = 75  # try again: whoever keeps the worker running starts it anew
_TIDY_S: Final = 3600.0
_LOOK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Options:
    """What a worker needs to know. `keys` are API keys by automation."""

    queue_url: str
    gateway_url: str
    keys: Mapping[str, str]
    slots: int = 8
    lease_s: float = 15.0


def run(options: Options, automations: Mapping[str, Automation], listener: socket.socket) -> None:
    """Work and serve until SIGTERM or SIGINT."""
    for noisy in ("httpx", "httpx2", "uvicorn.error"):  # a line for each request, and for each start
        logging.getLogger(noisy).setLevel(logging.WARNING)
    database = open_queue(options.queue_url, options.slots + 6)
    store = Store(database, QueueClock(database))
    pressure = Pressure(options.slots)
    gateway = HttpGateway(options.gateway_url, options.keys, heard=pressure.heard)
    engine = Engine(store, gateway, automations)
    for paced in (each for automation in automations.values() for each in automation.paced):
        paced.pace = SharedPace(store)
    name = f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"
    pool = Pool(engine, Relay(Outbox(store), gateway, gateway), name, options.slots, options.lease_s, pressure)
    access, intake = Access(gateway.me), Intake(pressure.pause_s)
    api = Api(engine, gateway, access, lambda: pool.busy, lambda: pressure.allowed, pool.wake.set, intake)
    app = create_app(api)
    pool.start()
    threading.Thread(target=_tidy, args=(Desk(store), pool.stopping), name="tidy", daemon=True).start()
    try:
        _serve(app, listener, pool)
    finally:
        pool.stop(STOP_S)
        database.close()
    if pool.worn:
        raise SystemExit(WORN_CODE)


def _serve(app: object, listener: socket.socket, pool: Pool) -> None:
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, server_header=False)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):  # no lock in a handler: a second signal would wait for the first
        signal.signal(number, lambda *_: told.append(1))
    threading.Thread(target=server.run, args=([listener],), name="http", daemon=True).start()
    while not (told or pool.stopping.wait(_LOOK_S)):
        pass
    pool.stopping.set()
    server.should_exit = True


def _tidy(desk: Desk, stopping: threading.Event) -> None:
    """Delete runs whose texts are no longer kept, once an hour."""
    while not stopping.wait(_TIDY_S):
        while desk.forget():
            pass
