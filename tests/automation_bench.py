"""A bench for automations: the real engine and queue, the gateway's fake, and a model that says what the test wants."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import OpenAI
from sqlalchemy import select

from automations.flow.automation import Automation
from automations.flow.engine import Engine
from automations.flow.gateway import MemoryGateway
from automations.queue.database import open_queue
from automations.queue.schema import runs
from automations.queue.store import Store
from tests.peers import Target, http_target

POLICIES = str(Path(__file__).parent.parent / "policies")


@dataclass
class Bench:
    """One automation on a queue of its own; `model` is an OpenAI endpoint that says what `says` was given."""

    automation: Automation
    engine: Engine
    gateway: MemoryGateway
    model: Target
    now_us: int = 1_000_000_000_000_000

    def says(self, content: Any) -> None:
        """Let the model answer so from now on."""
        text = content if isinstance(content, str) else json.dumps(content)
        message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [message]}
        self.model.otherwise = (200, {"content-type": "application/json"}, json.dumps(body).encode())

    def run(self, *inputs: Any) -> list[str]:
        """Run inputs to their end; return how each ended: `done`, why it ended early, or a dead letter's cause."""
        queued = self.engine.enqueue(self.automation.name, inputs)
        self.finish()
        return [self.ended(each.run_id) for each in queued]

    def poll(self) -> int:
        """Ask every source once; return how many inputs were new, after running them."""
        new = 0
        for source in self.automation.sources:

            def offer(given: Sequence[Any], /) -> list[None]:
                nonlocal new
                new += sum(each.new for each in self.engine.enqueue(self.automation.name, given))
                return [None] * len(given)

            source.poll(offer)
        self.finish()
        return new

    def finish(self) -> None:
        """Work until nothing is due, let an hour pass, and again: longer than any wait between tries."""
        for _ in range(12):
            self.engine.drain()
            self.now_us += 3_600_000_000

    def ended(self, run_id: str) -> str:
        """Say how a run ended: why it ended early or died, else its state."""
        with self.engine.store.database.read() as conn:
            row = conn.execute(select(runs.c.cause, runs.c.state).where(runs.c.run_id == run_id)).one()
        return str(row.cause or row.state)


@contextmanager
def bench(folder: Path, automation: Automation, **options: Any) -> Iterator[Bench]:
    """Put an automation on a bench."""
    with http_target() as model, OpenAI(base_url=model.url, api_key="k", max_retries=0, **options) as client:
        gateway = MemoryGateway(openai=client)
        store = Store(open_queue(f"sqlite:///{folder}/queue.db"), lambda: made.now_us)
        made = Bench(automation, Engine(store, gateway, {automation.name: automation}), gateway, model)
        yield made
        store.database.close()


def dropped(folder: Path, files: Sequence[tuple[str, bytes]]) -> None:
    """Put files into a folder, as if somebody had done so a moment ago."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files:
        (folder / name).write_bytes(content)
    time.sleep(0.6)
