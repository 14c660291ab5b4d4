"""Two stretches of time compared, with a variance that knows that the calls of a run, and those of a day, are alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from typing import Final, NamedTuple

Floats = Sequence[float]
# Standard errors that a difference must lie beyond its bound to be seen in four of five cases: 0.84 if the standard
# error were known; it is estimated, and differs from week to week (`make campaign-movers` counts).
_POWER: Final = 1.2
_FISHER_UP_TO: Final = 5.0  # expected counts below which the normal approximation is not trusted


@dataclass(frozen=True, slots=True)
class Slices:
    """Sums over the runs of each day: k of n, and their products (see the question `movement`)."""

    k: Floats
    n: Floats
    kk: Floats
    kn: Floats
    nn: Floats
    at: Sequence[int] = ()  # number of each day since the first of both stretches, where that is known

    def __getitem__(self, days: slice) -> Slices:
        """Return a stretch of these days."""
        return Slices(self.k[days], self.n[days], self.kk[days], self.kn[days], self.nn[days], self.at[days])

    def __add__(self, later: Slices) -> Slices:
        """Return these days and later ones."""
        k, n, kk, kn, nn = ([*getattr(self, name), *getattr(later, name)] for name in ("k", "n", "kk", "kn", "nn"))
        return Slices(k, n, kk, kn, nn, [*self.at, *later.at])

    @property
    def share(self) -> float:
        """Return k of n over all days."""
        return fsum(self.k) / fsum(self.n)

    def run_variance(self) -> float:
        """Return the variance of the share when runs are drawn independently (a ratio of sums, linearised)."""
        share, n = self.share, fsum(self.n)
        return (fsum(self.kk) - 2 * share * fsum(self.kn) + share * share * fsum(self.nn)) / (n * n)

    def day_squares(self) -> Floats:
        """Return the squared deviation of each day, as a part of the variance of the share."""
        share, n = self.share, fsum(self.n)
        return [((k - share * of) / n) ** 2 for k, of in zip(self.k, self.n, strict=True)]


class Comparison(NamedTuple):
    """What changed: shares before and after, the difference with its 95 % interval, how likely by chance alone.

    `statistic` is in standard errors; `visible` is the smallest difference that such a volume shows in four
    of five cases. Of ranks the difference is that of the mean rank (0 to 1): how much more often than in half of all
    cases a value from after is above one from before (Mann and Whitney).
    """

    before: float
    after: float
    low: float
    high: float
    statistic: float
    p: float
    visible: float

    @property
    def difference(self) -> float:
        """Return after less before."""
        return self.after - self.before


def compare(before: Slices, after: Slices, level: float, counts: bool) -> Comparison | None:
    """Compare two stretches at a level; None when a stretch has too little. `counts`: k counts whole runs or calls.

    The variance is that between runs, or where days differ by more than that explains, that between days. Small counts
    are also put to Fisher's exact test, and the larger probability counts.
    """
    if not _enough(before, after):
        return None
    degrees = len(before.n) + len(after.n) - 2
    spread = _spread(before, after, degrees)
    difference = after.share - before.share
    if spread == 0.0:
        return None if difference == 0.0 else _certain(before, after)
    p = _two_sided(difference / spread, degrees)
    if counts and _expected(before, after) < _FISHER_UP_TO:
        p = max(p, fisher(*(round(fsum(each)) for each in (before.k, before.n, after.k, after.n))))
    reach, seen = _quantile(0.05, degrees) * spread, (_quantile(level, degrees) + _POWER) * spread
    visible = _wider(before, after, seen) if counts else seen
    return Comparison(
        before.share, after.share, difference - reach, difference + reach, difference / spread, p, visible
    )


def turning(days: Slices, up: bool) -> tuple[int, float] | None:
    """Return where days fall into two stretches that differ most, the second higher if `up`, and its statistic."""
    found = [(first, statistic(days[:first], days[first:])) for first in range(2, len(days.n) - 1)]
    best = max(found, key=lambda each: each[1] if up else -each[1], default=(0, 0.0))
    return best if best[1] and (best[1] > 0) == up else None


def statistic(before: Slices, after: Slices) -> float:
    """Return the difference in standard errors; 0 when a stretch has too little."""
    if not _enough(before, after):
        return 0.0
    spread = _spread(before, after, len(before.n) + len(after.n) - 2)
    difference = after.share - before.share
    return difference / spread if spread else math.copysign(99.0, difference) if difference else 0.0


def _enough(before: Slices, after: Slices) -> bool:
    return min(fsum(before.n), fsum(after.n)) >= 8 and min(len(before.n), len(after.n)) >= 2


def _wider(before: Slices, after: Slices, size: float) -> float:
    """Return how far a share must move towards one half to be seen: its own variance grows on the way."""
    share = min(max(after.share, 1e-3), 1 - 1e-3)
    early, late = max(before.run_variance(), 1e-12), max(after.run_variance(), 1e-12)
    wider = size
    for _ in range(3):
        there = share + math.copysign(min(wider, abs(share - 0.5)), 0.5 - share)
        grown = there * (1 - there) / (share * (1 - share))
        wider = size * math.sqrt((early + late * grown) / (early + late))
    return wider


def _spread(before: Slices, after: Slices, degrees: int) -> float:
    """Return the standard error of the difference."""
    by_run = before.run_variance() + after.run_variance()
    if before.share in (0.0, 1.0) or after.share in (0.0, 1.0):  # a share of none has no variance of its own
        early, late = fsum(before.n), fsum(after.n)
        pooled = (fsum(before.k) + fsum(after.k)) / (early + late)
        by_run = max(by_run, pooled * (1 - pooled) * (1 / early + 1 / late))
    squares = [*before.day_squares(), *after.day_squares()]
    by_day = fsum(squares) * len(squares) / degrees
    return math.sqrt(max(by_run, by_day))


def _expected(before: Slices, after: Slices) -> float:
    k, n = fsum(before.k) + fsum(after.k), fsum(before.n) + fsum(after.n)
    return min(k, n - k) * min(fsum(before.n), fsum(after.n)) / n


def _certain(before: Slices, after: Slices) -> Comparison:
    difference = after.share - before.share
    return Comparison(before.share, after.share, difference, difference, math.copysign(99.0, difference), 0.0, 0.0)


def fisher(k0: int, n0: int, k1: int, n1: int) -> float:
    """Return the two-sided probability of Fisher's exact test: the sum over tables no more likely than the seen one."""
    low, high = max(0, k0 + k1 - n0), min(k0 + k1, n1)
    logs = [_log_choose(n1, k) + _log_choose(n0, k0 + k1 - k) for k in range(low, high + 1)]
    top = max(logs)
    terms = [math.exp(each - top) for each in logs]
    seen = terms[k1 - low] * (1 + 1e-9)
    return min(1.0, fsum(each for each in terms if each <= seen) / fsum(terms))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _two_sided(t: float, degrees: int) -> float:
    """Return P(|T| > |t|) of Student's distribution: its closed form for whole degrees (Abramowitz 26.7.3)."""
    angle = math.atan(abs(t) / math.sqrt(degrees))
    cosine, odd = math.cos(angle), degrees % 2
    total = 0.0
    if degrees > 1:
        total = term = cosine if odd else 1.0
        for step in range(3 if odd else 2, degrees, 2):
            term *= cosine * cosine * (step - 1) / step
            total += term
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return max(0.0, 1.0 - inside)


def _quantile(level: float, degrees: int) -> float:
    """Return the t that is passed by chance with probability `level`, on either side."""
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _two_sided(middle, degrees) > level else (low, middle)
    return high
