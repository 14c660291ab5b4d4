"""The simulated provider inside the process: its pauses move the demo's clock as the answer is read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from demo.provider.server import Provider as Application
from demo.weeks.clock import DemoClock, Pauses
from gateway.providers.base import Upstreams
from policy.snapshot import Snapshot

NAME = "simulated"


@dataclass
class Paced:
    """A reply whose pieces come after their pauses."""

    clock: DemoClock
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    _next: int = 0

    async def read(self) -> bytes:
        """Return the whole body."""
        parts = []
        while (part := await self.next()) is not None:
            parts.append(part)
        return b"".join(parts)

    async def next(self) -> bytes | None:
        """Return the next piece, at its time."""
        if self._next >= len(self.pieces):
            return None
        pause_s, piece = self.pieces[self._next]
        self._next += 1
        self.clock.skip(pause_s)
        return piece

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class InProcess:
    """One upstream; `slower` multiplies the pauses of a model, which is how a model becomes slow."""

    clock: DemoClock
    pauses: Pauses
    application: Application
    slower: dict[str, float] = field(default_factory=dict)
    name: str = NAME
    simulated: bool = True
    translated: bool = True

    def place(self, path: str, model: str) -> str:
        """Every model is at the same place."""
        return path

    async def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Paced:
        """Ask the application and keep its answer for being read at its pace."""
        reply = Paced(self.clock)
        factor = next((by for model, by in self.slower.items() if model.encode() in (body or b"")), 1.0)
        messages = self._messages(body or b"")

        async def receive() -> dict[str, Any]:
            return next(messages)

        async def take(message: Any) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
                self.clock.skip(self.pauses.take() * factor)
            elif message["body"]:
                reply.pieces.append((self.pauses.take() * factor, message["body"]))

        await self.application({"type": "http", "method": method, "path": f"/v1{path}"}, receive, take)
        return reply

    async def close(self) -> None:
        """Nothing is open."""

    def upstreams(self, _snapshot: Snapshot) -> Upstreams:
        """Be the one provider of every snapshot."""
        return Upstreams({self.name: self}, self.name)

    @staticmethod
    def _messages(body: bytes) -> Iterator[dict[str, Any]]:
        yield {"type": "http.request", "body": body, "more_body": False}
        while True:
            yield {"type": "http.disconnect"}
