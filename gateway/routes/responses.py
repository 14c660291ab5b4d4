"""POST /v1/responses, and reading, following or deleting what was kept of one."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NamedTuple

import orjson

from gateway import errors
from gateway.admission import KeyHolder
from gateway.errors import BadRequest, NotFound
from gateway.pipeline import Pipeline
from gateway.responses.conversations import Conversations
from gateway.responses.following import Follower
from gateway.responses.reading import Query, input_items, query_of
from gateway.responses.store import ResponseStore, Stored
from gateway.responses.turn import ResponseTurn
from gateway.stages.admit import identify
from gateway.watch import Watch
from gateway.wire.exchange import App, Exchange, Message, Receive, Send
from gateway.wire.responses import RESPONSES
from gateway.wire.said import UNDER_WAY
from gateway.wire.sse import KEEP_ALIVE
from policy.model import Ungoverned

PATH: Final = "/v1/responses"
_MISSING: Final = "There is no such response: it was never stored, was deleted, or has expired."
_ACTIONS: Final = ("", "cancel", "input_items")
_LOOK_S: Final = 0.5
_DONE: Final = "Only a background response can be cancelled, and this one is complete."


def responses(pipeline: Pipeline, kept: Conversations) -> App:
    """Return the endpoint and everything below it as a plain ASGI callable."""

    async def endpoint(scope: Message, receive: Receive, send: Send) -> None:
        http = Exchange(scope, receive, send)
        name, _, action = http.path.removeprefix(PATH).removeprefix("/").partition("/")
        if name or action:
            query = scope.get("query_string", b"") if http.method == "GET" else b""
            await _kept(pipeline, kept, http, Named(name, action, query))
            return
        desk = pipeline.desk
        turn = ResponseTurn(desk.new_id("resp_", desk.clock_us()), kept.store, kept.queue)
        await pipeline.run(http, replace(RESPONSES, turn=turn))
        if turn.follows is not None:
            await _kept(pipeline, kept, http, Named(turn.follows, "", b"stream=true"))

    return endpoint


class Named(NamedTuple):
    """What a path below `/v1/responses` names."""

    name: str
    action: str
    query: bytes

    @property
    def is_kept(self) -> bool:
        """Whether it can name a response at all: OpenAI has other endpoints here, such as `input_tokens`."""
        return self.name.startswith("resp_")

    def kind(self, method: str) -> tuple[str, str]:
        """Return the endpoint as records name it, and its method."""
        if self.action:
            return f"responses.{self.action}", "POST" if self.action == "cancel" else "GET"
        return ("responses.delete", "DELETE") if method == "DELETE" else ("responses.retrieve", "GET")


async def _kept(pipeline: Pipeline, kept: Conversations, http: Exchange, named: Named) -> None:
    """Answer for one response that was kept."""
    kind, method = named.kind(http.method)
    async with Watch(pipeline.desk, http, kind if named.action in _ACTIONS else "responses.retrieve") as watch:
        with watch("admit"):
            any_method = http.started or not named.is_kept
            watch.holder = holder = identify(http, pipeline.directory, http.method if any_method else method)
            if named.action not in _ACTIONS or (http.method == "POST" and not named.is_kept):
                raise NotFound(f"There is no {http.method} {http.path} here.", code="unknown_url")
            query = query_of(named.query)
            stored = await _own(kept.store, holder, named.name)
        if kind == "responses.retrieve" and query.stream:
            await _followed(pipeline, kept, http, watch, stored, query.starting_after + 1)
            return
        recorded = await watch.record_plain(orjson.dumps(await _said(pipeline, kept, holder, stored, kind, query)))
        await http.reply(200, recorded.headers, recorded.body)


async def _said(
    pipeline: Pipeline, kept: Conversations, holder: KeyHolder, stored: Stored, kind: str, query: Query
) -> Any:
    if kind == "responses.delete":
        await _deleted(kept, holder, stored)
        return {"id": stored.response_id, "object": "response", "deleted": True}
    if kind == "responses.cancel":
        stored = await _cancelled(kept, holder, stored)
    if kind == "responses.input_items":
        shown = await _follower(pipeline, kept.store, holder).restored(replace(stored, answer={"output": stored.items}))
        return input_items(stored.response_id, shown["output"], query)
    return await _follower(pipeline, kept.store, holder).restored(stored)


async def _followed(
    pipeline: Pipeline, kept: Conversations, http: Exchange, watch: Watch, stored: Stored, first: int
) -> None:
    """Show a response as its stream from an event on; while it runs, the client waits with us."""
    holder = watch.holder
    assert holder is not None
    http.watch_client()
    if not http.started:
        await http.begin_stream(watch.opening())
    follower, skipped, heard_ns = _follower(pipeline, kept.store, holder), first, pipeline.desk.clock_ns()
    while True:
        grown = kept.queue.bell.next(stored.response_id)
        events = await follower.next(stored)
        events, skipped = events[skipped:], max(0, skipped - len(events))
        if stored.answer.get("status") not in UNDER_WAY:
            break
        if events or pipeline.desk.clock_ns() - heard_ns >= pipeline.limits.keep_alive_s * 1e9:
            await http.write(b"".join(events) or KEEP_ALIVE)
            heard_ns = pipeline.desk.clock_ns()
        with suppress(TimeoutError):
            await asyncio.wait_for(grown.wait(), _LOOK_S)
        stored = await _own(kept.store, holder, stored.response_id)
    recorded = await watch.record_plain(b"".join(events))
    await http.end_stream(recorded.body)


async def _own(store: ResponseStore, holder: KeyHolder, name: str) -> Stored:
    """Return a response of the caller's own automation."""
    stored = await store.get(holder.facts.tenant, name)
    if stored is None or stored.automation != holder.facts.automation:
        raise NotFound(_MISSING, param="response_id")
    return stored


async def _cancelled(kept: Conversations, holder: KeyHolder, stored: Stored) -> Stored:
    """End a response that waits or runs; one that was cancelled before, or is just now, stays so."""
    if stored.answer.get("status") in UNDER_WAY:
        ended = replace(stored, answer=stored.answer | {"status": "cancelled"})
        if await kept.queue.jobs.cancel(holder.facts.tenant, ended):
            return ended
        stored = await _own(kept.store, holder, stored.response_id)
    if stored.answer.get("status") == "cancelled":
        return stored
    raise BadRequest(_DONE, code="response_not_cancellable", param="response_id")


async def _deleted(kept: Conversations, holder: KeyHolder, stored: Stored) -> None:
    if stored.answer.get("status") in UNDER_WAY:
        await kept.queue.jobs.cancel(holder.facts.tenant, stored)
    await kept.store.remove(holder.facts.tenant, stored.response_id)


def _follower(pipeline: Pipeline, store: ResponseStore, holder: KeyHolder) -> Follower:
    """Return who shows kept responses to their caller, under the policy of today."""
    try:
        bound = pipeline.snapshot().bind(holder.facts, {})
    except Ungoverned as error:
        raise errors.Ungoverned("No policy governs this API key.") from error
    tenant = holder.facts.tenant
    return Follower(store, tenant, pipeline.redactors.of(bound, tenant).redactor, RESPONSES.name)
