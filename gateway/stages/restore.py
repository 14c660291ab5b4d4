"""Stage restore: the caller's own values stand in the answer again, and it becomes bytes."""

import orjson

from gateway.call import Released, Reply
from gateway.wire import sse
from gateway.wire.endpoint import Json


def restore(released: Released) -> Reply:
    """Encode what may be shown; bytes in which nothing was found stay as the upstream sent them."""
    answer = released.judged.answer.answer
    if answer.route.request.governed.call.stream:
        hide = answer.route.usage_forced
        shown = [event_bytes(numbered(event, place), hide) for place, event in enumerate(released.shown)]
        return Reply(released, b"".join(shown))
    (body,) = released.shown
    unchanged = answer.raw and body == answer.events[0]
    return Reply(released, answer.raw if unchanged else orjson.dumps(body))


def event_bytes(event: Json, hide_usage: bool) -> bytes:
    """Encode one event of a stream; usage that the caller did not ask for is left out."""
    if hide_usage and "usage" in event:
        if event["usage"] and not event.get("choices"):
            return b""
        event = {name: value for name, value in event.items() if name != "usage"}
    if "sequence_number" in event:
        return sse.named_event(event)
    return b"data: " + orjson.dumps(event) + b"\n\n"


def numbered(event: Json, place: int) -> Json:
    """Number an event anew where events have numbers: some are held back, and some are ours."""
    return event | {"sequence_number": place} if "sequence_number" in event else event
