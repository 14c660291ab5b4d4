"""What a request asks for, as numbers and closed words: routing decides by it, and records keep it for replay."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from gateway.wire.endpoint import Json

_PARTS: Final = {"image_url": "vision", "input_image": "vision", "input_audio": "audio", "audio": "audio"}
_USUAL: Final = frozenset({"model", "messages", "input", "stream", "temperature", "max_tokens", "top_p", "user"})


def features(body: Json) -> Json:
    """Read the features of a request of any model endpoint; `needs` in the words of a candidate's capabilities."""
    given = body.get("messages") or body.get("input")
    items: list[Any] = given if type(given) is list else [given] if given else []
    needs = _carried(items)
    if not _USUAL.issuperset(body):  # most requests have nothing more to say
        needs = [*needs, *_asked(body)]
    most = most_output_tokens(body)
    return {"messages": len(items), "max_output_tokens": most, "needs": sorted(set(needs)) if needs else []}


def most_output_tokens(body: Json) -> int:
    """Give the longest answer that a request allows for, all choices together; 0: it names none."""
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


def _carried(items: Iterable[Any]) -> list[str]:
    contents = [item["content"] for item in items if type(item) is dict and type(item.get("content")) is list]
    kinds = [part.get("type") for content in contents for part in content if isinstance(part, dict)]
    return [_PARTS[kind] for kind in kinds if isinstance(kind, str) and kind in _PARTS]
