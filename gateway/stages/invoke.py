"""Stage invoke: the only code that talks to a model."""

from typing import Final

import orjson

from gateway.attempt import Attempt, Attempts
from gateway.call import Answer, Route
from gateway.errors import UpstreamError
from gateway.providers.base import Reply
from gateway.stages.live import Live
from gateway.wire.endpoint import Json
from gateway.wire.refusal import MAX_ERROR_BYTES, error_of, refusal

_HOP: Final = "x-sluice-hop"


async def invoke(route: Route, attempts: Attempts) -> Answer:
    """Return the complete answer.

    Raises:
        UpstreamError: there is none.
    """
    if route.request.governed.call.stream:
        return await _collected(route, attempts)
    attempt = attempts.begin(route.provider.name, route.model)
    try:
        raw = await _whole(route, attempt, attempts)
        body = _object(raw)
        route.request.governed.call.endpoint.check_answer(body)
    except BaseException as error:
        attempts.end(attempt, _code(error))
        raise
    attempts.end(attempt)
    return Answer(route, (body,), raw)


async def open_live(route: Route, attempts: Attempts) -> Live:
    """Return a stream whose first bytes are there; until then nothing was promised to the caller.

    Raises:
        UpstreamError: the upstream refused, or gave no stream.
    """
    attempt = attempts.begin(route.provider.name, route.model)
    reply: Reply | None = None
    began = attempts.now_ns()
    try:
        reply = await _accepted(route, attempt, attempts)
        return Live(route, reply, attempt, attempts, await _first_bytes(reply, attempt, attempts))
    except BaseException as error:
        attempts.end(attempt, _code(error))
        if reply is not None:
            reply.close()
        raise
    finally:
        attempts.waited_ns += attempts.now_ns() - began


async def _collected(route: Route, attempts: Attempts) -> Answer:
    """Read a stream to its end before anything of it is shown."""
    live = await open_live(route, attempts)
    try:
        return await live.collect()
    finally:
        live.close()


async def _whole(route: Route, attempt: Attempt, attempts: Attempts) -> bytes:
    began = attempts.now_ns()
    reply: Reply | None = None
    try:
        reply = await _accepted(route, attempt, attempts)
        return await reply.read()
    finally:
        if reply is not None:
            reply.close()
        attempts.waited_ns += attempts.now_ns() - began


async def _accepted(route: Route, attempt: Attempt, attempts: Attempts) -> Reply:
    """Send the request; anything but a success is an error."""
    call = route.request.governed.call
    headers = {_HOP: "1", "traceparent": call.trace.header}
    reply = await route.provider.send("POST", call.endpoint.path, route.wire, headers)
    attempt.status = reply.status
    attempts.first_byte(attempt)
    if reply.status == 200:
        return reply
    try:
        raw = await _error_bytes(reply)
    finally:
        reply.close()
    raise refusal(reply.status, reply.headers, raw, route.request.governed.redactor.clear_label)


async def _first_bytes(reply: Reply, attempt: Attempt, attempts: Attempts) -> bytes:
    if not reply.headers.get("content-type", "text/event-stream").startswith("text/event-stream"):
        raise UpstreamError("The upstream's answer is not an event stream.", code="upstream_invalid_response")
    first = await reply.next()
    attempts.first_byte(attempt)
    return first or b""


def _code(error: BaseException) -> str:
    return error.code if isinstance(error, UpstreamError) else "interrupted"


async def _error_bytes(reply: Reply) -> bytes:
    parts, size = [], 0
    while size < MAX_ERROR_BYTES and (part := await reply.next()) is not None:
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _object(raw: bytes) -> Json:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise UpstreamError("The upstream's answer is not a JSON object.", code="upstream_invalid_response")
    if "error" in body and error_of(raw):
        raise UpstreamError("The upstream answered with an error and status 200.", code="upstream_invalid_response")
    return body
