"""Shapes of the Responses API, for scripts of the upstream."""

from typing import Any

from tests.upstream import Received

USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 6},
    "output_tokens": 4,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 14,
}
ASK = "Write to ann@example.com please."


def mark(request: Received) -> str:
    """Return what stood in the place of the address in the last item of a request."""
    given = request.json["input"]
    text: str = given if isinstance(given, str) else given[-1]["content"]
    return text.removeprefix("Write to ").removesuffix(" please.")


def message(text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": "msg_up", "type": "message", "role": "assistant", "status": "completed", "content": [part]} | more


def call(arguments: str) -> dict[str, Any]:
    named = {"call_id": "call_1", "name": "send", "arguments": arguments, "status": "completed"}
    return {"id": "fc_up", "type": "function_call"} | named


def reasoning(text: str, **more: Any) -> dict[str, Any]:
    return {"id": "rs_up", "type": "reasoning", "summary": [{"type": "summary_text", "text": text}]} | more


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_upstream", "object": "response", "created_at": 1, "status": "completed", "error": None,
        "incomplete_details": None, "instructions": None, "max_output_tokens": None, "model": "gpt-test",
        "output": list(output), "parallel_tool_calls": True, "previous_response_id": None, "store": False,
        "temperature": 1.0, "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "usage": USAGE, "metadata": {},
    } | more  # fmt: skip


def events(*output: dict[str, Any], size: int = 5, **more: Any) -> list[dict[str, Any]]:
    """Return the events of a stream that says these items, in pieces of `size` characters."""
    whole = response(*output, **more)
    begun = whole | {"status": "in_progress", "output": [], "usage": None}
    found: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for place, item in enumerate(output):
        found += _item(place, item, size)
    found.append({"type": f"response.{whole['status']}", "response": whole})
    return [event | {"sequence_number": number} for number, event in enumerate(found)]


def _item(place: int, item: dict[str, Any], size: int) -> list[dict[str, Any]]:
    ids = {"item_id": item["id"], "output_index": place}
    texts: list[tuple[str, str, dict[str, int]]]
    if item["type"] == "function_call":
        bare, name, texts = item | {"arguments": ""}, "function_call_arguments", [("arguments", item["arguments"], {})]
    elif item["type"] == "reasoning":
        bare, name = item | {"summary": []}, "reasoning_summary_text"
        texts = [("text", part["text"], {"summary_index": n}) for n, part in enumerate(item["summary"])]
    else:
        bare, name = item | {"content": []}, "output_text"
        texts = [("text", part.get("text", ""), {"content_index": n}) for n, part in enumerate(item["content"])]
    out: list[dict[str, Any]] = [{"type": "response.output_item.added", "output_index": place, "item": bare}]
    for field, text, index in texts:
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        out += [{"type": f"response.{name}.delta", **ids, **index, "delta": piece} for piece in pieces]
        out.append({"type": f"response.{name}.done", **ids, **index, field: text})
    return [*out, {"type": "response.output_item.done", "output_index": place, "item": item}]
