"""What a request asks for, as numbers and closed words: routing decides by it, and records keep it for replay."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from gateway.wire.endpoint import Json

_PARTS: Final = {"image_url": "vision", "input_image": "vision", "input_audio": "audio", "audio": "audio"}
_USUAL: Final = frozenset({"model", "messages", "input", "stream", "temperature", "max_tokens", "top_p", "user"})


class Features(NamedTuple):
    """`needs` in the words of `routing.candidates[].capabilities`."""

    messages: int
    max_output_tokens: int
    needs: tuple[str, ...]

    def as_dict(self) -> Json:
        return {"messages": self.messages, "max_output_tokens": self.max_output_tokens, "needs": list(self.needs)}


def features(body: Json) -> Features:
    """Read the features of a request of any model endpoint."""
    given = body.get("messages") or body.get("input")
    items: list[Any] = given if isinstance(given, list) else [given] if given else []
    needs = set(_carried(items))
    if not _USUAL.issuperset(body):  # most requests have nothing more to say
        needs.update(_asked(body))
    return Features(len(items), _most(body), tuple(sorted(needs)))


def _most(body: Json) -> int:
    for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
        value = body.get(name)
        if type(value) is int and value > 0:
            return value * _choices(body)
    return 0


def _choices(body: Json) -> int:
    count = body.get("n")
    return count if type(count) is int and count > 0 else 1


def _asked(body: Json) -> Iterator[str]:
    if body.get("tools") or body.get("functions"):
        yield "tools"
    if body.get("logprobs"):
        yield "logprobs"
    if body.get("reasoning_effort") or body.get("reasoning"):
        yield "reasoning"
    if isinstance(modalities := body.get("modalities"), list) and "audio" in modalities:
        yield "audio"
    wanted = body.get("response_format") or (body.get("text") if isinstance(body.get("text"), dict) else None) or {}
    shape = wanted.get("format", wanted) if isinstance(wanted, dict) else {}
    if isinstance(shape, dict) and shape.get("type") == "json_schema":
        yield "json_schema"


def _carried(items: Iterable[Any]) -> Iterator[str]:
    for item in items:
        content = item.get("content") if isinstance(item, dict) else None
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind in _PARTS:
                yield _PARTS[kind]
