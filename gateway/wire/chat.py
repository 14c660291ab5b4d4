"""The chat completions endpoint: what a request must be, and how a streamed answer is put together."""

from typing import Any, Final

from gateway.errors import BadRequest, UpstreamError
from gateway.wire.body import optional, wanted_text
from gateway.wire.endpoint import Endpoint

Json = dict[str, Any]
# Strings of a delta that are whole every time instead of growing.
_TEXTS: Final = ("content", "refusal", "reasoning", "reasoning_content")
_WHOLE: Final = frozenset({"role", "id", "type"})
_INDEX: Final = (int, type(None))


def check(body: Json) -> None:
    """Refuse a request that no upstream could understand; everything else is the upstream's to judge."""
    wanted_text(body, "model")
    messages = body.get("messages")
    if messages is None:
        raise BadRequest("Missing required parameter: 'messages'.", code="missing_required_parameter", param="messages")
    if not isinstance(messages, list) or not messages:
        raise BadRequest("'messages' must be a list that is not empty.", code="invalid_type", param="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            where = f"messages[{index}]"
            raise BadRequest(f"'{where}' must be an object.", code="invalid_type", param=where)
    optional(body, "stream", bool, "true or false")
    optional(body, "stream_options", dict, "an object")
    optional(body, "metadata", dict, "an object")
    optional(body, "tools", list, "a list")
    optional(body, "n", int, "a whole number")


def check_answer(body: Json) -> None:
    """Refuse an answer without a choice: it is none."""
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise UpstreamError("The upstream's answer has no choices.", code="upstream_invalid_response")
    _check_choices(choices, "message")


def check_event(event: Json) -> None:
    """Refuse an event whose choices have another shape; without choices it may be anything."""
    if event.get("choices"):
        _check_choices(event["choices"], "delta")


def _check_choices(choices: object, name: str) -> None:
    # Exact types: this runs on every event of every stream.
    if type(choices) is not list:
        raise _misshapen()
    for choice in choices:
        if type(choice) is not dict or type(choice.get("index", 0)) not in _INDEX:
            raise _misshapen()
        said = choice.get(name) or {}
        if type(said) is not dict or (said.get("tool_calls") and not _are_calls(said["tool_calls"])):
            raise _misshapen()


def _are_calls(calls: object) -> bool:
    return type(calls) is list and all(
        type(call) is dict and isinstance(call.get("function") or {}, dict) for call in calls
    )


def _misshapen() -> UpstreamError:
    return UpstreamError("The upstream's answer has another shape.", code="upstream_invalid_response")


def reasons(answer: Json) -> list[str]:
    """Return why each choice ended."""
    return [str(choice["finish_reason"]) for choice in answer["choices"] if choice.get("finish_reason")]


def chars(answer: Json) -> int:
    """Return how many characters the model wrote, tool arguments included."""
    return sum(_message_chars(choice.get("message") or {}) for choice in answer["choices"])


def _message_chars(message: Json) -> int:
    texts = [message.get(name) for name in _TEXTS]
    texts += [(call.get("function") or {}).get("arguments") for call in message.get("tool_calls") or ()]
    return sum([len(text) for text in texts if isinstance(text, str)])


class ChatAssembly:
    """Puts the events of a streamed chat answer together."""

    def __init__(self) -> None:
        self.usage: Json | None = None
        self.model: str | None = None
        self._head: Json = {}
        self._choices: dict[int, _Choice] = {}
        self._finishes = 0

    @property
    def begun(self) -> bool:
        return bool(self._choices)

    def add(self, event: Json) -> None:
        """Take one clean event."""
        if not self._head:
            self._head = event
            self.model = event.get("model")
        if isinstance(event.get("usage"), dict):
            self.usage = event["usage"]
        for piece in event.get("choices") or ():
            index = piece.get("index") or 0
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice()
            self._finishes += choice.add(piece)

    def finished(self, wanted: int) -> bool:
        """Say whether every choice that was wanted or began has given its reason to end."""
        return self._finishes >= max(wanted, len(self._choices))

    @property
    def even(self) -> bool:
        """Say whether all choices that began have given a reason to end, or none: some providers never give any."""
        return self._finishes in (0, len(self._choices))

    def whole(self) -> Json:
        """Return the answer so far as a whole chat completion."""
        head = {name: value for name, value in self._head.items() if name not in ("choices", "object", "usage")}
        choices = [choice.whole(index) for index, choice in sorted(self._choices.items())]
        return head | {"object": "chat.completion", "choices": choices, "usage": self.usage}


class _Choice:
    """One choice that grows: texts as lists of parts, so that a long answer stays cheap."""

    __slots__ = ("_texts", "finish_reason", "logprobs", "message")

    def __init__(self) -> None:
        self.message: Json = {"role": "assistant"}
        self.finish_reason: str | None = None
        self.logprobs: Json = {}
        self._texts: dict[str, list[str]] = {}

    def add(self, piece: Json) -> int:
        """Take one piece; return 1 when it ends the choice."""
        for name, value in (piece.get("delta") or {}).items():
            if isinstance(value, str) and name not in _WHOLE:
                self._texts.setdefault(name, []).append(value)
            elif value is not None:
                self.message[name] = _grown(self.message.get(name), value)
        if piece.get("logprobs"):
            self.logprobs = _grown(self.logprobs, piece["logprobs"])
        ended = piece.get("finish_reason")
        if ended is None:
            return 0
        again, self.finish_reason = self.finish_reason is not None, ended
        return 0 if again else 1

    def whole(self, index: int) -> Json:
        texts: Json = {name: "".join(parts) for name, parts in self._texts.items()}
        message = {"content": None} | _settled(self.message) | texts
        choice: Json = {"index": index, "message": message, "finish_reason": self.finish_reason}
        return choice | {"logprobs": _settled(self.logprobs)} if self.logprobs else choice


class _Text(list[str]):
    """A text that grows, as its parts."""


def _grown(old: Any, new: Any) -> Any:
    """Grow one value of a delta by the next, in place: texts join, objects merge, numbered lists merge by `index`."""
    if isinstance(new, dict):
        into: Json = old if isinstance(old, dict) else {}
        for name, value in new.items():
            have = into.get(name)
            if not isinstance(value, str) or name in _WHOLE:
                into[name] = have if value is None else _grown(have, value)
            elif isinstance(have, _Text):
                have.append(value)
            else:
                into[name] = _Text((value,))
        return into
    if not isinstance(new, list):
        return new
    items: list[Any] = old if type(old) is list else []
    for item in new:
        _place(items, item)
    return items


def _place(items: list[Any], item: Any) -> None:
    """Let an item grow the one of its number; one without a number is never touched again."""
    number = item.get("index") if isinstance(item, dict) else None
    if number is None:
        items.append(item)
        return
    usual = type(number) is int and 0 <= number < len(items) and _number(items[number]) == number
    at = number if usual else next((at for at, have in enumerate(items) if _number(have) == number), None)
    if at is None:
        items.append(_grown(None, item))
    else:
        _grown(items[at], item)


def _number(item: Any) -> Any:
    return item.get("index") if isinstance(item, dict) else None


def _settled(value: Any) -> Any:
    """Give what has grown as plain JSON."""
    if isinstance(value, _Text):
        return "".join(value)
    if isinstance(value, dict):
        return {name: _settled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [item if _number(item) is None else _settled(item) for item in value]
    return value


CHAT: Final = Endpoint(
    "chat.completions", "/chat/completions", check, check_answer, reasons, chars, ChatAssembly, check_event
)
