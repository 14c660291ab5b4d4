"""POST /v1/responses, and reading or deleting what was kept of one."""

from dataclasses import replace
from typing import Any, Final

import orjson

from gateway import errors
from gateway.admission import KeyHolder
from gateway.errors import BadRequest, NotFound
from gateway.pipeline import Pipeline
from gateway.responses.conversations import Conversations
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
_UNDER_WAY: Final = frozenset({"queued", "in_progress"})
_DONE: Final = "Only a background response can be cancelled, and this one is complete."


def responses(pipeline: Pipeline, kept: Conversations) -> App:
    """Return the endpoint and everything below it as a plain ASGI callable."""

    async def endpoint(scope: Message, receive: Receive, send: Send) -> None:
        http = Exchange(scope, receive, send)
        name, _, action = http.path.removeprefix(PATH).removeprefix("/").partition("/")
        if name:
            await _kept(pipeline, kept, http, name, action)
            return
        desk = pipeline.desk
        turn = ResponseTurn(desk.new_id("resp_", desk.clock_us()), kept.store, kept.queue)
        await pipeline.run(http, replace(RESPONSES, turn=turn))

    return endpoint


async def _kept(pipeline: Pipeline, kept: Conversations, http: Exchange, name: str, action: str) -> None:
    """Answer for one response that was kept."""
    deletes = http.method == "DELETE" and not action
    kind = "responses.cancel" if action == "cancel" else "responses.delete" if deletes else "responses.retrieve"
    async with Watch(pipeline.desk, http, kind) as watch:
        with watch("admit"):
            method = "POST" if action == "cancel" else "DELETE" if deletes else "GET"
            watch.holder = holder = identify(http, pipeline.directory, method)
            if action not in ("", "cancel"):
                raise NotFound(f"There is no {http.method} {http.path} here.", code="unknown_url")
            stored = await _own(kept.store, holder, name)
        if action == "cancel":
            body: Any = await restored(pipeline, holder, await _cancelled(kept, holder, stored))
        elif deletes:
            await _deleted(kept, holder, stored)
            body = {"id": name, "object": "response", "deleted": True}
        else:
            body = await restored(pipeline, holder, stored)
        recorded = await watch.record_plain(orjson.dumps(body))
        await http.reply(200, recorded.headers, recorded.body)


async def _own(store: ResponseStore, holder: KeyHolder, name: str) -> Stored:
    """Return a response of the caller's own automation."""
    stored = await store.get(holder.facts.tenant, name)
    if stored is None or stored.automation != holder.facts.automation:
        raise NotFound(_MISSING, param="response_id")
    return stored


async def _cancelled(kept: Conversations, holder: KeyHolder, stored: Stored) -> Stored:
    """End a response that waits or runs; one that was cancelled before stays so."""
    if stored.answer.get("status") == "cancelled":
        return stored
    ended = replace(stored, answer=stored.answer | {"status": "cancelled"})
    if stored.answer.get("status") in _UNDER_WAY and await kept.queue.jobs.cancel(holder.facts.tenant, ended):
        return ended
    raise BadRequest(_DONE, code="response_not_cancellable", param="response_id")


async def _deleted(kept: Conversations, holder: KeyHolder, stored: Stored) -> None:
    if stored.answer.get("status") in _UNDER_WAY:
        await kept.queue.jobs.cancel(holder.facts.tenant, stored)
    await kept.store.remove(holder.facts.tenant, stored.response_id)


async def restored(pipeline: Pipeline, holder: KeyHolder, stored: Stored) -> Any:
    """Return a kept response for its caller: screened by today's policy, with the caller's own values back."""
    try:
        bound = pipeline.snapshot().bind(holder.facts, {})
    except Ungoverned as error:
        raise errors.Ungoverned("No policy governs this API key.") from error
    redactor = pipeline.redactors.of(bound, holder.facts.tenant).redactor
    screen = redactor.screen(Vault(values=dict(stored.values)), RESPONSES.name)
    await screen.hear_whole(stored.answer)
    return screen.whole(stored.answer).reply
