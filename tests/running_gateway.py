"""A real gateway over a socket, in a thread of the test: real policies and redaction, any journal."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn

from gateway.admission import Holder, Limits, StaticDirectory
from gateway.app import create_app
from gateway.control.database import Database, random_id
from gateway.control.watch import ChangeWatch
from gateway.holds.hold import Holds
from gateway.holds.reviewing import ReviewDesk
from gateway.holds.stops import Stops
from gateway.holds.texts import REVIEWS, ReviewTexts
from gateway.holds.waiting import Waiting
from gateway.pipeline import Pipeline
from gateway.providers.http import Connections
from gateway.providers.pool import ProviderPool
from gateway.redactors import CompiledRedactors
from gateway.responses.conversations import Conversations
from gateway.responses.jobs import MemoryJobs
from gateway.responses.reviewed import ReviewedStore
from gateway.responses.runner import Runner
from gateway.responses.store import MemoryStore
from gateway.responses.turn import Queue
from gateway.routes import reviews
from gateway.routes.refused import refusing
from gateway.sealer import Sealer
from gateway.sockets import Door, SocketLimits
from gateway.wiring import desk
from metrics.record.events import Event
from metrics.record.journal import Journal, MemoryJournal
from metrics.record.master import MasterKey
from policy.load import load_tree
from policy.model import Facts
from redaction.detect import Detector, NoDetector

KEY = "sk-sluice-test"
OTHER_KEY = "sk-sluice-ungoverned"
HOLDERS = {
    KEY.encode(): Holder("key_test", Facts("acme", "support", "drafting", "test", None)),
    OTHER_KEY.encode(): Holder("key_other", Facts("other", None, "nobody", None, None)),
}
POLICY = """
policy: structured
schema: 1
owner: tests@example.com
applies_to: {tenant: acme}
redaction:
  names: "off"
  request:
    EMAIL_ADDRESS: {operator: pseudonym}
    IBAN_CODE: {operator: pseudonym}
    CREDIT_CARD: {operator: block}
  answer:
    EMAIL_ADDRESS: {operator: replace}
  restore: caller
delivery: DELIVERY
failure: {log: FAILURE}
"""
PROVIDERS = """
schema: 1
providers:
  test:
    base_url: BASE_URL
    api_key_env: UPSTREAM_KEY
    timeouts: {connect_s: 1.0, first_byte_s: 3.0, idle_s: 3.0, total_s: 20.0}
    breaker: {failures: 1000, min_calls: 1000}
"""
PRICES = """
schema: 1
prices:
  - {provider: test, model: gpt-test, from: 2020-01-01, input_usd: 1, cached_input_usd: 0.1, output_usd: 4}
"""


@dataclass
class Running:
    """Where the gateway listens, and what it recorded."""

    base_url: str
    journal: Any

    def ends(self, count: int = 1, timeout_s: float = 20.0) -> list[Mapping[str, Any]]:
        """Return the bodies of all `call.end` events, waiting for that many."""
        return [event.body for event in self.end_events(count, timeout_s)]

    def end_events(self, count: int = 1, timeout_s: float = 20.0) -> list[Event]:
        deadline = time.monotonic() + timeout_s
        while True:
            found = [event for event in self.journal.events if event.kind == "call.end"]
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.005)


def write_policies(folder: Path, base_url: str, delivery: str = "live", failure: str = "block") -> Path:
    """Write a small policy tree."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "structured.yaml").write_text(POLICY.replace("DELIVERY", delivery).replace("FAILURE", failure))
    (folder / "_defaults.yaml").write_text(
        "schema: 1\nrouting: {retries: {attempts: 0}}\n"
    )  # one try; others test more
    (folder / "providers.yaml").write_text(PROVIDERS.replace("BASE_URL", base_url))
    (folder / "prices.yaml").write_text(PRICES)
    return folder


@contextmanager
def running_gateway(
    policies: Path,
    journal: Journal | None = None,
    limits: Limits | None = None,
    own: Callable[[str], bool] | None = None,
    sockets: SocketLimits | None = None,
    detector: Detector | None = None,
    control: Database | None = None,
) -> Iterator[Running]:
    """Serve a policy tree until the test ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    ledger = journal or MemoryJournal()
    running = Running(f"http://127.0.0.1:{listener.getsockname()[1]}", ledger)
    servers: list[uvicorn.Server] = []
    ready = threading.Event()

    async def main() -> None:
        snapshot = load_tree(policies)
        connections = Connections()
        pool = ProviderPool(connections, "test", {"UPSTREAM_KEY": "sk-upstream"}, own or (lambda _url: False))
        redactors = CompiledRedactors(
            lambda tenant: tenant.encode().ljust(32, b"."), lambda _names: detector or NoDetector()
        )
        directory = StaticDirectory(HOLDERS)
        waiting, stops, reviewed = Waiting(), Stops(), []
        pipeline = Pipeline(directory, lambda: snapshot, redactors, pool.of, desk(ledger), limits or Limits())
        if control is not None:
            texts = ReviewTexts(control, Sealer(MasterKey(b"m" * 32), REVIEWS))
            pipeline = replace(
                pipeline, stops=stops, holds=Holds(texts, waiting, random_id, lambda _tenant, subject: f"ref-{subject}")
            )
            reviewed.append(reviews.router(ReviewDesk(texts, lambda: snapshot, redactors), directory))
        door = Door(sockets or SocketLimits(drain_s=0.05, every_s=0.02), refusing(pipeline))
        store = MemoryStore()
        jobs = MemoryJobs(store)
        runner = Runner(pipeline, jobs)
        kept = store if control is None else ReviewedStore(store, texts)
        queue = Queue(jobs, runner.wake, pipeline.desk.clock_us, runner.bell)
        app = create_app(pipeline, reviewed, kept=Conversations(kept, queue))
        tasks = [asyncio.create_task(runner.run())]
        if control is not None:
            tasks.append(asyncio.create_task(ChangeWatch(control, (waiting, stops), 0.02).run()))
        config = uvicorn.Config(app, http=door.protocol(), ws="none", lifespan="off", log_config=None, access_log=False)
        servers.append(uvicorn.Server(config))
        tasks.append(asyncio.create_task(door.watch(servers[0].server_state.connections)))
        ready.set()
        await servers[0].serve(sockets=[listener])
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await connections.close()
        await ledger.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield running
    finally:
        servers[0].should_exit = True
        thread.join(5)
