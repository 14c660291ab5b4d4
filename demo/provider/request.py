"""A chat request, checked and typed."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.provider import schema
from demo.provider.errors import WireError
from demo.provider.tools import Tool
from demo.provider.words import wordset
from demo.provider.writer import Sampling

_MAX_CHOICES = 16
_MAX_TOP_LOGPROBS = 20
_SHAPE = wordset("stream stream_options logprobs top_logprobs n max_tokens max_completion_tokens stop")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What the simulated models look at; other fields of the body are accepted and ignored."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    sampling: Sampling
    n: int
    max_tokens: int | None
    stop: tuple[str, ...]
    seed: int | None
    stream: bool
    include_usage: bool
    logprobs: bool
    top_logprobs: int
    format: Mapping[str, Any]
    tools: tuple[Tool, ...]
    tool_choice: str
    parallel_tool_calls: bool
    digest: str


def parse(body: object) -> ChatRequest:
    """Check the body of a chat request; raises WireError 400."""
    if not isinstance(body, dict):
        raise WireError(400, "We could not parse the JSON body of your request: an object is expected.")
    messages = _messages(body)
    return ChatRequest(
        model=_model(body),
        messages=messages,
        sampling=Sampling(_number(body, "temperature", (0, 2), 1.0), _number(body, "top_p", (0, 1), 1.0)),
        n=int(_number(body, "n", (1, _MAX_CHOICES), 1)),
        max_tokens=_max_tokens(body),
        stop=_stop(body.get("stop")),
        seed=body.get("seed") if isinstance(body.get("seed"), int) else None,
        stream=body.get("stream") is True,
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        logprobs=body.get("logprobs") is True,
        top_logprobs=int(_number(body, "top_logprobs", (0, _MAX_TOP_LOGPROBS), 0)),
        format=body.get("response_format") or {"type": "text"},
        tools=tuple(_tools(body.get("tools") or [])),
        tool_choice=_tool_choice(body.get("tool_choice")),
        parallel_tool_calls=body.get("parallel_tool_calls") is not False,
        digest=_digest(body),
    )


def _digest(body: Mapping[str, Any]) -> str:
    """Hash what the answer depends on: streamed or whole, with logprobs or without, it is the same answer."""
    telling = {name: value for name, value in body.items() if name not in _SHAPE}
    return hashlib.sha256(json.dumps(telling, sort_keys=True).encode()).hexdigest()


def _model(body: Mapping[str, Any]) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise WireError(400, "you must provide a model parameter", "model", "missing_required_parameter")
    return model


def _messages(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise WireError(400, "'messages' must be a non-empty list of objects.", "messages", "invalid_type")
    return messages


def _number(body: Mapping[str, Any], name: str, bounds: tuple[float, float], default: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not bounds[0] <= value <= bounds[1]:
        raise WireError(400, f"'{name}' must be a number from {bounds[0]} to {bounds[1]}.", name, "invalid_value")
    return value


def _max_tokens(body: Mapping[str, Any]) -> int | None:
    name = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    return int(_number(body, name, (1, 1_000_000), 1)) if body.get(name) is not None else None


def _stop(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or len(stops) > 4 or not all(isinstance(stop, str) and stop for stop in stops):
        raise WireError(400, "'stop' must be a string or up to four strings.", "stop", "invalid_value")
    return tuple(stops)


def _tools(offered: object) -> Sequence[Tool]:
    if not isinstance(offered, list):
        raise WireError(400, "'tools' must be a list.", "tools", "invalid_type")
    return [_tool(item, at) for at, item in enumerate(offered)]


def _tool(item: object, at: int) -> Tool:
    function = item.get("function") if isinstance(item, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise WireError(400, "only function tools with a name are supported", f"tools[{at}]", "invalid_value")
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    checked(lambda: schema.load(parameters), f"tools[{at}].function.parameters")
    return Tool(function["name"], str(function.get("description") or ""), parameters)


def checked(check: Callable[[], object], param: str) -> None:
    """Run a check of a schema and name the parameter it came from in its error."""
    try:
        check()
    except WireError as error:
        raise WireError(error.status, str(error), param, error.code) from error


def _tool_choice(value: object) -> str:
    if isinstance(value, dict):
        function = value.get("function")
        return f"={function['name']}" if isinstance(function, dict) and "name" in function else "required"
    return value if isinstance(value, str) else "auto"
