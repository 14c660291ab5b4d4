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
from policy.model import Ungoverned
from redaction.types import Blocked, Cleared, RedactionFailed

FIELDS: Final = ("text", "request", "endpoint")


def router(pipeline: Pipeline) -> APIRouter:
    """Build the route."""
    routes = APIRouter()

    @routes.post("/v1/redact/inspect")
    async def inspect(request: Request) -> dict[str, Any]:
        """Redact a `text`, or a whole `request` body of an `endpoint`, and list what was found."""
        holder = key_holder(request, pipeline.directory)
        body = parse(await body_of(request, pipeline.limits))
        wanted, endpoint = _wanted(body)
        try:
            bound = pipeline.snapshot().bind(holder.facts, {})
            compiled = pipeline.redactors.of(bound, holder.facts.tenant)
            cleared = await compiled.redactor.clear(wanted, endpoint)
        except Ungoverned as error:
            raise errors.Ungoverned("No policy governs this API key.") from error
        except Blocked as error:
            return {"object": "redaction", "policy": bound.name, "blocked": {"kind": error.kind, "site": error.site}}
        except RedactionFailed as error:
            raise not_searched(error) from error
        shown = cleared.body["messages"][0]["content"] if "text" in body else cleared.body
        return {"object": "redaction", "policy": bound.name, "result": shown, **_found(cleared)}

    return routes


def _wanted(body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the request body to redact and its endpoint."""
    known_only(body, FIELDS, "")
    text, request = body.get("text"), body.get("request")
    if isinstance(text, str) and request is None:
        return {"messages": [{"role": "user", "content": text}]}, "chat.completions"
    endpoint = body.get("endpoint", "chat.completions")
    if text is None and isinstance(request, dict) and isinstance(endpoint, str):
        return request, endpoint
    raise BadRequest("Give either 'text' (a text) or 'request' (an object).", param="text")


def _found(cleared: Cleared) -> dict[str, Any]:
    names = ("site", "kind", "start", "end", "score", "recognizer", "action")
    findings = [{name: getattr(finding, name) for name in names} for finding in cleared.findings]
    media = [{"site": part.site, "kind": part.kind, "bytes": part.bytes} for part in cleared.media]
    return {"findings": findings, "media": media}
