"""POST /v1/redact/inspect: what the caller's policy would do to a request; nothing is sent or kept."""

from typing import Any, Final

from fastapi import APIRouter, Request

from gateway import errors
from gateway.errors import BadRequest
from gateway.intake import known_only
from gateway.pipeline import Pipeline
from gateway.requests import body_of, key_holder
from gateway.stages.clear import not_searched
from gateway.wire.body import parse
from policy.model import Bound, Facts, Ungoverned
from redaction.inspect import inspect
from redaction.redactor import Redactor
from redaction.types import Blocked, RedactionFailed

FIELDS: Final = ("text", "policy", "request", "endpoint")


def router(pipeline: Pipeline) -> APIRouter:
    """Build the route."""
    routes = APIRouter()

    @routes.post("/v1/redact/inspect")
    async def inspect_(request: Request) -> dict[str, Any]:
        """Redact a `text`, or a whole `request` body of an `endpoint`, and list what was found."""
        holder = key_holder(request, pipeline.directory)
        body = parse(await body_of(request, pipeline.limits))
        known_only(body, FIELDS, "")
        bound = _bound(pipeline, holder.facts, body.get("policy"))
        redactor = pipeline.redactors.of(bound, holder.facts.tenant).redactor
        try:
            found = await _inspected(redactor, body)
        except RedactionFailed as error:
            raise not_searched(error) from error
        return {"object": "redaction", "policy": bound.name, **found}

    return routes


def _bound(pipeline: Pipeline, facts: Facts, name: object) -> Bound:
    """Give the named policy, if it is one of the caller's tenant, or the caller's own."""
    snapshot = pipeline.snapshot()
    if name is None:
        try:
            return snapshot.bind(facts, {})
        except Ungoverned as error:
            raise errors.Ungoverned("No policy governs this API key.") from error
    found = snapshot.named(name) if isinstance(name, str) else None
    if found is None or facts.tenant not in (found.policy.applies_to.tenant or (facts.tenant,)):
        raise BadRequest("There is no such policy.", param="policy")
    return found


async def _inspected(redactor: Redactor, body: dict[str, Any]) -> dict[str, Any]:
    text, request, endpoint = body.get("text"), body.get("request"), body.get("endpoint", "chat.completions")
    if isinstance(text, str) and request is None:
        return await inspect(redactor, text)
    if text is not None or not isinstance(request, dict) or not isinstance(endpoint, str):
        raise BadRequest("Give either 'text' (a text) or 'request' (an object).", param="text")
    try:
        cleared = await redactor.clear(request, endpoint)
    except Blocked as error:
        return {"blocked": {"kind": error.kind, "site": error.site}}
    media = [{"site": part.site, "kind": part.kind, "bytes": part.bytes} for part in cleared.media]
    return {"result": cleared.body, "findings": [found._asdict() for found in cleared.findings], "media": media}
