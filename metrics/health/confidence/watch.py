"""The watch over a certificate: a betting e-process on later audits of passed outputs, valid at every look.

While the error rate among passed outputs is at most alpha, the wealth passes 1/delta with probability at most delta,
however often it is looked at (Ville's inequality; Waudby-Smith and Ramdas, arXiv 2010.09686). The wealth is the mean
over bets on several larger error rates, so none has to be guessed.
"""

from dataclasses import dataclass

import numpy as np

from metrics.health.confidence.calibrate import Flags, Floats

# Error rates that are bet on, as shares of the way from alpha to 1.
_BETS = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6)
_ENOUGH = 50.0  # logarithm of a wealth beyond any bound


@dataclass(frozen=True, slots=True)
class Wealth:
    """The path of the wealth, one value after each audit, and the audit at which it first passed its bound."""

    path: Floats
    bound: float
    crossed_at: int | None

    @property
    def withdrawn(self) -> bool:
        return self.crossed_at is not None


def wealth(errors: Flags, alpha: float, delta: float) -> Wealth:
    """Follow the audits of passed outputs in the order of their calls.

    An audit still open within its deadline stands as no error: then the wealth is at most what it will be.
    """
    rates = alpha + np.array(_BETS) * (1 - alpha)
    won, lost = np.log(rates / alpha), np.log((1 - rates) / (1 - alpha))
    steps = np.where(errors[:, None], won, lost)
    path = np.exp(np.minimum(np.cumsum(steps, axis=0), _ENOUGH)).mean(axis=1)
    over = np.nonzero(path >= 1 / delta)[0]
    return Wealth(path, 1 / delta, int(over[0]) + 1 if len(over) else None)
