"""A request of the Responses API as one of chat completions, for providers that know only those.

What has no counterpart is refused with the parameter's name; what changes nothing that was asked for is left out.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.responses.items import messages
from gateway.wire.responses import unsupported
from gateway.wire.turn import Json

_SAME: Final = (
    "model", "temperature", "top_p", "parallel_tool_calls", "metadata", "user", "safety_identifier", "service_tier",
    "prompt_cache_key", "prompt_cache_retention", "top_logprobs", "stream",
)  # fmt: skip
_OWN: Final = frozenset(
    {"input", "instructions", "max_output_tokens", "tools", "tool_choice", "text", "reasoning", "include", "truncation"}
)
_LEFT_OUT: Final = frozenset({"stream_options", "store", "background", "previous_response_id", "conversation"})
_INCLUDED: Final[Mapping[str, Json]] = {
    "reasoning.encrypted_content": {},
    "message.output_text.logprobs": {"logprobs": True},
}
_CHOICES: Final = frozenset({"none", "auto", "required"})


def to_chat(body: Json) -> Json:
    """Return the chat request.

    Raises:
        BadRequest: a parameter means something that chat completions cannot say.
    """
    for name, value in body.items():
        if value is not None and name not in _OWN and name not in _LEFT_OUT and name not in _SAME:
            raise unsupported(name, f"'{name}' cannot be put to this provider, which knows chat completions only.")
    chat = {name: body[name] for name in _SAME if body.get(name) is not None}
    chat["messages"] = messages(body.get("instructions"), body.get("input"))
    for name, put in _RULES.items():
        if body.get(name) is not None:
            chat |= put(body[name])
    if body.get("stream"):
        chat["stream_options"] = {"include_usage": True}
    return chat


def _tools(tools: list[Any]) -> Json:
    return {"tools": [_tool(tool, f"tools[{place}]") for place, tool in enumerate(tools)]} if tools else {}


def _tool(tool: Any, where: str) -> Json:
    kind = tool.get("type") if isinstance(tool, dict) else None
    if kind != "function":
        raise unsupported(f"{where}.type", "Only tools of the type 'function' can be put to this provider.")
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}


def _tool_choice(choice: Any) -> Json:
    if isinstance(choice, str) and choice in _CHOICES:
        return {"tool_choice": choice}
    if isinstance(choice, dict) and choice.get("type") == "function":
        return {"tool_choice": {"type": "function", "function": {"name": choice.get("name")}}}
    raise unsupported("tool_choice", "This choice of tools cannot be put to this provider.")


def _text(text: Json) -> Json:
    verbosity = text.get("verbosity")
    return _format(text.get("format")) | ({"verbosity": verbosity} if verbosity is not None else {})


def _format(shape: Any) -> Json:
    kind = shape.get("type") if isinstance(shape, dict) else "text" if shape is None else None
    if kind == "text":
        return {}
    if kind == "json_object":
        return {"response_format": {"type": kind}}
    if kind == "json_schema":
        inner = {name: value for name, value in shape.items() if name != "type" and value is not None}
        return {"response_format": {"type": kind, "json_schema": inner}}
    raise unsupported("text.format", "This format of text cannot be put to this provider.")


def _reasoning(reasoning: Json) -> Json:
    effort = reasoning.get("effort")
    return {"reasoning_effort": effort} if effort is not None else {}


def _include(included: Any) -> Json:
    chat: Json = {}
    for name in included if isinstance(included, list) else [included]:
        if not isinstance(name, str) or name not in _INCLUDED:
            raise unsupported("include", "This provider has nothing of the kind to include.")
        chat |= _INCLUDED[name]
    return chat


def _truncation(truncation: Any) -> Json:
    if truncation == "disabled":
        return {}
    raise unsupported("truncation", "This provider truncates nothing; leave 'truncation' out.")


def _most(tokens: Any) -> Json:
    return {"max_completion_tokens": tokens}


_RULES: Final[Mapping[str, Callable[[Any], Json]]] = {
    "max_output_tokens": _most,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "text": _text,
    "reasoning": _reasoning,
    "include": _include,
    "truncation": _truncation,
}
