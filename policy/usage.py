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
    image_input_tokens: int = 0
    image_output_tokens: int = 0

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
        """Split a `usage` object (chat, responses, embeddings or images) into disjoint buckets.

        OpenAI's totals include their details: cached, audio and image tokens are part of the prompt, reasoning, audio
        and image tokens part of the completion. Providers whose `total_tokens` is larger leave reasoning out of the
        completion; that rest is reasoning. What an upstream leaves out or garbles counts as 0.
        """
        taken = _details(usage, "prompt_tokens_details", "input_tokens_details", "input_token_details")
        given = _details(usage, "completion_tokens_details", "output_tokens_details", "output_token_details")
        prompt = _first(usage, "prompt_tokens", "input_tokens")
        completion = _first(usage, "completion_tokens", "output_tokens")
        beside = max(0, _first(usage, "total_tokens") - prompt - completion)
        cached = min(_first(taken, "cached_tokens") or _first(usage, "prompt_cache_hit_tokens"), prompt)
        asked = _parts(prompt - cached, taken, ("cache_write_tokens", "cache_creation_tokens"), *_SENSES)
        made = _parts(completion + beside, given, ("reasoning_tokens",), *_SENSES, least=beside)
        return cls(asked[0], cached, asked[1], made[0], made[1], asked[2], made[2], asked[3], made[3])


_SENSES = (("audio_tokens",), ("image_tokens",))
BUCKETS: tuple[str, ...] = tuple(field.name for field in fields(Usage))


def _parts(total: int, details: Mapping[str, Any], *names: tuple[str, ...], least: int = 0) -> list[int]:
    """Take parts out of a total: what is left of it, then each part; the first part is at least `least`."""
    parts = [total]
    for each in names:
        part = min(max(_first(details, *each), least), parts[0]) if details or least else 0
        parts[0] -= part
        parts.append(part)
        least = 0
    return parts


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
