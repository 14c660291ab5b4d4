"""The grounding scorer: what lowers a score, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.grounding import PAIRS, by_grounding, by_overlap, measured, read
from gateway.scorers.grounding import grounding
from gateway.wire.said import context as told

CONTEXT = (
    "The Basic plan costs $10 per month and the Pro plan costs $25 per month. Refunds are not available after 14 days. "
    "Acme acquired Beta Corp on 5 March 2021 for 3.2 million dollars. The package weighs 1.5 kg and arrives at 14:30."
)


def test_changed_answers_score_lower_than_supported_ones() -> None:
    pairs = list(read(PAIRS))
    assert len(pairs) >= 200
    assert measured(pairs, by_grounding)[0] >= 0.9 > measured(pairs, by_overlap)[0]


@pytest.mark.parametrize(
    "answer",
    [
        "The Pro plan costs 25 dollars a month.",
        "There are no refunds after two weeks.",
        "Acme bought Beta Corp on 2021-03-05.",
        "Beta Corp was acquired by Acme for $3,200,000.",
        "The package weighs 1500 grams.",
        "It arrives at 2:30 pm.",
    ],
)
def test_the_same_in_other_words_and_forms_is_supported(answer: str) -> None:
    assert (grounding(answer, [CONTEXT]) or 0) > 0.7


@pytest.mark.parametrize(
    "answer",
    [
        "The Pro plan costs 10 dollars a month.",
        "Refunds are available after two weeks.",
        "Acme bought Beta Corp on 2021-05-06.",
        "Beta Corp acquired Acme.",
        "The package weighs 1.5 tons.",
        "It departs at 2:30 pm.",
        "Gamma Corp was acquired by Delta.",
    ],
)
def test_what_the_context_does_not_say_is_not(answer: str) -> None:
    assert (grounding(answer, [CONTEXT]) or 0) < 0.6


def test_one_wrong_sentence_lowers_an_answer() -> None:
    right = "The Pro plan costs $25 per month."
    assert (grounding(f"{right} Refunds are available.", [CONTEXT]) or 1) < (grounding(right, [CONTEXT]) or 0)


@pytest.mark.parametrize("answer", ["The Pro plan costs $25 per month.", "Acme bought Beta Corp on 2021-05-06."])
def test_a_context_that_says_all_many_times_scores_as_one_that_says_it_once(answer: str) -> None:
    """Only so many places are looked at for each word; the others say nothing else."""
    assert grounding(answer, [f"{CONTEXT} " * 100]) == pytest.approx(grounding(answer, [CONTEXT]))


@pytest.mark.parametrize(("answer", "contexts"), [("", [CONTEXT]), ("Yes.", []), ("...", [CONTEXT]), ("A", [""])])
def test_nothing_to_compare_gives_no_score(answer: str, contexts: list[str]) -> None:
    assert grounding(answer, contexts) is None


ODDMENTS = """Acme sold not no never more than at least failed to deliver . , but and 12 3.5 $4 % million March 5th 2021
one first half A unpaid paid by was all some must may over 14:30 USD 5 k"""
WORDS = st.sampled_from([*ODDMENTS.split(), "\n"])


@given(st.lists(WORDS, max_size=12).map(" ".join), st.lists(WORDS, max_size=12).map(" ".join))
def test_any_words_give_a_share(answer: str, context: str) -> None:
    found = grounding(answer, [context])
    assert found is None or 0 <= found <= 1


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_gives_a_share(answer: str, context: str) -> None:
    found = grounding(answer, [context])
    assert found is None or 0 <= found <= 1


def test_everything_the_model_was_told_is_context() -> None:
    parts = [{"type": "text", "text": "b"}]
    messages = [
        {"role": "system", "content": "a"},
        {"role": "user", "content": parts},
        {"role": "tool", "content": "c"},
    ]
    assert told({"messages": messages}) == ["a", "b", "c"]
    results = [{"type": "function_call_output", "output": "c"}]
    assert told({"instructions": "a", "input": [{"role": "user", "content": "b"}, *results]}) == ["a", "b", "c"]
    assert told({"prompt": "a"}) == ["a"]
