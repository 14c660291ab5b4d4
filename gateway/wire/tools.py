"""Tools on the wire: which ones a request offers, and which ones an answer calls."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from gateway.wire.endpoint import Json


class ToolCall(NamedTuple):
    """One call by the model; `arguments` None: they are no JSON object."""

    name: str
    arguments: Json | None


def offered(body: Json) -> Iterator[tuple[str, str]]:
    """Give where each offered tool stands in a request, and its name; a built-in tool is called by its type."""
    for field in ("tools", "functions"):
        listed = body.get(field)
        for index, tool in enumerate(listed if isinstance(listed, list) else ()):
            yield f"{field}[{index}]", _name(tool)


def called(answer: Json) -> Iterator[ToolCall]:
    """Give the calls of a whole answer of any model endpoint."""
    for choice in answer.get("choices") or ():
        message = choice.get("message") or {}
        for call in message.get("tool_calls") or ():
            yield _call(call.get("function") or call.get("custom") or {})
        if message.get("function_call"):
            yield _call(message["function_call"])
    for item in answer.get("output") or ():
        if isinstance(item, dict) and str(item.get("type", "")).endswith("_call"):
            yield _call(item if "name" in item else {"name": str(item["type"]).removesuffix("_call")})


def _name(tool: Any) -> str:
    if not isinstance(tool, dict):
        return ""
    kind = str(tool.get("type", "function"))
    inner = tool.get(kind)
    named = (inner if isinstance(inner, dict) else tool).get("name")
    return named if isinstance(named, str) else kind


def _call(call: Json) -> ToolCall:
    raw = call.get("arguments", call.get("input"))
    try:
        arguments = orjson.loads(raw) if isinstance(raw, str) else raw
    except orjson.JSONDecodeError:
        arguments = None
    return ToolCall(str(call.get("name", "")), arguments if isinstance(arguments, dict) else None)
