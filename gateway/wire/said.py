"""What was said: texts, token probabilities and wanted shape of a call, whatever endpoint it came through."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from gateway.wire.endpoint import Json

_EVENTS: Final = {"chat.completions": "chat.completion.chunk", "completions": "text_completion"}


UNDER_WAY: Final = frozenset({"queued", "in_progress"})  # of a response that has no end yet


class Wanted(NamedTuple):
    """The shape that a request asks its answer to have: `text`, `json_object` or `json_schema`."""

    kind: str
    schema: Json | None = None


def texts(body: Json) -> list[str]:
    """Give the text of each choice of a whole answer; of a response, all its words together."""
    if "output" in body:
        return ["".join(_spoken(part) for item in body["output"] for part in _parts(item.get("content")))]
    return [_choice_text(choice) for choice in body.get("choices") or ()]


def tokens(body: Json) -> list[list[Json]]:
    """Give the tokens of each choice with their log-probabilities, where the upstream sent them."""
    if "output" in body:
        parts = [part for item in body["output"] for part in _parts(item.get("content"))]
        return [[entry for part in parts for entry in _entries(part.get("logprobs"))]]
    return [_choice_tokens(choice.get("logprobs")) for choice in body.get("choices") or ()]


def question(body: Json) -> str:
    """Give the last thing the caller said."""
    given = body.get("messages") or body.get("input") or body.get("prompt") or ""
    if isinstance(given, str):
        return given
    said = [item for item in given if isinstance(item, dict) and item.get("role") == "user"]
    if said:
        return content_text(said[-1].get("content"))
    return given[-1] if given and isinstance(given[-1], str) else ""


def context(body: Json) -> list[str]:
    """Give every text of a request that an answer may rest on: instructions, documents, earlier turns, the question."""
    given = body.get("messages") or body.get("input") or body.get("prompt") or ()
    items = [given] if isinstance(given, str) else list(given)
    said = [item if isinstance(item, str) else content_text(item.get("content")) for item in items]
    outputs = [item["output"] for item in items if isinstance(item, dict) and isinstance(item.get("output"), str)]
    return [text for text in (body.get("instructions"), *said, *outputs) if isinstance(text, str) and text]


def content_text(content: Any) -> str:
    """Give the words of a message's content, however it was written."""
    return content if isinstance(content, str) else "\n".join(_spoken(part) for part in _parts(content))


def wanted(body: Json) -> Wanted:
    """Read which shape a request asks for."""
    shape = body.get("response_format")
    if shape is None and isinstance(body.get("text"), dict):
        shape = body["text"].get("format")
    if not isinstance(shape, dict):
        return Wanted("text")
    inner = shape.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, dict) else shape.get("schema")
    return Wanted(str(shape.get("type") or "text"), schema if isinstance(schema, dict) else None)


def saying(body: Json, text: str) -> Json:
    """Give a whole answer with other words: one choice, finished, without tool calls or probabilities."""
    if "output" in body:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        name = next((item["id"] for item in body["output"] if item.get("type") == "message"), "msg_1")
        item = {"id": name, "type": "message", "role": "assistant", "status": "completed", "content": [part]}
        return body | {"status": "completed", "incomplete_details": None, "error": None, "output": [item]}
    choice: Json = {"index": 0, "logprobs": None, "finish_reason": "stop"}
    legacy = any("text" in each for each in body.get("choices") or ())
    choice |= {"text": text} if legacy else {"message": {"role": "assistant", "content": text, "refusal": None}}
    return body | {"choices": [choice]}


def reworded(body: Json, text: str, choice: int, *, calls: bool) -> Json:
    """Give a whole answer in which one choice says something else; what it calls stays, or goes.

    Raises:
        IndexError: there is no such choice.
    """
    if "output" in body:
        texts(body)[choice]
        items = [item for item in body["output"] if item.get("type") != "message" and (calls or not _calls(item))]
        place = next((at for at, item in enumerate(items) if _calls(item)), len(items))
        [said] = saying(body, text)["output"]
        ended = {"status": "completed", "incomplete_details": None, "error": None}
        return body | ended | {"output": [*items[:place], said, *items[place:]]}
    choices = list(body.get("choices") or ())
    choices[choice] = _reworded(choices[choice], text, calls=calls)
    return body | {"choices": choices}


