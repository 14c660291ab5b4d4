"""What a kept response looks like to those who read it: its input as a list of items, its answer as a stream."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from gateway.errors import BadRequest
from gateway.stages.restore import event_bytes, numbered
from gateway.wire.endpoint import Json
from gateway.wire.said import as_events

_MOST: Final = 100
_USUAL: Final = 20
_PART: Final[Mapping[str, str]] = {"assistant": "output_text"}


class Query(NamedTuple):
    """The parameters behind the question mark, checked."""

    stream: bool
    starting_after: int
    limit: int
    newest_first: bool
    after: str | None


def query_of(raw: bytes) -> Query:
    """Read the parameters of a request about a kept response; unknown ones are left alone.

    Raises:
        BadRequest: one has another form than OpenAI gives it.
    """
    given = dict(parse_qsl(raw.decode("latin-1")))
    order = given.get("order", "desc")
    if order not in ("asc", "desc"):
        raise BadRequest("'order' must be asc or desc.", param="order")
    stream = given.get("stream", "false")
    if stream not in ("true", "false"):
        raise BadRequest("'stream' must be true or false.", param="stream")
    limit = _number(given, "limit", _USUAL)
    if not 1 <= limit <= _MOST:
        raise BadRequest(f"'limit' must be a number from 1 to {_MOST}.", param="limit")
    return Query(stream == "true", _number(given, "starting_after", -1), limit, order == "desc", given.get("after"))


def input_items(response_id: str, items: Sequence[Any], query: Query) -> Json:
    """List the items of a response's input, each with an id that stays the same.

    Raises:
        BadRequest: `after` names no item.
    """
    named = [_item(item, f"msg_{response_id.removeprefix('resp_')}_{place}") for place, item in enumerate(items)]
    if query.newest_first:
        named.reverse()
    if query.after is not None:
        places = [place for place, item in enumerate(named) if item["id"] == query.after]
        if not places:
            raise BadRequest("'after' names no item of this response.", param="after")
        named = named[places[0] + 1 :]
    page = named[: query.limit]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return {"object": "list", "data": page, **ends, "has_more": len(named) > len(page)}


def events_of(answer: Json, first: int) -> list[bytes]:
    """Encode a response as the events of its stream from a number on; one that runs has only its beginning yet.

    The numbers depend on nothing but the answer, so whoever reads on after one sees what comes next.
    """
    events = as_events("responses", answer, with_usage=True)
    return [event_bytes(numbered(event, place), hide_usage=False) for place, event in enumerate(events)][first:]


def _number(given: Mapping[str, str], name: str, usual: int) -> int:
    text = given.get(name)
    if text is None:
        return usual
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise BadRequest(f"'{name}' must be a whole number.", param=name)
    return int(text)


def _item(item: Any, name: str) -> Json:
    """Write an item as OpenAI lists it: with an id, and a message's content in parts."""
    shown: Json = {"id": name, **item}
    if isinstance(item.get("content"), str) and "role" in item:
        part: Json = {"type": _PART.get(item["role"], "input_text"), "text": item["content"]}
        shown |= {"type": "message", "status": "completed"}
        shown["content"] = [part | ({"annotations": []} if part["type"] == "output_text" else {})]
    return shown
