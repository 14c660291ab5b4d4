"""A product with workers of its own for the campaigns of the queue: they are killed, and started again at once."""

import json
import os
import random
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.servers import ROOT, free_port
from benchmarks.stand import SLUICE, Stand, standing
from gateway.control.identity.keys import KeySpec, create_key
from gateway.control.identity.roles import local_operator
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.local_access import LocalAccess
from gateway.machine.prepare import control_database
from gateway.settings import load
from tests.keyed_target import Target, keyed_target
from tests.postgres import running_postgres

LETTERS = "letters"
_ENDED = {"done", "dead", "cancelled", "discarded", "erased"}


@dataclass
class Worker:
    """One `sluice worker` that is started again whenever it ends."""

    port: int
    environment: Mapping[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    deaths: int = 0
    stopping: bool = False

    def keep(self) -> None:
        with self.log.open("ab") as log:
            while not self.stopping:
                command = [SLUICE, "worker", "--port", str(self.port)]
                self.process = subprocess.Popen(command, env=dict(self.environment), stdout=log, stderr=log, cwd=ROOT)
                self.process.wait()
                self.deaths += not self.stopping

    def kill(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.send_signal(signal.SIGKILL)
        return True

    def stop(self) -> None:
        self.stopping = True
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()


@dataclass
class Flow:
    """The product, its workers and the target of their letters."""

    stand: Stand
    workers: list[Worker]
    target: Target
    key: str
    access: list[LocalAccess] = field(default_factory=list)

    def enqueue(self, letters: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
        """Start runs at any worker that answers; ask again until one has them on disk."""
        body = json.dumps({"inputs": list(letters)}).encode()
        while True:
            port = random.choice(self.workers).port
            url = f"http://127.0.0.1:{port}/automations/{LETTERS}/runs"
            headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
            try:
                with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
                    found: list[dict[str, Any]] = json.load(answer)["data"]
                    return found
            except (OSError, ValueError):
                time.sleep(0.05)

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Ask any worker that answers, as the local operator."""
        while True:
            try:
                return random.choice(self.access).worker(method, path, body)
            except Exception as error:
                if "No worker answers" not in str(error) and "status 50" not in str(error):
                    raise
                time.sleep(0.1)

    def states(self) -> dict[str, int]:
        """Count the runs by state."""
        counted: dict[str, int] = self.ask("GET", "/queue")["automations"].get(LETTERS, {})
        return counted

    def until_ended(self, runs: int, seconds: float) -> bool:
        """Wait until so many runs have ended; tell whether they did."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if sum(n for state, n in self.states().items() if state in _ENDED) >= runs:
                return True
            time.sleep(0.5)
        return False

    def until_told(self, seconds: float = 120) -> bool:
        """Wait until the gateway has accepted every event."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if self.ask("GET", "/queue")["events_waiting"] == 0:
                return True
            time.sleep(0.5)
        return False


@contextmanager
def flowing(workers: int, *, postgresql: bool, slots: int = 4, lease_s: float = 3.0) -> Iterator[Flow]:
    """Run gateway, recorder, upstream, target and so many workers."""
    with ExitStack() as stack:
        more: dict[str, Any] = {"SLUICE_WORKER_SLOTS": str(slots), "SLUICE_WORKER_LEASE_S": str(lease_s)}
        if postgresql:
            more["SLUICE_DATABASE_URL"] = stack.enter_context(running_postgres()).new_database()
        stand = stack.enter_context(standing(first_byte_s=30.0, idle_s=30.0, **more))
        target = stack.enter_context(keyed_target())
        settings = load(stand.environment, stand.folder)
        with control_database(settings) as database:
            key, _ = create_key(database, DEFAULT_TENANT, KeySpec(automation=LETTERS), local_operator(DEFAULT_TENANT))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")},
            **stand.environment,
            "SLUICE_AUTOMATIONS": str(ROOT / "tests" / "e2e" / "automations"),
            "LETTERS_TARGET": target.url,
            "LETTERS_MODEL": "ok",
            "LETTERS_CONCURRENCY": str(workers * slots),
        }
        made = [Worker(free_port(), environment, stand.folder / f"worker-{n}.log") for n in range(workers)]
        flow = Flow(stand, made, target, key)
        for worker in made:
            where = {**stand.environment, "SLUICE_WORKER_URL": f"http://127.0.0.1:{worker.port}"}
            flow.access.append(LocalAccess(load(where, stand.folder)))
            threading.Thread(target=worker.keep, daemon=True).start()
            stack.callback(worker.stop)
        yield flow
        for worker in made:
            worker.stop()
