"""Stage restore: the caller's own values stand in the answer again, and it becomes bytes."""

import orjson

from gateway.call import Released, Reply
from gateway.wire.endpoint import Json


def restore(released: Released) -> Reply:
    """Encode what may be shown; bytes in which nothing was found stay as the upstream sent them."""
    answer = released.judged.answer.answer
    if answer.route.request.governed.call.stream:
        hide = answer.route.usage_forced
        return Reply(released, b"".join(event_bytes(event, hide) for event in released.shown))
    (body,) = released.shown
    return Reply(released, answer.raw if body == answer.events[0] else orjson.dumps(body))


def event_bytes(event: Json, hide_usage: bool) -> bytes:
    """Encode one event of a stream; usage that the caller did not ask for is left out."""
    if hide_usage and "usage" in event:
        if event["usage"] and not event.get("choices"):
            return b""
        event = {name: value for name, value in event.items() if name != "usage"}
    return b"data: " + orjson.dumps(event) + b"\n\n"
