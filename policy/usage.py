"""Tokens of one model call in disjoint buckets: no token is counted twice, so prices simply add up."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Usage:
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Add up all buckets."""
        return sum(self.as_dict().values())

    def as_dict(self) -> dict[str, int]:
        """Give the buckets by name, in the order of the record."""
        return {name: getattr(self, name) for name in BUCKETS}

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(*(getattr(self, name) + getattr(other, name) for name in BUCKETS))

    @classmethod
    def from_openai(cls, usage: Mapping[str, Any]) -> Self:
        """Split an OpenAI `usage` object (chat, responses or embeddings) into disjoint buckets.

        The totals there include their details: cached and audio tokens are part of the prompt, reasoning and audio
        tokens part of the completion. What an upstream leaves out or garbles counts as 0.
        """
        taken = _details(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
        given = _details(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
        prompt = _first(usage, "prompt_tokens", "input_tokens")
        completion = _first(usage, "completion_tokens", "output_tokens")
        cached = min(_first(taken, "cached_tokens"), prompt)
        written = min(_first(taken, "cache_write_tokens", "cache_creation_tokens"), prompt - cached)
        heard = min(_first(taken, "audio_tokens"), prompt - cached - written)
        reasoned = min(_first(given, "reasoning_tokens"), completion)
        spoken = min(_first(given, "audio_tokens"), completion - reasoned)
        return cls(
            input_tokens=prompt - cached - written - heard,
            cached_input_tokens=cached,
            cache_write_tokens=written,
            output_tokens=completion - reasoned - spoken,
            reasoning_tokens=reasoned,
            audio_input_tokens=heard,
            audio_output_tokens=spoken,
        )


BUCKETS: tuple[str, ...] = tuple(field.name for field in fields(Usage))


def _first(values: Mapping[str, Any], *names: str) -> int:
    # Plain loops and exact types: this runs on every call.
    for name in names:
        value = values.get(name)
        if type(value) is int:
            return value if value > 0 else 0
    return 0


def _details(usage: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        found = usage.get(name)
        if type(found) is dict:
            return found
    return {}
