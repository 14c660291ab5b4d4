"""Values for tests of single stages: a governed call with real redaction and a scripted upstream."""

import asyncio
import itertools
from pathlib import Path
from typing import Any

from gateway.admission import Holder, Limits, StaticDirectory
from gateway.pipeline import Pipeline
from gateway.providers.base import Provider, Upstreams
from gateway.redactors import CompiledRedactors
from gateway.watch import Desk
from gateway.wire.endpoint import Endpoint
from gateway.wire.exchange import Exchange, Message
from metrics.record.journal import Journal
from policy.load import load_tree
from policy.model import Facts
from policy.snapshot import Snapshot
from redaction.detect import NoDetector
from tests.running_gateway import write_policies

KEY = b"sk-key"


def snapshot(folder: Path, delivery: str = "live", failure: str = "block", routing: str = "") -> Snapshot:
    tree = write_policies(folder, "http://127.0.0.1:1/v1", delivery, failure)
    if routing:
        with (tree / "structured.yaml").open("a") as file:
            file.write(routing)
    return load_tree(tree)


def desk(journal: Journal) -> Desk:
    """A desk whose clock ticks once a look and whose ids count."""
    ticks, ids = itertools.count(1_000_000_000, 1000), itertools.count(1)
    return Desk(
        journal,
        lambda: 1_790_000_000_000_000,
        lambda: next(ticks),
        lambda prefix, _ts: f"{prefix}{next(ids)}",
        lambda count: "ab" * count,
    )


def pipeline(tree: Snapshot, provider: Provider, journal: Journal) -> Pipeline:
    holder = Holder("key_1", Facts("acme", "support", "drafting", "test", None))
    redactors = CompiledRedactors(lambda _tenant: b"k" * 32, lambda _names: NoDetector())
    upstreams = Upstreams({"test": provider, "second": provider}, "test")
    return Pipeline(
        StaticDirectory({KEY: holder}), lambda: tree, redactors, lambda _snapshot: upstreams, desk(journal), Limits()
    )


class Client:
    """The client's side of one request over ASGI: what it got, and a way to leave."""

    def __init__(self, body: bytes, **headers: str) -> None:
        self._body = body
        self._left = asyncio.Event()
        self._read = False
        named = {"authorization": f"Bearer {KEY.decode()}"} | {n.replace("_", "-"): v for n, v in headers.items()}
        self.scope: Message = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }
        self.sent: list[Any] = []

    def leave(self) -> None:
        self._left.set()

    async def receive(self) -> Message:
        if not self._read:
            self._read = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    async def ask(self, governed: Pipeline, endpoint: Endpoint) -> None:
        await governed.run(Exchange(self.scope, self.receive, self.send), endpoint)
