"""The Responses API: what a request must be, and how a streamed answer is put together."""

from collections.abc import Iterator
from typing import Any, Final

from gateway.errors import BadRequest, UpstreamCut, UpstreamError
from gateway.wire.body import optional, wanted_text
from gateway.wire.endpoint import Endpoint, Json
from gateway.wire.said import UNDER_WAY

TERMINAL: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_TYPES: Final[tuple[tuple[str, type, str], ...]] = (
    ("instructions", str, "a text"),
    ("previous_response_id", str, "a text"),
    ("stream", bool, "true or false"),
    ("store", bool, "true or false"),
    ("background", bool, "true or false"),
    ("tools", list, "a list"),
    ("metadata", dict, "an object"),
    ("text", dict, "an object"),
    ("reasoning", dict, "an object"),
    ("max_output_tokens", int, "a whole number"),
)


def check(body: Json) -> None:
    """Refuse a request that no upstream could understand, and what this gateway does not offer."""
    wanted_text(body, "model")
    for name, kind, called in _TYPES:
        optional(body, name, kind, called)
    if body.get("conversation") is not None:
        raise unsupported("conversation", "Conversations are not kept here; use previous_response_id.")
    if body.get("background") and body.get("store") is False:
        raise unsupported("store", "A background response must be stored until it is read.")
    _check_input(body)


def unsupported(param: str, message: str) -> BadRequest:
    """Return the error for a parameter that means something nobody can do here."""
    return BadRequest(message, code="unsupported_parameter", param=param)


def _check_input(body: Json) -> None:
    given = body.get("input")
    if given is None and not (body.get("previous_response_id") or body.get("prompt")):
        raise BadRequest("Missing required parameter: 'input'.", code="missing_required_parameter", param="input")
    if given is None or isinstance(given, str):
        return
    if not isinstance(given, list):
        raise BadRequest("'input' must be a text or a list of items.", code="invalid_type", param="input")
    for index, item in enumerate(given):
        if not isinstance(item, dict):
            where = f"input[{index}]"
            raise BadRequest(f"'{where}' must be an object.", code="invalid_type", param=where)


def check_answer(body: Json) -> None:
    """Refuse an answer without a list of output items, or without an end: it is none."""
    if not _is_response(body):
        raise UpstreamError("The upstream's answer has no output.", code="upstream_invalid_response")
    if body.get("status") in UNDER_WAY:
        raise UpstreamCut("The upstream's answer is not complete.")


def check_event(event: Json) -> None:
    """Refuse an event of another shape; one of an unknown type may be anything."""
    whole = event.get("response")
    texts = (event.get("type", ""), event.get("delta", ""))
    if not isinstance(texts[0], str) or not isinstance(texts[1], str | dict):
        raise UpstreamError("The upstream's stream has another shape.", code="upstream_invalid_response")
    if whole is not None and not (isinstance(whole, dict) and ("output" not in whole or _is_response(whole))):
        raise UpstreamError("The upstream's stream has another shape.", code="upstream_invalid_response")


def _is_response(body: Json) -> bool:
    output = body.get("output")
    return isinstance(output, list) and all(isinstance(item, dict) for item in output)


def reasons(answer: Json) -> list[str]:
    """Return why the answer ended, in one word."""
    details = answer.get("incomplete_details")
    why = details.get("reason") if isinstance(details, dict) else None
    return [str(why or answer["status"])] if answer.get("status") else []


def chars(answer: Json) -> int:
    """Return how many characters the model wrote, arguments, refusals and shown reasoning included."""
    return sum(len(text) for item in answer.get("output") or () for text in _texts(item))


def _texts(item: Json) -> Iterator[str]:
    parts = [part for name in ("content", "summary") for part in _parts(item.get(name))]
    for holder in (item, *parts):
        for name in ("text", "refusal", "arguments", "input", "transcript"):
            if isinstance(holder.get(name), str):
                yield holder[name]


def _parts(value: Any) -> list[Json]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


class ResponseAssembly:
    """Puts the events of a streamed response together; the last event brings the whole."""

    def __init__(self) -> None:
        self.usage: Json | None = None
        self.model: str | None = None
        self._body: Json = {}
        self._items: dict[int, Json] = {}
        self._pieces: dict[int, list[str]] = {}
        self._ended = False

    @property
    def begun(self) -> bool:
        return bool(self._body or self._items or self._pieces)

    def add(self, event: Json) -> None:
        """Take one clean event."""
        kind, place = event.get("type"), event.get("output_index")
        if isinstance(event.get("response"), dict):
            self._whole(event["response"], kind in TERMINAL)
        elif type(place) is int and isinstance(event.get("item"), dict):
            self._items[place] = event["item"]
            if kind == "response.output_item.done":
                self._pieces.pop(place, None)
        elif type(place) is int and isinstance(event.get("delta"), str):
            self._pieces.setdefault(place, []).append(event["delta"])

    def _whole(self, body: Json, ended: bool) -> None:
        self._body, self._ended = body, self._ended or ended
        self.model = body.get("model")
        if isinstance(body.get("usage"), dict):
            self.usage = body["usage"]

    def finished(self, wanted: int) -> bool:
        """Say whether the event that ends a response was seen."""
        return self._ended and wanted >= 0

    @property
    def even(self) -> bool:
        """Say whether the event that ends a response was seen: it always comes."""
        return self._ended

    def whole(self) -> Json:
        """Return the response as far as it got."""
        if self._ended:
            return self._body
        places = sorted(self._items.keys() | self._pieces.keys())
        output = [_grown(self._items.get(place, {}), "".join(self._pieces.get(place, ()))) for place in places]
        return self._body | {"output": output}


def _grown(item: Json, text: str) -> Json:
    """Put text that came in pieces where a finished item of its kind has it."""
    if not text:
        return item
    if item.get("type") in ("function_call", "mcp_call"):
        return item | {"arguments": text}
    if item.get("type") == "reasoning":
        return item | {"summary": [{"type": "summary_text", "text": text}]}
    return item | {"content": [{"type": "output_text", "text": text}]}


RESPONSES: Final = Endpoint(
    "responses", "/responses", check, check_answer, reasons, chars, ResponseAssembly, check_event, done=b""
)
