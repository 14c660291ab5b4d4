"""POST /v1/responses, and reading or deleting what was kept of one."""

from dataclasses import replace
from typing import Any, Final

import orjson

from gateway import errors
from gateway.admission import KeyHolder
from gateway.errors import BadRequest, NotFound
from gateway.pipeline import Pipeline
from gateway.responses.store import ResponseStore, Stored
from gateway.responses.turn import ResponseTurn
from gateway.stages.admit import identify
from gateway.watch import Watch
from gateway.wire.exchange import App, Exchange, Message, Receive, Send
from gateway.wire.responses import RESPONSES
from policy.model import Ungoverned
from redaction.types import Vault

PATH: Final = "/v1/responses"
_MISSING: Final = "There is no such response: it was never stored, was deleted, or has expired."
_DONE: Final = "Only a background response can be cancelled, and this one is complete."


def responses(pipeline: Pipeline, store: ResponseStore) -> App:
    """Return the endpoint and everything below it as a plain ASGI callable."""

    async def endpoint(scope: Message, receive: Receive, send: Send) -> None:
        http = Exchange(scope, receive, send)
        name, _, action = http.path.removeprefix(PATH).removeprefix("/").partition("/")
        if name:
            await _kept(pipeline, store, http, name, action)
            return
        desk = pipeline.desk
        turn = ResponseTurn(desk.new_id("resp_", desk.clock_us()), store)
        await pipeline.run(http, replace(RESPONSES, turn=turn))

    return endpoint


async def _kept(pipeline: Pipeline, store: ResponseStore, http: Exchange, name: str, action: str) -> None:
    """Answer for one response that was kept."""
    deletes = http.method == "DELETE" and not action
    kind = "responses.cancel" if action == "cancel" else "responses.delete" if deletes else "responses.retrieve"
    async with Watch(pipeline.desk, http, kind) as watch:
        with watch("admit"):
            method = "POST" if action == "cancel" else "DELETE" if deletes else "GET"
            watch.holder = holder = identify(http, pipeline.directory, method)
            if action not in ("", "cancel"):
                raise NotFound(f"There is no {http.method} {http.path} here.", code="unknown_url")
            stored = await _own(store, holder, name)
        if action == "cancel":
            raise BadRequest(_DONE, code="response_not_cancellable", param="response_id")
        if deletes:
            await store.remove(holder.facts.tenant, name)
            body: Any = {"id": name, "object": "response", "deleted": True}
        else:
            body = restored(pipeline, holder, stored)
        recorded = await watch.record_plain(orjson.dumps(body))
        await http.reply(200, recorded.headers, recorded.body)


async def _own(store: ResponseStore, holder: KeyHolder, name: str) -> Stored:
    """Return a response of the caller's own automation."""
    stored = await store.get(holder.facts.tenant, name)
    if stored is None or stored.automation != holder.facts.automation:
        raise NotFound(_MISSING, param="response_id")
    return stored


def restored(pipeline: Pipeline, holder: KeyHolder, stored: Stored) -> Any:
    """Return a kept response for its caller: screened by today's policy, with the caller's own values back."""
    try:
        bound = pipeline.snapshot().bind(holder.facts, {})
    except Ungoverned as error:
        raise errors.Ungoverned("No policy governs this API key.") from error
    redactor = pipeline.redactors.of(bound, holder.facts.tenant).redactor
    screen = redactor.screen(Vault(values=dict(stored.values)), RESPONSES.name)
    return screen.whole(stored.answer).reply