def _reworded(choice: Json, text: str, *, calls: bool) -> Json:
    if "text" in choice:
        return choice | {"text": text, "logprobs": None, "finish_reason": "stop"}
    message = choice.get("message") or {}
    called = {name: message[name] for name in ("tool_calls", "function_call") if calls and message.get(name)}
    said = {"role": "assistant", "content": text, "refusal": None, **called}
    ended = choice.get("finish_reason") if called else "stop"
    return choice | {"message": said, "logprobs": None, "finish_reason": ended}


def _calls(item: Json) -> bool:
    return str(item.get("type", "")).endswith("_call")


def as_events(endpoint: str, body: Json, with_usage: bool) -> list[Json]:
    """Give a whole answer as the events of a stream, in as few pieces as its endpoint allows."""
    if endpoint == "responses":
        return list(_response_events(body))
    head = {name: value for name, value in body.items() if name not in ("choices", "usage")}
    head["object"] = _EVENTS[endpoint]
    events = [head | {"choices": [piece]} for choice in body["choices"] for piece in _pieces(choice)]
    return [*events, head | {"choices": [], "usage": body["usage"]}] if with_usage and body.get("usage") else events


def _pieces(choice: Json) -> list[Json]:
    if "text" in choice:
        return [choice]
    rest = {name: value for name, value in choice.items() if name not in ("message", "finish_reason")}
    delta = dict(choice.get("message") or {})
    if delta.get("tool_calls"):
        delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(delta["tool_calls"])]
    ended = rest | {"delta": {}, "finish_reason": choice.get("finish_reason"), "logprobs": None}
    return [rest | {"delta": delta, "finish_reason": None}, ended]


def _response_events(body: Json) -> Iterator[Json]:
    begun = body | {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield {"type": "response.created", "response": begun, "sequence_number": 0}
    yield {"type": "response.in_progress", "response": begun, "sequence_number": 0}
    if body.get("status") in UNDER_WAY:
        return
    for place, item in enumerate(body["output"]):
        at = {"output_index": place, "sequence_number": 0}
        yield {"type": "response.output_item.added", **at, "item": item | {"status": "in_progress"}}
        for index, part in enumerate(_parts(item.get("content"))):
            yield from _part_events(part, at | {"item_id": item.get("id"), "content_index": index})
        yield {"type": "response.output_item.done", **at, "item": item}
    yield {"type": f"response.{body.get('status') or 'completed'}", "response": body, "sequence_number": 0}


def _part_events(part: Json, at: Json) -> Iterator[Json]:
    yield {"type": "response.content_part.added", **at, "part": part | ({"text": ""} if "text" in part else {})}
    if isinstance(part.get("text"), str):
        yield {"type": "response.output_text.delta", **at, "delta": part["text"], "logprobs": []}
        yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}


def _choice_text(choice: Json) -> str:
    if isinstance(choice.get("text"), str):
        return str(choice["text"])
    return content_text((choice.get("message") or {}).get("content"))


def _choice_tokens(logprobs: Any) -> list[Json]:
    if not isinstance(logprobs, dict):
        return []
    if not isinstance(logprobs.get("tokens"), list):
        return _entries(logprobs.get("content"))
    chances, tops = logprobs.get("token_logprobs") or (), logprobs.get("top_logprobs") or ()
    return [
        {"token": token, "logprob": chance, "top_logprobs": _legacy_tops(tops[at] if at < len(tops) else None)}
        for at, (token, chance) in enumerate(zip(logprobs["tokens"], chances, strict=False))
    ]


def _legacy_tops(top: Any) -> list[Json]:
    return [{"token": token, "logprob": chance} for token, chance in top.items()] if isinstance(top, dict) else []


def _entries(listed: Any) -> list[Json]:
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def _parts(content: Any) -> Sequence[Json]:
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else ()


def _spoken(part: Json) -> str:
    return str(part["text"]) if isinstance(part.get("text"), str) else ""
