"""How long the simulated model takes: log-normal times drawn from the request's own seed."""

import math
import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Latency:
    """Medians of the time to the first token and per token, in seconds; sigma is the spread of their logarithms."""

    first_token_s: float
    per_token_s: float
    sigma: float = 0.35

    def draw(self, seed: str, scale: float) -> "Pace":
        """Draw the pace of one answer."""
        rng = random.Random(f"pace:{seed}")
        return Pace(scale * self._around(rng, self.first_token_s), scale * self._around(rng, self.per_token_s))

    def _around(self, rng: random.Random, median_s: float) -> float:
        return rng.lognormvariate(math.log(median_s), self.sigma)


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of one answer, in seconds."""

    first_token_s: float
    per_token_s: float

    def total_s(self, tokens: int) -> float:
        """Give the time of a whole answer."""
        return self.first_token_s + tokens * self.per_token_s

    def slower(self, factor: float) -> "Pace":
        """Give the same answer from a slow machine."""
        return Pace(self.first_token_s * factor, self.per_token_s * factor)
