"""Usage splits into buckets that add up, and costs are right or unknown, never guessed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from policy.estimate import most_usd
from policy.prices import Cost, PriceList, cost_usd
from policy.providers import ProviderList, split_model
from policy.usage import BUCKETS, Usage

AT = datetime(2026, 6, 15, tzinfo=UTC)


# What providers send, by shape, and the buckets it must fall into.
GOLDEN: dict[str, tuple[dict[str, Any], Usage]] = {
    "openai chat": (
        {
            "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 10},
            "completion_tokens_details": {
                "reasoning_tokens": 20, "audio_tokens": 5, "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        Usage(50, 40, 0, 25, 20, 10, 5),
    ),
    "openai chat with cache writes": (
        {
            "prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
            "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 30},
        },
        Usage(30, 40, 30, 5),
    ),
    "openai responses": (
        {
            "input_tokens": 100, "output_tokens": 50, "total_tokens": 150,
            "input_tokens_details": {"cached_tokens": 40}, "output_tokens_details": {"reasoning_tokens": 20},
        },
        Usage(60, 40, 0, 30, 20),
    ),
    "openai images": (
        {
            "input_tokens": 110, "output_tokens": 4160, "total_tokens": 4270,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 100},
            "output_tokens_details": {"image_tokens": 4160},
        },
        Usage(10, image_input_tokens=100, image_output_tokens=4160),
    ),
    "openai embeddings": ({"prompt_tokens": 10, "total_tokens": 10}, Usage(10)),
    "azure openai": (
        {
            "completion_tokens": 5, "prompt_tokens": 10, "total_tokens": 15,
            "completion_tokens_details": None, "prompt_tokens_details": None,
        },
        Usage(10, 0, 0, 5),
    ),
    "deepseek": (
        {
            "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 36, "completion_tokens_details": {"reasoning_tokens": 30},
        },
        Usage(36, 64, 0, 20, 30),
    ),
    "xai: reasoning beside the completion": (
        {
            "prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
            "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 6},
            "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0},
        },
        Usage(26, 6, 0, 9, 94),
    ),
    "gemini, by its compatible endpoint: thoughts only in the total": (
        {"prompt_tokens": 8, "completion_tokens": 12, "total_tokens": 320},
        Usage(8, 0, 0, 12, 300),
    ),
    "openrouter": (
        {
            "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27, "cost": 0.0004,
            "prompt_tokens_details": {"cached_tokens": 0}, "cost_details": {"upstream_inference_cost": None},
        },
        Usage(20, 0, 0, 7),
    ),
    "vllm and ollama": ({"prompt_tokens": 10, "total_tokens": 15, "completion_tokens": 5}, Usage(10, 0, 0, 5)),
    "no completion": ({"prompt_tokens": 10, "prompt_tokens_details": None, "completion_tokens": None}, Usage(10)),
    "garbled": ({"prompt_tokens": "10", "completion_tokens": True, "total_tokens": None}, Usage()),
    "more cached than asked": ({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 99}}, Usage(0, 10)),
    "negative": ({"prompt_tokens": -4}, Usage()),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "split"), GOLDEN.values(), ids=GOLDEN.keys())
def test_provider_usage_splits_into_disjoint_buckets(sent: dict[str, Any], split: Usage) -> None:
    assert Usage.from_openai(sent) == split


COUNTS = st.integers(0, 10_000)


@given(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS))
def test_buckets_add_up_to_what_was_sent(counts: tuple[int, ...]) -> None:
    prompt, completion, cached, heard, reasoned, spoken = counts
    usage = Usage.from_openai({
        "prompt_tokens": prompt, "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": heard},
        "completion_tokens_details": {"reasoning_tokens": reasoned, "audio_tokens": spoken},
    })  # fmt: skip
    assert usage.total_tokens == prompt + completion
    assert min(usage.as_dict().values()) >= 0
    assert (usage + usage).total_tokens == 2 * usage.total_tokens


def prices(*entries: dict[str, Any]) -> PriceList:
    base = {"provider": "openai", "model": "m", "from": "2026-01-01", "input_usd": 2.0, "output_usd": 8.0}
    return PriceList.model_validate({"schema": 1, "prices": [base | entry for entry in entries]})


def test_a_cost_is_the_sum_over_buckets() -> None:
    listed = prices({"cached_input_usd": 0.5})
    cost = cost_usd(listed, "openai", "m", Usage(1_000_000, 1_000_000, 0, 500_000, 500_000), AT)
    assert cost == Cost(2.0 + 0.5 + 4.0 + 4.0, "openai/m@2026-01-01")


def test_every_kind_of_token_has_its_price() -> None:
    listed = prices({
        "cached_input_usd": 0.5, "cache_write_usd": 2.5, "reasoning_usd": 9.0, "audio_input_usd": 40.0,
        "audio_output_usd": 80.0, "image_input_usd": 10.0, "image_output_usd": 30.0,
    })  # fmt: skip
    each = [cost_usd(listed, "openai", "m", Usage(**{name: 1_000_000}), AT).usd for name in BUCKETS]
    assert dict(zip(BUCKETS, each, strict=True)) == {
        "input_tokens": 2.0, "cached_input_tokens": 0.5, "cache_write_tokens": 2.5, "output_tokens": 8.0,
        "reasoning_tokens": 9.0, "audio_input_tokens": 40.0, "audio_output_tokens": 80.0,
        "image_input_tokens": 10.0, "image_output_tokens": 30.0,
    }  # fmt: skip
    plain = prices({})
    assert cost_usd(plain, "openai", "m", Usage(image_input_tokens=1_000_000), AT).usd == 2.0
    assert cost_usd(plain, "openai", "m", Usage(image_output_tokens=1), AT).usd is None


@pytest.mark.parametrize(
    ("tier", "usd"),
    [
        (None, 2.0),
        ("default", 2.0),
        ("auto", 2.0),
        ("batch", 1.0),
        ("flex", 1.0),
        ("priority", 4.0),
        ("ultrafast", None),
    ],
)
def test_a_service_tier_has_its_own_price_or_none(tier: str | None, usd: float | None) -> None:
    listed = prices({"tiers": {"batch": 0.5, "flex": 0.5, "priority": 2.0}})
    cost = cost_usd(listed, "openai", "m", Usage(1_000_000), AT, tier)
    assert cost == Cost(usd, "openai/m@2026-01-01")


def test_a_long_request_costs_more_from_its_first_token() -> None:
    listed = prices({"long_context": {"above_tokens": 1000, "input_times": 2.0, "output_times": 1.5}})
    assert cost_usd(listed, "openai", "m", Usage(1000, output_tokens=1000), AT).usd == pytest.approx(0.01)
    assert cost_usd(listed, "openai", "m", Usage(1001, output_tokens=1000), AT).usd == pytest.approx(0.016004)


@given(st.integers(0, 3000), st.integers(0, 3000), st.sampled_from([None, "flex", "priority", "default"]))
def test_no_call_costs_more_than_its_upper_bound(asked: int, made: int, tier: str | None) -> None:
    listed = prices({
        "tiers": {"flex": 0.5, "priority": 2.0}, "image_output_usd": 30.0,
        "long_context": {"above_tokens": 1000, "input_times": 2.0, "output_times": 1.5},
    })  # fmt: skip
    bound = most_usd(listed, "openai", "m", (asked, made), AT, tier if tier != "priority" else None)
    cost = cost_usd(listed, "openai", "m", Usage(asked, image_output_tokens=made), AT, tier).usd
    assert cost is not None
    assert bound is not None
    assert cost <= bound * (1 + 1e-9)


@pytest.mark.parametrize(
    ("provider", "model", "usage"),
    [
        ("openai", "other", Usage(1)),
        ("azure", "m", Usage(1)),
        ("openai", "m", Usage(1, 1)),
        ("openai", "m", Usage(audio_output_tokens=1)),
    ],
)
def test_what_has_no_price_is_unknown_and_never_zero(provider: str, model: str, usage: Usage) -> None:
    assert cost_usd(prices({}), provider, model, usage, AT).usd is None


def test_the_price_of_the_day_counts() -> None:
    listed = prices({}, {"from": "2026-06-15", "input_usd": 1.0}, {"from": "2027-01-01", "input_usd": 9.0})
    usage = Usage(1_000_000)
    assert cost_usd(listed, "openai", "m", usage, datetime(2026, 6, 14, 23, 59, tzinfo=UTC)).usd == 2.0
    assert cost_usd(listed, "openai", "m", usage, AT) == Cost(1.0, "openai/m@2026-06-15")
    assert cost_usd(listed, "openai", "m", usage, datetime(2025, 1, 1, tzinfo=UTC)) == Cost(None, None)


def test_a_dated_snapshot_has_its_models_price_unless_it_is_listed() -> None:
    listed = prices({}, {"model": "m-2026-02-02", "input_usd": 5.0})
    assert cost_usd(listed, "openai", "m-2026-01-01", Usage(1_000_000), AT) == Cost(2.0, "openai/m@2026-01-01")
    assert cost_usd(listed, "openai", "m-2026-02-02", Usage(1_000_000), AT).usd == 5.0


def test_two_prices_for_one_day_are_refused() -> None:
    with pytest.raises(ValidationError, match="keep one"):
        prices({}, {"model": ["n", "m"]})
    with pytest.raises(ValidationError, match="2026-01-31"):
        prices({"from": "31.1.2026"})


@pytest.mark.parametrize(
    "block",
    [
        {}, {"base_url": "ftp://host/v1"}, {"base_url": "https://user:pass@host/v1"}, {"base_url": "file:///etc/passwd"},
        {"base_url": "http://169.254.169.254/latest"}, {"base_url": "http://[::ffff:169.254.169.254]/"},
        {"base_url": "http://0.0.0.0/v1"}, {"base_url": "https://h/v1?key=1"}, {"base_url_env": "lower case"},
        {"base_url": "https://h/v1", "api_key": "sk-1"},
    ],
)  # fmt: skip
def test_provider_addresses_that_make_no_sense_are_refused(block: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProviderList.model_validate({"schema": 1, "providers": {"p": block}})


def test_an_environment_variable_beats_the_address_in_the_file() -> None:
    block = {"base_url": "https://h/v1/", "base_url_env": "URL", "api_key_env": "KEY"}
    provider = ProviderList.model_validate({"schema": 1, "providers": {"p": block}}).named()["p"]
    assert (provider.address({}), provider.api_key({})) == ("https://h/v1", None)
    assert (provider.address({"URL": "http://127.0.0.1:9/v1/"}), provider.api_key({"KEY": "k"})) == (
        "http://127.0.0.1:9/v1",
        "k",
    )


@pytest.mark.parametrize(
    ("model", "split"),
    [
        ("gpt-4o", ("openai", "gpt-4o")), ("azure/gpt-4o", ("azure", "gpt-4o")), ("azure/", ("openai", "azure/")),
        ("meta/llama-3", ("openai", "meta/llama-3")), ("azure/meta/llama", ("azure", "meta/llama")),
    ],
)  # fmt: skip
def test_a_model_name_may_begin_with_its_provider(model: str, split: tuple[str, str]) -> None:
    assert split_model(model, {"openai": 1, "azure": 2}, "openai") == split
