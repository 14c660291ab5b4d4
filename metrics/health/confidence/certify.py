"""Learn then Test: which threshold keeps the error rate among passed outputs below alpha, with probability 1 - delta.

Angelopoulos, Bates, Candes, Jordan and Lei (arXiv 2110.01052). Each threshold of a grid is a hypothesis, "the error
rate among outputs that score at least this is above alpha", tested with the exact binomial distribution, from the most
cautious threshold on, until the first that is not rejected. Grid and order are fixed by older outcomes that only
calibrate and certify nothing, so no correction for the number of tests is needed and the error rate need not rise with
coverage. Looks happen at preset counts of outcomes; each spends its part of delta.
"""

import math
from dataclasses import dataclass

import numpy as np

from metrics.health.confidence.calibrate import Flags, Floats
from policy import binomial

GRID = 50
_CALIBRATION_SHARE, _CALIBRATION_MOST = 0.2, 200
# Where testing begins: at this share of the best margin that the calibrating outcomes show, so many outcomes at alpha
# being assumed before them.
_BEGIN, _PRIOR = 0.7, 10
_FAR = 50_000
# Numbers of certificates are cut to nine digits before they are used, so that a file says exactly what was tested.
_EXACT = 1e9


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, fixed before any outcome is seen."""

    alpha: float
    delta: float
    looks: tuple[int, ...]

    def spent_at(self, look: int) -> float:
        """Give the part of delta that a look spends: in proportion to its outcomes, together delta."""
        return math.floor(self.delta * look / sum(self.looks) * _EXACT) / _EXACT

    def reached(self, outcomes: int) -> tuple[int, ...]:
        """List the looks that so many outcomes allow."""
        return tuple(look for look in sorted(self.looks) if look <= outcomes)


@dataclass(frozen=True, slots=True)
class Tested:
    """A threshold with what the sample says about it."""

    threshold: float
    passed: int
    errors: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look says; `threshold` is None when nothing can be certified. Shares are of the certifying outcomes."""

    look: int
    spent: float
    calibration: int
    errors: int
    rejected: tuple[Tested, ...]
    failed: Tested | None

    @property
    def threshold(self) -> float | None:
        return self.rejected[-1].threshold if self.rejected else None

    @property
    def coverage(self) -> float:
        return self.rejected[-1].passed / (self.look - self.calibration) if self.rejected else 0.0


def calibration_size(look: int) -> int:
    """Say how many of a look's outcomes, the oldest, only calibrate and place the grid."""
    return min(_CALIBRATION_MOST, int(_CALIBRATION_SHARE * look))


def certify(scores: Floats, errors: Flags, plan: Plan, look: int) -> Finding:
    """Test at one look; both arrays stand in the order of the calls, and only the first `look` of them count."""
    held = calibration_size(look)
    older, fresh = (scores[:held], errors[:held]), _Ranked(scores[held:look], errors[held:look])
    spent = plan.spent_at(look)
    rejected: list[Tested] = []
    failed = None
    for threshold in grid(*older, plan.alpha, fresh.size, spent):
        passed, found = fresh.above(threshold)
        tested = Tested(threshold, passed, found, binomial.cdf(found, passed, plan.alpha) if passed else 1.0)
        if tested.p_value > spent:
            failed = tested
            break
        rejected.append(tested)
    return Finding(look, spent, held, int(errors[:look].sum()), tuple(rejected), failed)


def grid(scores: Floats, errors: Flags, alpha: float, outcomes: int, spent: float) -> tuple[float, ...]:
    """Give the falling thresholds to test on `outcomes` others, from the one to begin with on.

    The thresholds are quantiles of the scores. Where to begin, these outcomes guess: a threshold more cautious than the
    one that would stand best, so that the test most likely to succeed comes first.
    """
    least = math.log(spent) / math.log1p(-alpha)  # a test of fewer outcomes fails even without an error
    coverages = (np.arange(GRID) + 1) / GRID
    coverages = coverages[coverages * outcomes >= least]
    if not len(coverages) or not len(scores):
        return ()
    thresholds = np.floor(np.quantile(scores, 1 - coverages, method="inverted_cdf") * _EXACT) / _EXACT
    counts = np.array([_Ranked(scores, errors).above(each) for each in thresholds], dtype=float)
    rates = (counts[:, 1] + _PRIOR * alpha) / (counts[:, 0] + _PRIOR)
    margins = (alpha - rates) * np.sqrt(counts[:, 0])
    most = float(margins.max())
    begin = int(np.argmax(margins >= most * _BEGIN)) if most > 0 else len(margins) - 1 - int(np.argmax(margins[::-1]))
    return tuple(dict.fromkeys(map(float, thresholds[begin:])))


class _Ranked:
    """Outcomes in the order of falling scores."""

    def __init__(self, scores: Floats, errors: Flags) -> None:
        order = np.argsort(-scores, kind="stable")
        self.size = len(scores)
        self._falling, self._errors = -scores[order], np.cumsum(errors[order])

    def above(self, threshold: float) -> tuple[int, int]:
        """Count the outcomes that score at least this, and the errors among them."""
        passed = int(np.searchsorted(self._falling, -threshold, side="right"))
        return passed, int(self._errors[passed - 1]) if passed else 0


@dataclass(frozen=True, slots=True)
class Outlook:
    """How many more outcomes are needed at least, and the planned look that would see them; None: not in reach."""

    more: int | None
    look: int | None


def outlook(scores: Floats, errors: Flags, plan: Plan, *, rate: bool) -> Outlook:
    """Say when something could be certified, if no further error comes or, with `rate`, if errors go on as they are."""
    have, more = len(scores), None
    for look in sorted(look for look in plan.looks if look > have) or [max(plan.looks)]:
        more = _more(scores, errors, (plan.alpha, plan.spent_at(look)), rate=rate)
        if more is not None and have + more <= look:
            return Outlook(more, look)
    return Outlook(more, None)


def _more(scores: Floats, errors: Flags, asked: tuple[float, float], *, rate: bool) -> int | None:
    """Search the least number of further outcomes at which some threshold would be certified."""
    cuts = np.quantile(scores, np.arange(20) / 20) if len(scores) else np.zeros(1)
    found: int | None = None
    for cut in dict.fromkeys(map(float, cuts)):
        low, high = 0, found or _FAR
        if not _would(scores, errors, asked, cut, high, rate=rate):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if _would(scores, errors, asked, cut, middle, rate=rate) else (middle, high)
        found = high
    return found


def _would(scores: Floats, errors: Flags, asked: tuple[float, float], cut: float, more: int, *, rate: bool) -> bool:
    alpha, spent = asked
    held = calibration_size(len(scores) + more)
    passing = scores[held:] >= cut
    seen, wrong = int(passing.sum()), int(errors[held:][passing].sum())
    share = float((scores >= cut).mean()) if len(scores) else 1.0
    to_come = max(more - max(held - len(scores), 0), 0) * share
    if rate:
        wrong += math.ceil((wrong + 0.5) / (seen + 1) * to_come)
    passed = seen + int(to_come)
    return passed > 0 and binomial.cdf(wrong, passed, alpha) <= spent
