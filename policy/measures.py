"""Measures with an interval: how an arm or a candidate did, and whether a bound surely stands or surely broke."""

import math
from dataclasses import dataclass
from typing import Final

from policy.blocks_routing import Holds

_Z: Final = 1.959964  # 95 % between both ends
_SLOWEST: Final = 0.05  # a 95th percentile stays below a bound when at most this share is above it


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted of calls and their runs; `slow` calls took longer than the bound on latency.

    `known` runs have an outcome; of `seen` runs a person saw an output; `cost_sq` adds up squares of runs' costs.
    """

    calls: int = 0
    failed: int = 0
    slow: int = 0
    runs: int = 0
    cost_usd: float = 0.0
    cost_sq: float = 0.0
    known: int = 0
    succeeded: int = 0
    seen: int = 0
    overridden: int = 0


Interval = tuple[float, float]
NOTHING: Final[Interval] = (0.0, math.inf)


def wilson(hits: int, of: int) -> Interval:
    """Give Wilson's 95 % interval of a share; 0 to 1 when nothing was counted."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, _Z * _Z / of
    middle = share + square / 2
    spread = _Z * math.sqrt(share * (1 - share) / of + square / (4 * of))
    return max(0.0, min(share, (middle - spread) / (1 + square))), min(
        1.0, max(share, (middle + spread) / (1 + square))
    )


def interval(bound: Holds, counts: Counts) -> Interval:
    """Give the 95 % interval of a bound's measure; of a percentile, that of the share of calls above the bound."""
    if bound.measure == "success":
        return wilson(counts.succeeded, counts.known)
    if bound.measure == "override":
        return wilson(counts.overridden, counts.seen)
    if bound.measure == "error":
        return wilson(counts.failed, counts.calls)
    if bound.measure == "latency_p95_s":
        return wilson(counts.slow, counts.calls)
    return _cost_per_success(counts)


def stands(bound: Holds, counts: Counts) -> bool | None:
    """Say whether a bound surely holds or surely broke; None: what was counted does not tell yet."""
    low, high = interval(bound, counts)
    limit = _SLOWEST if bound.measure == "latency_p95_s" else bound.at_most
    if limit is None:
        limit, low, high = -(bound.at_least or 0.0), -high, -low
    return True if high <= limit else False if low > limit else None


def _cost_per_success(counts: Counts) -> Interval:
    """Give the interval of mean cost over success rate, by the delta method on its logarithm."""
    if not counts.succeeded or not counts.runs or not counts.cost_usd:
        return NOTHING
    mean, share = counts.cost_usd / counts.runs, counts.succeeded / counts.known
    spread = max(0.0, counts.cost_sq / counts.runs - mean * mean) / (counts.runs * mean * mean)
    error = math.sqrt(spread + (1 - share) / counts.succeeded)
    return mean / share * math.exp(-_Z * error), mean / share * math.exp(_Z * error)
