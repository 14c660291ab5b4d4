"""The legacy completions endpoint: what a request must be, and how a streamed answer is put together."""

from typing import Final

from gateway.errors import BadRequest, UpstreamError
from gateway.wire.body import optional, wanted_text
from gateway.wire.endpoint import Endpoint, Json

_TOKENS: Final = "'prompt' is given as token ids, which cannot be searched for personal data. Send texts instead."
_KIND: Final = "'prompt' must be a text or a list of texts."


def check(body: Json) -> None:
    """Refuse what is no completions request, and token ids."""
    wanted_text(body, "model")
    _check_prompt(body.get("prompt"))
    optional(body, "stream", bool, "true or false")
    optional(body, "stream_options", dict, "an object")
    optional(body, "metadata", dict, "an object")
    optional(body, "suffix", str, "a text")
    optional(body, "n", int, "a whole number")


def _check_prompt(prompt: object) -> None:
    if prompt is None:
        raise BadRequest("Missing required parameter: 'prompt'.", code="missing_required_parameter", param="prompt")
    texts = [prompt] if isinstance(prompt, str) else prompt
    if not isinstance(texts, list) or not texts:
        raise BadRequest(_KIND, code="invalid_type", param="prompt")
    if any(isinstance(item, int | list) for item in texts):
        raise BadRequest(_TOKENS, code="token_input_unsupported", param="prompt")
    if not all(isinstance(item, str) for item in texts):
        raise BadRequest(_KIND, code="invalid_type", param="prompt")


def check_answer(body: Json) -> None:
    """Refuse an answer without a choice: it is none."""
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise UpstreamError("The upstream's answer has no choices.", code="upstream_invalid_response")
    check_event(body)


def check_event(event: Json) -> None:
    """Refuse choices of another shape; without choices an event may be anything."""
    choices = event.get("choices") or []
    if not isinstance(choices, list) or not all(_is_choice(choice) for choice in choices):
        raise UpstreamError("The upstream's answer has another shape.", code="upstream_invalid_response")


def _is_choice(choice: object) -> bool:
    if not isinstance(choice, dict) or type(choice.get("index") or 0) is not int:
        return False
    return isinstance(choice.get("text") or "", str) and isinstance(choice.get("logprobs") or {}, dict)


def reasons(answer: Json) -> list[str]:
    """Return why each choice ended."""
    return [str(choice["finish_reason"]) for choice in answer["choices"] if choice.get("finish_reason")]


def chars(answer: Json) -> int:
    """Return how many characters the model wrote."""
    return sum(len(choice.get("text") or "") for choice in answer["choices"])


def wanted(body: Json) -> int:
    """Return how many choices a request asks for: `n` for each prompt."""
    prompt = body["prompt"]
    return (body.get("n") or 1) * (len(prompt) if isinstance(prompt, list) else 1)


class CompletionAssembly:
    """Puts the events of a streamed completion together."""

    def __init__(self) -> None:
        self.usage: Json | None = None
        self.model: str | None = None
        self._head: Json = {}
        self._texts: dict[int, list[str]] = {}
        self._ends: dict[int, str] = {}

    @property
    def begun(self) -> bool:
        return bool(self._texts)

    def add(self, event: Json) -> None:
        """Take one clean event."""
        if not self._head:
            self._head, self.model = event, event.get("model")
        if isinstance(event.get("usage"), dict):
            self.usage = event["usage"]
        for piece in event.get("choices") or ():
            index = piece.get("index") or 0
            self._texts.setdefault(index, []).append(piece.get("text") or "")
            if piece.get("finish_reason") is not None:
                self._ends[index] = piece["finish_reason"]

    def finished(self, wanted: int) -> bool:
        """Say whether every choice that was wanted or began has given its reason to end."""
        return len(self._ends) >= max(wanted, len(self._texts))

    @property
    def even(self) -> bool:
        """Say whether all choices that began have given a reason to end, or none: some providers never give any."""
        return len(self._ends) in (0, len(self._texts))

    def whole(self) -> Json:
        """Return the answer so far as a whole completion."""
        head = {name: value for name, value in self._head.items() if name not in ("choices", "usage")}
        choices = [
            {"index": index, "text": "".join(parts), "finish_reason": self._ends.get(index), "logprobs": None}
            for index, parts in sorted(self._texts.items())
        ]
        return head | {"choices": choices, "usage": self.usage}


COMPLETIONS: Final = Endpoint(
    "completions",
    "/completions",
    check,
    check_answer,
    reasons,
    chars,
    CompletionAssembly,
    check_event=check_event,
    wanted=wanted,
)
