"""Latency, faults, clocks and embeddings are drawn as stated."""

import asyncio
import base64
import math
import statistics
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.provider.clock import VirtualClock
from demo.provider.embed import embeddings, vector
from demo.provider.errors import WireError
from demo.provider.faults import Faults, spread
from demo.provider.latency import Latency


def test_latency_is_log_normal_around_its_median_and_fixed_by_the_seed() -> None:
    model = Latency(0.4, 0.01, sigma=0.35)
    firsts = [model.draw(str(seed), 1.0).first_token_s for seed in range(2000)]
    assert statistics.median(firsts) == pytest.approx(0.4, rel=0.05)
    assert statistics.stdev(map(math.log, firsts)) == pytest.approx(0.35, rel=0.1)
    assert model.draw("a", 1.0) == model.draw("a", 1.0)
    assert model.draw("a", 0.0).total_s(100) == 0.0


def test_faults_come_at_their_rates_and_repeat_with_the_seed() -> None:
    faults = Faults({"rate_limit": 0.1, "cut": 0.05}, seed=3)
    drawn = [faults.draw() for _ in range(4000)]
    assert drawn.count("rate_limit") / 4000 == pytest.approx(0.1, abs=0.02)
    assert drawn.count("cut") / 4000 == pytest.approx(0.05, abs=0.02)
    again = Faults({"rate_limit": 0.1, "cut": 0.05}, seed=3)
    assert drawn == [again.draw() for _ in range(4000)]
    assert sum(spread(0.2).values()) == pytest.approx(0.2)


def test_a_virtual_clock_moves_only_by_what_is_slept() -> None:
    clock = VirtualClock(1_000.0)
    asyncio.run(clock.sleep(3600.0))
    assert clock.now_s() == 4_600.0


@given(st.text(), st.sampled_from([1, 8, 256]))
def test_embeddings_have_length_one_and_are_the_same_for_the_same_text(text: str, dimensions: int) -> None:
    values = vector(text, dimensions)
    assert math.isclose(sum(value * value for value in values), 1.0)
    assert values == vector(text, dimensions)


def test_texts_about_the_same_are_nearer() -> None:
    parcel, same, other = (
        vector(text, 256) for text in ("my parcel is lost", "parcels get lost", "the invoice is wrong")
    )
    assert dot(parcel, same) > dot(parcel, other)


def test_base64_holds_the_same_floats() -> None:
    body = {"model": "simulated-small", "input": "hello world", "dimensions": 16}
    packed = embeddings({**body, "encoding_format": "base64"})["data"][0]["embedding"]
    values = embeddings(body)["data"][0]["embedding"]
    assert struct.unpack("<16f", base64.b64decode(packed)) == pytest.approx(values)


@pytest.mark.parametrize("extra", [{"input": []}, {"input": [1]}, {"input": "a", "dimensions": 0}, {}])
def test_wrong_embedding_requests_are_refused(extra: dict[str, object]) -> None:
    with pytest.raises(WireError):
        embeddings({"model": "simulated-small", **extra})


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))
