"""What a call will use and cost, before it is made: estimates for routing, upper bounds for ceilings."""

from collections.abc import Mapping
from datetime import datetime

from policy.prices import PriceList, find_price
from policy.providers import Provider, split_model
from policy.routing import Measure, Measured, Request

CHARS_PER_TOKEN = 4
# The answer of a call that names no maximum.
ASSUMED_OUTPUT_TOKENS = 1000
_TOKENS_PER_PRICE = 1_000_000
_TYPICAL = (1000, 300)
UNMEASURED = Measured()


def measuring(
    prices: PriceList, providers: Mapping[str, Provider], default: str, request: Request, at: datetime
) -> Measure:
    """Give a measure of candidates that knows what this request would cost at each."""
    made = min(request.max_output_tokens or ASSUMED_OUTPUT_TOKENS, ASSUMED_OUTPUT_TOKENS)

    def measure(model: str) -> Measured:
        found = find_price(prices, *split_model(model, providers, default), at)
        if found is None:
            return UNMEASURED
        taken, given = found[0].input_usd / _TOKENS_PER_PRICE, found[0].output_usd / _TOKENS_PER_PRICE
        cost, typical = request.input_tokens * taken + made * given, _TYPICAL[0] * taken + _TYPICAL[1] * given
        return Measured(cost_usd=cost, typical_cost_usd=typical)

    return measure


def most_usd(prices: PriceList, provider: str, model: str, tokens: tuple[int, int], at: datetime) -> float | None:
    """Give the most that so many input and output tokens can cost; None when the model has no price."""
    found = find_price(prices, provider, model, at)
    if found is None:
        return None
    price, _ = found
    taken = max(price.input_usd, price.cache_write_usd or 0.0, price.audio_input_usd or 0.0)
    given = max(price.output_usd, price.reasoning_usd or 0.0, price.audio_output_usd or 0.0)
    return (tokens[0] * taken + tokens[1] * given) / _TOKENS_PER_PRICE
