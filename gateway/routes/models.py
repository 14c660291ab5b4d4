"""GET /v1/models and /v1/models/{id}: the default provider's own list, recorded like any request."""

from typing import Final
from urllib.parse import quote

from gateway import errors
from gateway.admission import KeyHolder
from gateway.call import Recorded
from gateway.errors import NoRoute, NotFound
from gateway.pipeline import Pipeline
from gateway.providers.base import Provider
from gateway.stages.admit import identify
from gateway.watch import Watch
from gateway.wire.exchange import App, Exchange, Message, Receive, Send
from gateway.wire.refusal import refusal
from policy.model import Ungoverned

PATH: Final = "/v1/models"


def models(pipeline: Pipeline) -> App:
    """Return the endpoint as a plain ASGI callable."""

    async def endpoint(scope: Message, receive: Receive, send: Send) -> None:
        http = Exchange(scope, receive, send)
        async with Watch(pipeline.desk, http, "models") as watch:
            with watch("admit"):
                watch.holder = holder = identify(http, pipeline.directory, "GET")
            http.watch_client()
            with watch("invoke"):
                name = _cleared(pipeline, holder, http.path.removeprefix(PATH).removeprefix("/"))
                body = await _ask(_default(pipeline), name, watch)
            recorded: Recorded = await watch.record_plain(body)
            await http.reply(200, recorded.headers, recorded.body)

    return endpoint


def _default(pipeline: Pipeline) -> Provider:
    upstreams = pipeline.upstreams(pipeline.snapshot())
    provider = upstreams.providers.get(upstreams.default)
    if provider is None:
        raise NoRoute(f"The provider {upstreams.default} is not set up in providers.yaml, or its base URL is not set.")
    return provider


def _cleared(pipeline: Pipeline, holder: KeyHolder, name: str) -> str:
    """Clear a model's name like any text of a request: it is the caller's."""
    if not name:
        return ""
    try:
        bound = pipeline.snapshot().bind(holder.facts, {})
    except Ungoverned as error:
        raise errors.Ungoverned("No policy governs this API key, so the call is refused.") from error
    return pipeline.redactors.of(bound, holder.facts.tenant).redactor.clear_label(name)


async def _ask(provider: Provider, name: str, watch: Watch) -> bytes:
    """Return the provider's answer for the list or for one model."""
    if name in (".", ".."):
        raise NotFound("There is no such model.", code="model_not_found")
    path = "/models" + (f"/{quote(name, safe='')}" if name else "")
    began = watch.attempts.now_ns()
    sent = {"traceparent": watch.trace.header, "x-sluice-hop": "1"}
    reply = await provider.send("GET", provider.place(path, name), None, sent)
    try:
        raw = await reply.read()
    finally:
        reply.close()
        watch.attempts.waited_ns += watch.attempts.now_ns() - began
    if reply.status != 200:
        raise refusal(reply.status, reply.headers, raw, _unquoted)
    return raw


def _unquoted(_text: str) -> str:
    """No policy is bound here, so nothing that the provider says about the request is passed on."""
    return "The provider refused the request."
