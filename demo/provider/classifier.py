"""A text classifier trained at start: logistic regression over word stems, begun from a small lexicon of each class."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from demo.provider.words import stems

_LEXICON_WEIGHT = 1.5
_EPOCHS = 8
_STEP = 0.1
_BIAS_STEP = 0.01


@dataclass(frozen=True, slots=True)
class Example:
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Classifier:
    """Class probabilities for a text."""

    name: str
    classes: tuple[str, ...]
    bias: Mapping[str, float]
    weights: Mapping[str, Mapping[str, float]]

    def probabilities(self, text: str) -> dict[str, float]:
        """Give P(class | text) for every class."""
        return _probabilities(self.bias, self.weights, features(text))

    def knows(self, text: str) -> bool:
        """Say whether any word of the text has a weight."""
        return any(stem in self.weights for stem in stems(text))


def features(text: str) -> set[str]:
    """Give the feature set of a text: its stems and marks of emphasis."""
    return {*stems(text), *(mark for mark in "!?" if mark in text)}


def softmax(scores: Mapping[str, float]) -> dict[str, float]:
    """Turn scores into probabilities."""
    top = max(scores.values())
    raw = {label: math.exp(score - top) for label, score in scores.items()}
    total = sum(raw.values())
    return {label: value / total for label, value in raw.items()}


def train(name: str, examples: Sequence[Example], lexicon: Mapping[str, Sequence[str]]) -> Classifier:
    """Train by stochastic gradient descent; the same examples and lexicon give the same classifier."""
    classes = tuple(sorted({example.label for example in examples}))
    weights = _from_lexicon(classes, lexicon)
    bias = dict.fromkeys(classes, 0.0)
    rows = [(features(example.text), example.label) for example in examples]
    for row, _ in rows:
        for feature in row:
            weights.setdefault(feature, dict.fromkeys(classes, 0.0))
    order = random.Random(0)
    for epoch in range(_EPOCHS):
        order.shuffle(rows)
        for row, label in rows:
            _learn(bias, weights, row, label, _STEP / (1 + 0.3 * epoch))
    return Classifier(name, classes, bias, weights)


def best(probabilities: Mapping[str, float]) -> str:
    """Name the most probable class."""
    return max(probabilities, key=lambda label: probabilities[label])


def _from_lexicon(classes: Sequence[str], lexicon: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    weights: dict[str, dict[str, float]] = {}
    for label in classes:
        for word in lexicon.get(label, ()):
            for feature in stems(word):
                weights.setdefault(feature, dict.fromkeys(classes, 0.0))[label] = _LEXICON_WEIGHT
    return weights


def _learn(
    bias: dict[str, float], weights: Mapping[str, dict[str, float]], row: set[str], label: str, step: float
) -> None:
    guess = _probabilities(bias, weights, row)
    for known, share in guess.items():
        error = (known == label) - share
        bias[known] += _BIAS_STEP * step / _STEP * error
        for feature in row:
            weights[feature][known] += step * error


def _probabilities(
    bias: Mapping[str, float], weights: Mapping[str, Mapping[str, float]], row: set[str]
) -> dict[str, float]:
    scores = dict(bias)
    for feature in sorted(row):  # a set's order differs between processes, and float sums with it
        for label, weight in weights.get(feature, {}).items():
            scores[label] += weight
    return softmax(scores)
