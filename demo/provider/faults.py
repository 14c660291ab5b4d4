"""Faults at given rates, drawn from a seeded generator and from nothing in the request."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Fault = Literal["rate_limit", "server_error", "slow", "cut"]
KINDS: tuple[Fault, ...] = get_args(Fault)
SLOW_FACTOR = 8.0


@dataclass
class Faults:
    """Draws at most one fault per request; rates are shares 0..1 and must not sum to more than 1."""

    rates: Mapping[Fault, float]
    seed: int = 0
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(f"faults:{self.seed}")

    def draw(self) -> Fault | None:
        """Draw the fault of the next request."""
        at = self._rng.random()
        for kind, rate in self.rates.items():
            if at < rate:
                return kind
            at -= rate
        return None

    def cut_after(self, tokens: int) -> int:
        """Draw after how many tokens a cut stream ends."""
        return self._rng.randint(1, max(1, tokens - 1))


def spread(total: float) -> dict[Fault, float]:
    """Spread one rate evenly over all kinds."""
    return {kind: total / len(KINDS) for kind in KINDS}
