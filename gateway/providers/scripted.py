"""A provider that replies from a script and remembers what it was sent: the fake beside the protocol."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.errors import UpstreamError


@dataclass(slots=True)
class ScriptedReply:
    """One prepared reply: chunks arrive one by one; `broken` is raised after the last instead of an end."""

    status: int = 200
    chunks: Sequence[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    broken: UpstreamError | None = None
    hangs: bool = False
    closed: bool = False
    _given: int = 0

    async def read(self) -> bytes:
        parts = []
        while (part := await self.next()) is not None:
            parts.append(part)
        return b"".join(parts)

    async def next(self) -> bytes | None:
        if self._given < len(self.chunks):
            self._given += 1
            return self.chunks[self._given - 1]
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        if self.broken is not None:
            raise self.broken
        return None

    def close(self) -> None:
        self.closed = True


@dataclass(slots=True)
class Sent:
    """One request as the provider received it."""

    method: str
    path: str
    body: bytes | None
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return orjson.loads(self.body or b"null")


@dataclass(slots=True)
class ScriptedProvider:
    """Gives the prepared replies in order; an `UpstreamError` in the script is raised instead of a reply."""

    replies: list[ScriptedReply | UpstreamError]
    name: str = "scripted"
    simulated: bool = True
    translated: bool = False
    sent: list[Sent] = field(default_factory=list)

    def place(self, path: str, model: str) -> str:
        return path

    async def send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> ScriptedReply:
        self.sent.append(Sent(method, path, body, headers))
        reply = self.replies.pop(0)
        if isinstance(reply, UpstreamError):
            raise reply
        return reply

    async def close(self) -> None:
        """Nothing is open."""


def json_reply(body: object, status: int = 200) -> ScriptedReply:
    """Prepare a whole JSON reply."""
    return ScriptedReply(status, [orjson.dumps(body)])


def stream_reply(*events: object, done: bool = True) -> ScriptedReply:
    """Prepare an event stream with one chunk per event."""
    chunks = [b"data: " + orjson.dumps(event) + b"\n\n" for event in events]
    if done:
        chunks.append(b"data: [DONE]\n\n")
    return ScriptedReply(200, chunks, {"content-type": "text/event-stream"})
