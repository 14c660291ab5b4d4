"""Requests that ask no model, repeated under the same Idempotency-Key: done once, answered alike."""

from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.admission import KeyHolder, Limits
from gateway.answers import AnswerStore
from gateway.control.errors import ControlError
from gateway.stages.reuse import IDEMPOTENCY, Kept, Place, StoreDown, claim
from gateway.wire import headers
from gateway.wire.exchange import Exchange

ENDPOINT: Final = "sluice.endpoint"  # in the scope of a request that is answered again: where it was answered first
BODY: Final = "sluice.body"  # in the scope of a request whose body was read to compare it
_MOST_BYTES: Final = 1 << 20  # a longer answer is not kept: who repeats the request has it made again


@dataclass(slots=True)
class Repeats:
    """Does what a key's holder asks for under an Idempotency-Key, or says again what was said."""

    store: AnswerStore
    limits: Limits
    app: ASGIApp

    async def once(self, key: bytes, holder: KeyHolder, http: Exchange, scope: Scope, send: Send) -> None:
        """Serve one request.

        Raises:
            Conflict, InProgress, BadRequest, StoreDown: see `gateway.stages.reuse`.
        """
        body = await http.read(self.limits.body_bytes, self.limits.body_s)
        place = Place(self.store, holder.facts.tenant)
        try:
            await claim(place, holder.key_id, key, (http.method.encode(), http.path.encode(), body))
        except ControlError as error:
            raise StoreDown("Whether this request was answered before cannot be asked; try again.") from error
        if place.known is not None:
            scope[ENDPOINT] = place.known[1]["endpoint"]
            await _say_again(place.known[1], send)
            return
        scope[BODY] = body
        async with place:
            await self.app(scope, _whole(body), _Said(send, place, scope).send)


@dataclass(slots=True)
class _Said:
    """Passes an answer on; it is kept before its end is passed on."""

    pass_on: Send
    place: Place
    scope: Scope
    status: int = 0
    kind: str = ""
    parts: list[bytes] = field(default_factory=list)
    bytes: int = 0

    async def send(self, message: Message) -> None:
        """Pass on one message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.kind = dict(message["headers"]).get(b"content-type", b"").decode()
        else:
            self.bytes += len(message.get("body", b""))
            if self.bytes <= _MOST_BYTES:
                self.parts.append(message.get("body", b""))
            answer = None if message.get("more_body") else self._answer()
            if answer is not None:
                await self.place.keep(Kept(answer))
        await self.pass_on(message)

    def _answer(self) -> dict[str, Any] | None:
        """Return the answer if it is worth keeping: what failed may be tried again."""
        if not 200 <= self.status < 400 or self.bytes > _MOST_BYTES or self.kind != "application/json":
            return None
        endpoint = getattr(self.scope.get("route"), "path", None)
        return {"endpoint": endpoint, "status": self.status, "body": orjson.loads(b"".join(self.parts))}


def _whole(body: bytes) -> Receive:
    """Return a body that was read already to who reads it now."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _say_again(answer: dict[str, Any], send: Send) -> None:
    body = orjson.dumps(answer["body"])
    sent = [headers.JSON, (b"content-length", b"%d" % len(body)), (b"x-sluice-reused", IDEMPOTENCY.encode())]
    await send({"type": "http.response.start", "status": answer["status"], "headers": sent})
    await send({"type": "http.response.body", "body": body})
