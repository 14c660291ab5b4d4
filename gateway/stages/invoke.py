"""Stage invoke: the only code that talks to a model."""

from typing import Final

import orjson

from gateway.call import Answer, Route
from gateway.errors import UpstreamError
from gateway.providers.base import Reply
from gateway.resilience.attempt import Attempt, Attempts
from gateway.resilience.tries import Tries
from gateway.stages.course import first_success, once
from gateway.stages.live import Live
from gateway.wire.endpoint import Json
from gateway.wire.numbers import loads
from gateway.wire.refusal import MAX_ERROR_BYTES, error_of, refusal

_HOP: Final = "x-sluice-hop"


async def invoke(route: Route, attempts: Attempts, tries: Tries) -> Answer:
    """Return the complete answer of the first target that gives one.

    Raises:
        UpstreamError: none did; the last one's error.
    """
    if route.request.governed.call.stream:
        live = await open_live(route, attempts, tries)
        try:
            return await live.collect()  # to its end, before anything of it is shown
        finally:
            live.close()
    return await first_success(route, attempts, tries, _answer)


async def invoke_copy(route: Route, attempts: Attempts, tries: Tries) -> Answer:
    """Return the complete answer of the first target, which is asked once.

    Raises:
        UpstreamError: it gave none.
    """
    return await once(route, attempts, tries, _answer)


async def open_live(route: Route, attempts: Attempts, tries: Tries) -> Live:
    """Return a stream whose first bytes are there; until then nothing was promised to the caller.

    Raises:
        UpstreamError: no target gave a stream.
    """
    return await first_success(route, attempts, tries, _live)


async def _answer(route: Route, attempt: Attempt, attempts: Attempts) -> Answer:
    reply = await _accepted(route, attempt, attempts)
    try:
        first = await reply.next()
        attempt.output = first is not None  # from here on an answer was made: nobody is asked for another
        raw = (first or b"") + await reply.read()
    finally:
        reply.close()
    body, speech = _object(raw), attempt.speech
    if speech is not None:
        body, raw = speech.answer(body), b""
    else:
        route.request.governed.call.endpoint.check_answer(body)
    attempts.end(attempt)
    attempts.came = answer = Answer(route, attempt.target, (body,), raw)
    return answer


async def _live(route: Route, attempt: Attempt, attempts: Attempts) -> Live:
    reply = await _accepted(route, attempt, attempts)
    try:
        return Live(route, reply, attempt, attempts, await _first_bytes(reply, attempt, attempts))
    except BaseException:
        reply.close()
        raise


async def _accepted(route: Route, attempt: Attempt, attempts: Attempts) -> Reply:
    """Send the request; anything but a success is an error."""
    call, target = route.request.governed.call, attempt.target
    body = route.body if route.body["model"] == target.model else route.body | {"model": target.model}
    path = call.endpoint.path
    if call.endpoint.turn is not None:
        attempt.speech = speech = call.endpoint.turn.speech(target.provider.translated)
        path, body = speech.path, speech.request(body)
    headers = {_HOP: "1", "traceparent": call.trace.header}
    reply = await target.provider.send("POST", target.provider.place(path, target.model), orjson.dumps(body), headers)
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
    if not reply.headers.get("content-type", "text/event-stream").lower().startswith("text/event-stream"):
        raise UpstreamError("The upstream's answer is not an event stream.", code="upstream_invalid_response")
    first = await reply.next()
    attempt.output = first is not None
    attempts.first_byte(attempt)
    return first or b""


async def _error_bytes(reply: Reply) -> bytes:
    parts, size = [], 0
    while size < MAX_ERROR_BYTES and (part := await reply.next()) is not None:
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _object(raw: bytes) -> Json:
    try:
        body = loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise UpstreamError("The upstream's answer is not a JSON object.", code="upstream_invalid_response")
    if "error" in body and body.get("status") != "failed" and error_of(raw):  # a response that failed says why
        raise UpstreamError("The upstream answered with an error and status 200.", code="upstream_invalid_response")
    return body
