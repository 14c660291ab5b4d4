"""What the writer reports as logprobs is the distribution it drew from."""

import json
import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.provider.writer import Sampling, Writer

OPTIONS = {"billing": 0.6, "billing issue": 0.1, "delivery": 0.3}


def written(options: dict[str, float], seed: int = 0, temperature: float = 1.0, end: str = "") -> tuple[str, Writer]:
    writer = Writer(random.Random(seed), Sampling(temperature))
    return writer.choose(options, end), writer


def test_the_logprobs_of_a_choice_sum_to_its_log_probability() -> None:
    for seed in range(20):
        chosen, writer = written(OPTIONS, seed, end="\n")
        assert sum(piece.logprob for piece in writer.pieces) == pytest.approx(math.log(OPTIONS[chosen]))


def test_choices_come_as_often_as_their_probability_says() -> None:
    seen = Counter(written(OPTIONS, seed)[0] for seed in range(2000))
    assert {name: pytest.approx(number / 2000, abs=0.04) for name, number in seen.items()} == OPTIONS


def test_temperature_zero_takes_the_best_and_still_reports_the_true_distribution() -> None:
    chosen, writer = written(OPTIONS, temperature=0.0, end="\n")
    assert chosen == "billing"
    assert writer.pieces[0].logprob == pytest.approx(math.log(0.7))


def test_the_top_list_is_sorted_and_sums_to_one() -> None:
    _, writer = written(OPTIONS, end="\n")
    first = writer.pieces[0].top
    assert [token for token, _ in first] == ["billing", "delivery"]
    assert sum(math.exp(logprob) for _, logprob in first) == pytest.approx(1.0)


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.floats(0.01, 1), min_size=1, max_size=5), st.integers())
def test_any_options_give_one_of_them_with_its_own_token_in_its_top_list(options: dict[str, float], seed: int) -> None:
    chosen, writer = written(options, seed)
    assert chosen in options
    for piece in writer.pieces:
        ranked = [logprob for _, logprob in piece.top]
        assert ranked == sorted(ranked, reverse=True)
        assert (piece.text, piece.logprob) in piece.top


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_string_is_written_as_json(left: str, right: str) -> None:
    writer = Writer(random.Random(1), Sampling())
    chosen = writer.choose_string({left: 0.5, right: 0.5})
    assert json.loads(writer.text) == chosen
    assert chosen in {left, right}


def test_prose_slips_at_the_given_rate_and_says_how_probable_that_was() -> None:
    slips = {"the": {" invoice": 1.0}}
    writer = Writer(random.Random(3), Sampling(), slips, slip_rate=0.2)
    for _ in range(500):
        writer.copy({" open the door": 1.0})
    wrong = [piece for piece in writer.pieces if piece.text == " invoice"]
    assert 60 <= len(wrong) <= 140
    assert {piece.logprob for piece in wrong} == {math.log(0.2)}


def test_a_rival_takes_its_share_of_the_first_token() -> None:
    writer = Writer(random.Random(0), Sampling(temperature=0))
    writer.unless("null", 0.25, lambda: writer.say("12"))
    first = writer.pieces[0]
    assert first.text == "12"
    assert dict(first.top) == {"12": pytest.approx(math.log(0.75)), "null": pytest.approx(math.log(0.25))}
