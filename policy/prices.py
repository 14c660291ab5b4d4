"""What calls cost: dated prices per model and token bucket; an unknown price is null, never 0."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from policy.usage import BUCKETS, Usage
from policy.values import Amount, Block, Contradiction, Flag, ModelName, Name, OneOrMore, Positive

_TOKENS_PER_PRICE = 1_000_000
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
# Kinds of tokens that cost what another kind costs, unless they have a price of their own.
_ELSE = {"reasoning_tokens": "output_usd", "image_input_tokens": "input_usd"}
_PLAIN = frozenset({None, "", "auto", "default", "standard", "scale"})
_MADE = frozenset({"output_tokens", "reasoning_tokens", "audio_output_tokens", "image_output_tokens"})


def _as_date(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("write a date as 2026-01-31")
    return value


Day = Annotated[date, BeforeValidator(_as_date)]


class LongContext(Block):
    """What a long request costs: all of it, not only its end."""

    above_tokens: Positive = Field(description="Largest request, in input tokens, at the plain price.")
    input_times: Amount = Field(description="Factor on all input prices.")
    output_times: Amount = Field(description="Factor on all output prices.")


class Price(Block):
    """Dollars per million tokens of one model from one day on."""

    provider: Name = Field(description="Name in `providers.yaml`.")
    model: OneOrMore = Field(
        description="Model name or names; a dated snapshot (`-2026-01-31`) falls back to its base name."
    )
    since: Day = Field(validation_alias="from", serialization_alias="from", description="First day (UTC) of the price.")
    input_usd: Amount = Field(description="Uncached input.")
    output_usd: Amount = Field(description="Visible output.")
    cached_input_usd: Amount | None = Field(default=None, description="Input read from the provider's cache.")
    cache_write_usd: Amount | None = Field(default=None, description="Input written to the provider's cache.")
    reasoning_usd: Amount | None = Field(default=None, description="Reasoning; the output price when left out.")
    audio_input_usd: Amount | None = Field(default=None, description="Audio input.")
    audio_output_usd: Amount | None = Field(default=None, description="Audio output.")
    image_input_usd: Amount | None = Field(default=None, description="Image input; the input price when left out.")
    image_output_usd: Amount | None = Field(default=None, description="Image output.")
    tiers: dict[Name, Amount] = Field(
        default={}, description="Factor on all prices for a service tier (`batch`, `flex`, `priority`) of the answer."
    )
    long_context: LongContext | None = Field(default=None, description="Dearer long requests.")
    simulated: Flag = Field(default=False, description="An invented price of a simulated model.")

    def of(self, bucket: str) -> float | None:
        """Give the price of one bucket of `Usage`, in dollars per million tokens."""
        price: float | None = getattr(self, f"{bucket.removesuffix('_tokens')}_usd")
        return getattr(self, _ELSE[bucket]) if price is None and bucket in _ELSE else price

    def factor(self, tier: str | None) -> float | None:
        """Give the factor of a service tier; None when its price is not known."""
        return 1.0 if tier in _PLAIN else self.tiers.get(tier or "")

    def times(self, tokens: int) -> tuple[float, float]:
        """Give the factors on input and output prices for a request of so many input tokens."""
        long = self.long_context
        return (long.input_times, long.output_times) if long and tokens > long.above_tokens else (1.0, 1.0)


class PriceList(Block):
    """The file `prices.yaml`."""

    schema_: Annotated[int, Field(strict=True, ge=1, le=1)] = Field(
        validation_alias="schema", serialization_alias="schema", description="Version of the format."
    )
    prices: tuple[Price, ...] = Field(default=(), description="One entry per model and first day.")

    @cached_property
    def by_model(self) -> dict[tuple[str, str], list[Price]]:
        """Give the prices of each provider and model, latest first."""
        index: dict[tuple[str, str], list[Price]] = {}
        for price in sorted(self.prices, key=lambda price: price.since, reverse=True):
            for model in price.model:
                index.setdefault((price.provider, model), []).append(price)
        return index

    @model_validator(mode="after")
    def _no_two_for_one_day(self) -> Self:
        seen: set[tuple[str, str, date]] = set()
        for at, price in enumerate(self.prices):
            for model in price.model:
                key = (price.provider, model, price.since)
                if key in seen:
                    twice = f"two prices of {price.provider}/{model} begin on {price.since}; keep one"
                    raise Contradiction(twice, "prices", at)
                seen.add(key)
        return self


@dataclass(frozen=True, slots=True)
class Cost:
    usd: float | None
    price_id: str | None


UNKNOWN = Cost(None, None)


def price_id(price: Price, model: str) -> str:
    """Name a price as records do."""
    return f"{price.provider}/{model}@{price.since.isoformat()}"


def find_price(prices: PriceList, provider: str, model: str, at: datetime) -> tuple[Price, str] | None:
    """Give the price in force at a moment and the name it was found under."""
    return price_of_day(prices, provider, model, day_of(at))


def day_of(at: datetime) -> date:
    """Give the UTC day of a moment, by which prices are in force."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).date()


def price_of_day(prices: PriceList, provider: str, model: str, day: date) -> tuple[Price, str] | None:
    """Give the price in force on a day and the name it was found under."""
    found = _of_day(prices, provider, model, day)
    if found is None and (base := _DATED.sub("", model)) != model:
        model, found = base, _of_day(prices, provider, base, day)
    return None if found is None else (found, model)


def _of_day(prices: PriceList, provider: str, model: str, day: date) -> Price | None:
    for price in prices.by_model.get((provider, model), ()):  # a loop: this runs for each candidate of a call
        if price.since <= day:
            return price
    return None


def cost_usd(
    prices: PriceList, provider: str, model: ModelName, usage: Usage, at: datetime, tier: str | None = None
) -> Cost:
    """Price a call's tokens; null when the model, its service tier or a used bucket has no price."""
    found = find_price(prices, provider, model, at)
    if found is None:
        return UNKNOWN
    price, name = found
    factor = price.factor(tier)
    if factor is None:
        return Cost(None, price_id(price, name))
    used = [(bucket, tokens) for bucket in BUCKETS if (tokens := getattr(usage, bucket))]
    asked, made = price.times(sum(tokens for bucket, tokens in used if bucket not in _MADE))
    parts = [
        None if (each := price.of(bucket)) is None else tokens * each * (made if bucket in _MADE else asked)
        for bucket, tokens in used
    ]
    total = _total(parts)
    return Cost(None if total is None else total * factor, price_id(price, name))


def lacking(
    prices: PriceList, place: tuple[str, str], usage: Usage, at: datetime, tier: str | None = None
) -> list[str]:
    """List what has no price: the model, its service tier, or kinds of tokens; `place` is provider and model."""
    found = find_price(prices, *place, at)
    if found is None:
        return ["model"]
    price = found[0]
    kinds = [bucket for bucket in BUCKETS if getattr(usage, bucket) and price.of(bucket) is None]
    return kinds if price.factor(tier) is not None else [f"tier {tier}", *kinds]


def _total(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) / _TOKENS_PER_PRICE if len(known) == len(parts) else None
