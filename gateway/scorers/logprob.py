"""How sure the model was of its own words, read from log-probabilities."""

import re
from collections.abc import Iterable, Sequence
from math import exp
from typing import Final

from gateway.scorers.base import Seen, Signal
from gateway.wire.endpoint import Json
from policy.blocks_output import LogprobScorer

SPAN_TOKENS: Final = 5
_VALUE: Final = re.compile(r"\s*[\[{].*?:\s*[\"\[{\s]*", re.DOTALL)
_WORD: Final = re.compile(r"\w")


def logprob(scorer: LogprobScorer, seen: Seen) -> Signal:
    """Score by the mean of the tokens' probabilities, their weakest span, or the margin of the deciding token."""
    tokens = [entry for entry in seen.tokens if isinstance(entry.get("logprob"), int | float)]
    if not tokens:
        return Signal("logprob", None, "no_logprobs")
    if scorer.measure == "margin":
        return _margin(tokens)
    chances = [float(entry["logprob"]) for entry in tokens]
    return Signal("logprob", _mean(chances) if scorer.measure == "mean" else _weakest(chances))


def _mean(chances: Sequence[float]) -> float:
    """Give the geometric mean of the probabilities."""
    return min(1.0, exp(max(-700.0, sum(chances) / len(chances))))


def _weakest(chances: Sequence[float]) -> float:
    starts = range(max(1, len(chances) - SPAN_TOKENS + 1))
    return min(_mean(chances[start : start + SPAN_TOKENS]) for start in starts)


def _margin(tokens: Sequence[Json]) -> Signal:
    """Give the lead of the deciding token over the best other one."""
    entry = _deciding(tokens)
    others = [
        float(other["logprob"])
        for other in entry.get("top_logprobs") or ()
        if other.get("token") != entry.get("token") and isinstance(other.get("logprob"), int | float)
    ]
    if not others:
        return Signal("logprob", None, "no_alternatives")
    best = exp(max(others))
    return Signal("logprob", min(1.0, max(0.0, exp(float(entry["logprob"])) - best)))


def _deciding(tokens: Sequence[Json]) -> Json:
    """Find the first token of the answer's first word; in JSON, of its first value."""
    text = "".join(_words(tokens))
    found = _VALUE.match(text)
    start, at = found.end() if found else 0, 0
    for entry, word in zip(tokens, _words(tokens), strict=True):
        at += len(word)
        if at > start and _WORD.search(word[max(0, start - (at - len(word))) :]):
            return entry
    return tokens[0]


def _words(tokens: Iterable[Json]) -> list[str]:
    return [str(entry.get("token", "")) for entry in tokens]
