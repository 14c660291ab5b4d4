"""Shapes of the OpenAI wire, for scripts of the upstream."""

from typing import Any

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 4,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 6},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
ASK: list[Any] = [{"role": "user", "content": "Write to ann@example.com please."}]


def completion(message: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello."} | (message or {})}
    choices = [choice | {"finish_reason": "stop", "logprobs": None}]
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-test"}
    return head | {"choices": choices, "usage": USAGE} | more


def chunk(
    delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any
) -> dict[str, Any]:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish, "logprobs": None}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-test"}
    return head | {"choices": [choice]} | more


def text_chunks(*texts: str) -> list[dict[str, Any]]:
    first = chunk({"role": "assistant", "content": ""})
    return [first, *(chunk({"content": text}) for text in texts), chunk({}, "stop")]


def usage_chunk() -> dict[str, Any]:
    return chunk() | {"choices": [], "usage": USAGE}
