"""A chat completion as a response: what was asked for stands around it, as OpenAI's own responses have it."""

from typing import Any, Final

from gateway.responses.native import Told
from gateway.wire.turn import Json

_ECHOED: Final[Json] = {
    "instructions": None, "max_output_tokens": None, "metadata": {}, "parallel_tool_calls": True, "temperature": None,
    "tool_choice": "auto", "tools": [], "top_p": None, "truncation": "disabled", "user": None, "service_tier": None,
}  # fmt: skip
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


def frame(told: Told, asked: Json, model: Any, created: Any) -> Json:
    """Return a response without output and end."""
    echoed = {name: value if asked.get(name) is None else asked[name] for name, value in _ECHOED.items()}
    effort = (asked.get("reasoning") or {}).get("effort")
    shape = {"format": {"type": "text"}} | (asked.get("text") or {})
    body: Json = {
        "id": told.response_id,
        "object": "response",
        "created_at": created if type(created) is int else 0,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": model if isinstance(model, str) else asked["model"],
        "output": [],
        "reasoning": {"effort": effort, "summary": None},
        "text": shape,
        "usage": None,
    }
    return told.own(echoed | body)


def ended(body: Json, output: list[Json], finish: str | None, usage: Any) -> Json:
    """Return a response with its output, and why it ended."""
    reason = _INCOMPLETE.get(finish or "")
    status = "incomplete" if reason else "completed"
    details = {"reason": reason} if reason else None
    return body | {"status": status, "incomplete_details": details, "output": output, "usage": _usage(usage)}


def output_of(message: Json, ids: str, logprobs: Any) -> list[Json]:
    """Return the items of a chat message; `ids` makes their ids unlike those of other responses."""
    items: list[Json] = []
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str) and thought:
        items.append(reasoning_item(f"rs_{ids}", thought))
    parts = [text_part(message["content"], logprobs)] if message.get("content") else []
    if message.get("refusal"):
        parts.append({"type": "refusal", "refusal": message["refusal"]})
    if parts:
        items.append(message_item(f"msg_{ids}", parts))
    for place, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        named = {"call_id": call.get("id"), "name": function.get("name"), "arguments": function.get("arguments") or ""}
        items.append(call_item(f"fc_{ids}_{place}", named, "completed"))
    return items


def reasoning_item(name: str, text: str) -> Json:
    """Return an item of shown reasoning."""
    return {"id": name, "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]}


def message_item(name: str, parts: list[Json], status: str = "completed") -> Json:
    """Return an item of the assistant's words."""
    return {"id": name, "type": "message", "role": "assistant", "status": status, "content": parts}


def call_item(name: str, named: Json, status: str) -> Json:
    """Return an item of a called function."""
    return {"id": name, "type": "function_call", "status": status, **named}


def text_part(text: str, logprobs: Any = None) -> Json:
    """Return a part of text."""
    said = logprobs.get("content") if isinstance(logprobs, dict) else None
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": said or []}


def _usage(usage: Any) -> Json | None:
    """Return a chat's usage in the words of responses."""
    if not isinstance(usage, dict):
        return None
    taken, given = usage.get("prompt_tokens_details") or {}, usage.get("completion_tokens_details") or {}
    return {
        "input_tokens": usage.get("prompt_tokens") or 0,
        "input_tokens_details": {"cached_tokens": taken.get("cached_tokens") or 0},
        "output_tokens": usage.get("completion_tokens") or 0,
        "output_tokens_details": {"reasoning_tokens": given.get("reasoning_tokens") or 0},
        "total_tokens": usage.get("total_tokens") or 0,
    }
