"""What scorers look at, and what they give."""

from typing import Any, NamedTuple

import orjson

from gateway.wire.endpoint import Json
from gateway.wire.tools import ToolCall


class Seen(NamedTuple):
    """One choice of an answer.

    `text` is clean: models and records may see it. `own` has the caller's own values in it and stays in memory;
    `value` is what it says as JSON, None where it is none. `tokens` carry log-probabilities.
    """

    text: str
    own: str
    value: Any
    tokens: list[Json]
    calls: list[ToolCall]


class Asked(NamedTuple):
    """What was asked for: the JSON schema of the answer, the offered tools, and what conditions call `request`."""

    schema: Json | None
    tools: Any
    about: Json


class Signal(NamedTuple):
    """What one scorer found: a share, or None where it found nothing to go by, and why in a word."""

    kind: str
    score: float | None
    why: str | None = None
    ms: float = 0.0
    cost_usd: float | None = 0.0

    def record(self) -> Json:
        """Give the signal in the shape of `call.end`."""
        score = None if self.score is None else round(self.score, 6)
        said = {"kind": self.kind, "score": score, "why": self.why, "ms": self.ms, "cost_usd": self.cost_usd}
        return {name: value for name, value in said.items() if value is not None or name in ("score", "cost_usd")}


class Told(NamedTuple):
    """The clean texts that a model asked by a scorer gave, one for each answer, and what they cost."""

    texts: list[str]
    cost_usd: float | None


def parsed(text: str) -> Any:
    """Give what a text says as JSON, None where it is none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
