"""The watch over a certificate: a betting e-process on later audits of passed outputs, valid at every look.

While the error rate among passed outputs is at most alpha, the wealth passes 1/delta with probability at most delta,
however often it is looked at (Ville's inequality; Waudby-Smith and Ramdas, arXiv 2010.09686). The wealth is the mean
over bets on several larger error rates, so none has to be guessed.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

# Error rates that are bet on, as shares of the way from alpha to 1.
_BETS = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6)
_ENOUGH = 50.0  # logarithm of a wealth beyond any bound


@dataclass(frozen=True, slots=True)
class Wealth:
    """The path of the wealth, one value after each audit, and the audit at which it first passed its bound."""

    path: tuple[float, ...]
    bound: float
    crossed_at: int | None

    @property
    def withdrawn(self) -> bool:
        return self.crossed_at is not None


def wealth(errors: Iterable[bool], alpha: float, delta: float) -> Wealth:
    """Follow the audits of passed outputs in the order of their calls.

    An audit still open within its deadline stands as no error: then the wealth is at most what it will be.
    """
    rates = [alpha + share * (1 - alpha) for share in _BETS]
    won = [math.log(rate / alpha) for rate in rates]
    lost = [math.log((1 - rate) / (1 - alpha)) for rate in rates]
    logs, path = [0.0] * len(rates), []
    for error in errors:
        logs = [log + step for log, step in zip(logs, won if error else lost, strict=True)]
        path.append(sum(math.exp(min(log, _ENOUGH)) for log in logs) / len(logs))
    crossed = next((n for n, value in enumerate(path, 1) if value >= 1 / delta), None)
    return Wealth(tuple(path), 1 / delta, crossed)
