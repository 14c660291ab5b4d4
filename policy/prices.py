"""What calls cost: dated prices per model and token bucket; an unknown price is null, never 0."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from policy.usage import BUCKETS, Usage
from policy.values import Amount, Block, Flag, ModelName, Name, OneOrMore

_TOKENS_PER_PRICE = 1_000_000
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def _as_date(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise ValueError("write a date as 2026-01-31")
    return value


Day = Annotated[date, BeforeValidator(_as_date)]


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
    simulated: Flag = Field(default=False, description="An invented price of a simulated model.")

    def of(self, bucket: str) -> float | None:
        """Give the price of one bucket of `Usage`, in dollars per million tokens."""
        if bucket == "reasoning_tokens" and self.reasoning_usd is None:
            return self.output_usd
        price: float | None = getattr(self, f"{bucket.removesuffix('_tokens')}_usd")
        return price


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
        for price in self.prices:
            for model in price.model:
                key = (price.provider, model, price.since)
                if key in seen:
                    raise ValueError(f"two prices of {price.provider}/{model} begin on {price.since}; keep one")
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
    day = at.astimezone(UTC).date()
    for name in dict.fromkeys((model, _DATED.sub("", model))):
        known = prices.by_model.get((provider, name), ())
        if found := next((price for price in known if price.since <= day), None):
            return found, name
    return None


def cost_usd(prices: PriceList, provider: str, model: ModelName, usage: Usage, at: datetime) -> Cost:
    """Price a call's tokens; null when the model or a used bucket has no price."""
    found = find_price(prices, provider, model, at)
    if found is None:
        return UNKNOWN
    price, name = found
    used = [(bucket, tokens) for bucket in BUCKETS if (tokens := getattr(usage, bucket))]
    parts = [None if (each := price.of(bucket)) is None else tokens * each for bucket, tokens in used]
    return Cost(_total(parts), price_id(price, name))


def _total(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) / _TOKENS_PER_PRICE if len(known) == len(parts) else None
