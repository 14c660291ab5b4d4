"""What a call will use and cost, before it is made: estimates for routing, upper bounds for ceilings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from policy.prices import PriceList, day_of, find_price, price_of_day
from policy.providers import split_model
from policy.routing import Measure, Measured, Request
from policy.snapshot import Snapshot

CHARS_PER_TOKEN = 4
# The answer of a call that names no maximum.
ASSUMED_OUTPUT_TOKENS = 1000
_TOKENS_PER_PRICE = 1_000_000
_TYPICAL = (1000, 300)


# Success and override, each None while too little is known.
Shares = tuple[float | None, float | None]
_UNKNOWN: Shares = (None, None)


@dataclass(frozen=True, slots=True)
class Learned:
    """What became of a candidate's answers: runs with an outcome, and runs of which a person saw an output."""

    known: int
    succeeded: int
    seen: int
    overridden: int

    def enough(self, least: int) -> Shares:
        """Give success and override where so many outcomes stand behind them."""
        success = round(self.succeeded / self.known, 4) if self.known >= least else None
        return success, round(self.overridden / self.seen, 4) if self.seen >= least else None


def measuring(tree: Snapshot, default: str, request: Request, at: datetime, learned: Mapping[str, Shares]) -> Measure:
    """Give a measure of candidates that knows what this request would cost at each.

    `learned` gives success and override by candidate, where they are known.
    """
    asked, made = request.input_tokens, min(request.max_output_tokens or ASSUMED_OUTPUT_TOKENS, ASSUMED_OUTPUT_TOKENS)
    day = day_of(at)

    def measure(model: str) -> Measured:
        quality, override = learned.get(model, _UNKNOWN)
        provider, name = split_model(model, tree.providers, default)
        found = price_of_day(tree.prices, provider, name, day)
        if found is None:
            return Measured(None, None, quality, override)
        taken, given = found[0].input_usd / _TOKENS_PER_PRICE, found[0].output_usd / _TOKENS_PER_PRICE
        typical = _TYPICAL[0] * taken + _TYPICAL[1] * given
        return Measured(asked * taken + made * given, None, quality, override, True, typical)

    return measure


def most_usd(
    prices: PriceList, provider: str, model: str, tokens: tuple[int, int], at: datetime, tier: str | None = None
) -> float | None:
    """Give the most that so many input and output tokens can cost; None when the model has no price.

    A request that names no service tier may be served by any.
    """
    found = find_price(prices, provider, model, at)
    if found is None:
        return None
    price, (asked, made) = found[0], found[0].times(tokens[0])
    taken = max(
        price.input_usd, price.cache_write_usd or 0.0, price.audio_input_usd or 0.0, price.image_input_usd or 0.0
    )
    given = [price.output_usd, price.reasoning_usd, price.audio_output_usd, price.image_output_usd]
    dearest = max(1.0, *price.tiers.values()) if price.tiers and tier not in ("default", "flex") else 1.0
    return (
        dearest
        * (tokens[0] * taken * asked + tokens[1] * max(filter(None, given), default=0.0) * made)
        / _TOKENS_PER_PRICE
    )
