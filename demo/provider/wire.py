"""Answers in the shape of the OpenAI wire: whole completions, stream chunks, usage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.provider.model import Answer, ToolCall
from demo.provider.reading import content_text
from demo.provider.request import ChatRequest
from demo.provider.tokens import count
from demo.provider.writer import Piece

_PER_MESSAGE = 4
_PER_IMAGE = 85

Usage = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """The fields that every body of one answer repeats."""

    id: str
    created: int
    model: str

    def wrap(self, kind: str, rest: Mapping[str, Any]) -> dict[str, Any]:
        """Put the common fields around an answer."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": f"simulated_{self.model.removeprefix('simulated-')}_1",
            **rest,
        }


def prompt_tokens(request: ChatRequest) -> int:
    """Count the tokens of the prompt, tools included."""
    tools = sum(count(f"{tool.name} {tool.description} {tool.parameters}") for tool in request.tools)
    return 3 + tools + sum(_message_tokens(message) for message in request.messages)


def _message_tokens(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    images = sum(1 for part in content if part.get("type") == "image_url") if isinstance(content, list) else 0
    calls = sum(count(str(call.get("function"))) for call in message.get("tool_calls") or ())
    return _PER_MESSAGE + count(content_text(message)) + images * _PER_IMAGE + calls


def usage(prompt: int, cached: int, answers: Sequence[Answer]) -> Usage:
    """Make the usage object."""
    completion = sum(answer.tokens() for answer in answers)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def whole(envelope: Envelope, request: ChatRequest, answers: Sequence[Answer], used: Usage) -> dict[str, Any]:
    """Make the body of an answer that is not streamed."""
    choices = [_choice(at, answer, request) for at, answer in enumerate(answers)]
    return envelope.wrap("chat.completion", {"choices": choices, "usage": used, "service_tier": "default"})


def _choice(at: int, answer: Answer, request: ChatRequest) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []}
    if answer.calls:
        message["content"] = None
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": _text(call.arguments)}}
            for call in answer.calls
        ]
    logprobs = _logprobs(answer.pieces, request) if request.logprobs and not answer.calls else None
    return {"index": at, "message": message, "logprobs": logprobs, "finish_reason": answer.finish}


def chunks(
    envelope: Envelope, request: ChatRequest, answers: Sequence[Answer], used: Usage
) -> Iterator[dict[str, Any]]:
    """Give the data objects of a stream in order; the choices take turns."""

    def wrap(at: int, delta: Mapping[str, Any], logprobs: object = None, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": at, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        rest: dict[str, Any] = {"choices": [choice]}
        return envelope.wrap("chat.completion.chunk", {**rest, "usage": None} if request.include_usage else rest)

    for at in range(len(answers)):
        yield wrap(at, {"role": "assistant", "content": None if answers[at].calls else "", "refusal": None})
    for at, delta, piece in _turns(answers):
        yield wrap(at, delta, _logprobs([piece], request) if piece is not None and request.logprobs else None)
    for at, answer in enumerate(answers):
        yield wrap(at, {}, finish=answer.finish)
    if request.include_usage:
        yield envelope.wrap("chat.completion.chunk", {"choices": [], "usage": used})


def _turns(answers: Sequence[Answer]) -> Iterator[tuple[int, Mapping[str, Any], Piece | None]]:
    running = [(at, _deltas(answer)) for at, answer in enumerate(answers)]
    while running:
        still = []
        for at, deltas in running:
            if (step := next(deltas, None)) is not None:
                yield at, step[0], step[1]
                still.append((at, deltas))
        running = still


def _deltas(answer: Answer) -> Iterator[tuple[Mapping[str, Any], Piece | None]]:
    for piece in answer.pieces:
        yield {"content": piece.text}, piece
    for at, call in enumerate(answer.calls):
        yield {"tool_calls": [_call_start(at, call)]}, None
        for piece in call.arguments:
            yield {"tool_calls": [{"index": at, "function": {"arguments": piece.text}}]}, None


def _call_start(at: int, call: ToolCall) -> dict[str, Any]:
    return {"index": at, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}


def _logprobs(pieces: Sequence[Piece], request: ChatRequest) -> dict[str, Any]:
    return {"content": [_token(piece, request.top_logprobs) for piece in pieces], "refusal": None}


def _token(piece: Piece, most: int) -> dict[str, Any]:
    top = [_entry(text, logprob) for text, logprob in piece.top[:most]]
    return {**_entry(piece.text, piece.logprob), "top_logprobs": top}


def _entry(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _text(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)
