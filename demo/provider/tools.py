"""Decides which of the offered tools a request calls for."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from demo.provider.labels import LabelModel
from demo.provider.words import name_words, overlap, stems, words, wordset

_THRESHOLD = 0.5
_MOST = 3
_NONE = "none"
_VERBS = wordset("get set create make look lookup find fetch search query run call do add update")


@dataclass(frozen=True, slots=True)
class Tool:
    name: str
    description: str
    parameters: Mapping[str, Any]


def choose(tools: Sequence[Tool], text: str, labels: LabelModel, doubt: tuple[random.Random, float]) -> list[Tool]:
    """Give the tools that match the request, best first; `doubt` is (generator, deviation of the judgement)."""
    rng, deviation = doubt
    scored = [(score + rng.gauss(0.0, deviation), at) for at, score in enumerate(scores(tools, text, labels))]
    ranked = sorted(scored, key=lambda item: -item[0])
    return [tools[at] for score, at in ranked if score >= _THRESHOLD][:_MOST]


def scores(tools: Sequence[Tool], text: str, labels: LabelModel) -> list[float]:
    """Score each tool 0..1 by the words of its name, and by the class of message that its name stands for."""
    shares = labels.distribution([*(tool.name for tool in tools), _NONE], text)
    said = stems(text)
    return [max(_named(tool, said), 0.9 * shares[tool.name]) for tool in tools]


def _named(tool: Tool, said: Sequence[str]) -> float:
    telling = [word for word in words(name_words(tool.name)) if word not in _VERBS]
    by_name = overlap(stems(" ".join(telling)), said)
    return 0.8 * by_name + 0.4 * overlap(stems(tool.description), said)
