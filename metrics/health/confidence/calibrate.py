"""From scores to probabilities: isotonic regression, and how far it is off on other outcomes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
BINS = 10


@dataclass(frozen=True, slots=True)
class Curve:
    """A rising map from scores to the probability of being correct, straight between its points."""

    scores: Floats
    probabilities: Floats

    def at(self, scores: Floats) -> Floats:
        """Give the probability of each score."""
        return np.interp(scores, self.scores, self.probabilities)


@dataclass(frozen=True, slots=True)
class Reliability:
    """One bin of a reliability diagram."""

    low: float
    high: float
    n: int
    predicted: float
    observed: float


def isotonic(scores: Floats, correct: Flags) -> Curve:
    """Fit by pooling adjacent violators; half a success and half a failure in each pool keep it from certainty."""
    values, first = np.unique(np.round(scores, 9), return_inverse=True)
    n = np.bincount(first).astype(float)
    good = np.bincount(first, weights=correct.astype(float))
    pools: list[list[float]] = []  # successes, outcomes, first and last score
    for value, successes, outcomes in zip(values, good, n, strict=True):
        pools.append([successes, outcomes, value, value])
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] >= pools[-1][0] * pools[-2][1]:
            last = pools.pop()
            pools[-1] = [pools[-1][0] + last[0], pools[-1][1] + last[1], pools[-1][2], last[3]]
    ends = [(score, (pool[0] + 0.5) / (pool[1] + 1)) for pool in pools for score in dict.fromkeys(pool[2:])]
    at, height = np.array(ends).T
    return Curve(at, np.maximum.accumulate(height))


def reliability(curve: Curve, scores: Floats, correct: Flags, bins: int = BINS) -> list[Reliability]:
    """Compare predicted and observed in bins of about equally many outcomes."""
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    return [
        Reliability(
            float(scores[part[0]]),
            float(scores[part[-1]]),
            len(part),
            float(curve.at(scores[part]).mean()),
            float(correct[part].mean()),
        )
        for part in parts
    ]


def calibration_error(bins: list[Reliability]) -> float:
    """Give the mean distance of predicted and observed, weighted by outcomes (expected calibration error)."""
    total = sum(each.n for each in bins)
    return sum(each.n * abs(each.predicted - each.observed) for each in bins) / total if total else 0.0
