"""Legacy completions: prompts without roles, asked and answered in the older shape of the OpenAI wire."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, zip_longest
from typing import Any

from demo.provider import request as requests
from demo.provider.errors import WireError
from demo.provider.model import Answer
from demo.provider.request import ChatRequest
from demo.provider.wire import Envelope, Usage
from demo.provider.writer import Piece

_KIND = "text_completion"
_MAX_TOKENS = 16  # where a request names no number, as the wire has it
_MAX_TOP_LOGPROBS = 5
_SAME = ("model", "temperature", "top_p", "n", "max_tokens", "stop", "seed", "stream", "stream_options")
_NOT_DONE = ("echo", "suffix")


def parse(body: object) -> list[ChatRequest]:
    """Check the body of a request; give what is asked of the model for each of its prompts. Raises WireError 400."""
    if not isinstance(body, dict):
        raise WireError(400, "We could not parse the JSON body of your request: an object is expected.")
    top = body.get("logprobs")
    if top is not None and (type(top) is not int or not 0 <= top <= _MAX_TOP_LOGPROBS):
        sentence = f"'logprobs' must be a whole number from 0 to {_MAX_TOP_LOGPROBS}."
        raise WireError(400, sentence, "logprobs", "invalid_value")
    for name in _NOT_DONE:
        if body.get(name):
            raise WireError(400, f"This simulated provider has no '{name}'.", name, "unsupported_parameter")
    same = {"max_tokens": _MAX_TOKENS} | {name: body[name] for name in _SAME if body.get(name) is not None}
    same["logprobs"] = top is not None
    return [
        requests.parse({**same, "top_logprobs": top or 0, "messages": [{"role": "user", "content": prompt}]})
        for prompt in _prompts(body.get("prompt"))
    ]


def _prompts(given: object) -> list[str]:
    prompts = [given] if isinstance(given, str) else given
    if not isinstance(prompts, list) or not prompts or not all(isinstance(each, str) for each in prompts):
        raise WireError(400, "'prompt' must be a string or a list of strings.", "prompt", "invalid_type")
    return prompts


def whole(envelope: Envelope, request: ChatRequest, answers: Sequence[Answer], used: Usage) -> dict[str, Any]:
    """Make the body of an answer that is not streamed."""
    choices = [_choice(at, answer.pieces, request, answer.finish) for at, answer in enumerate(answers)]
    return envelope.wrap(_KIND, {"choices": choices, "usage": used})


def chunks(
    envelope: Envelope, request: ChatRequest, answers: Sequence[Answer], used: Usage
) -> Iterator[dict[str, Any]]:
    """Give the data objects of a stream in order; the choices take turns."""
    offsets = [0] * len(answers)
    for turn in zip_longest(*(answer.pieces for answer in answers)):
        for at, piece in enumerate(turn):
            if piece is not None:
                yield envelope.wrap(_KIND, {"choices": [_choice(at, [piece], request, None, offsets[at])]})
                offsets[at] += len(piece.text)
    for at, answer in enumerate(answers):
        yield envelope.wrap(_KIND, {"choices": [_choice(at, [], request, answer.finish, offsets[at])]})
    if request.include_usage:
        yield envelope.wrap(_KIND, {"choices": [], "usage": used})


def _choice(
    at: int, pieces: Sequence[Piece], request: ChatRequest, finish: str | None, offset: int = 0
) -> dict[str, Any]:
    text = "".join(piece.text for piece in pieces)
    said = _logprobs(pieces, request.top_logprobs, offset) if request.logprobs and pieces else None
    return {"index": at, "text": text, "logprobs": said, "finish_reason": finish}


def _logprobs(pieces: Sequence[Piece], most: int, offset: int) -> dict[str, Any]:
    return {
        "tokens": [piece.text for piece in pieces],
        "token_logprobs": [piece.logprob for piece in pieces],
        "top_logprobs": [dict(piece.top[:most]) for piece in pieces] if most else None,
        "text_offset": list(accumulate((len(piece.text) for piece in pieces[:-1]), initial=offset)),
    }
