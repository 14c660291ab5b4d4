"""Scorers as functions: what they read from an answer, and when they find nothing to go by."""

from math import exp, log
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.scorers.asked import agreement, verdict
from gateway.scorers.base import Asked, Seen, Told
from gateway.scorers.logprob import logprob
from gateway.scorers.shape import expression, fits, schema
from gateway.wire.tools import ToolCall
from policy.blocks_output import ExpressionScorer, LogprobScorer, SchemaScorer, SelfConsistencyScorer

ABOUT: dict[str, Any] = {"model": "m", "json_schema": False}


def seen(text: str = "", value: Any = None, tokens: Any = (), calls: Any = ()) -> Seen:
    return Seen(text, text, value, list(tokens), list(calls))


def token(text: str, chance: float, *tops: tuple[str, float]) -> dict[str, Any]:
    return {"token": text, "logprob": log(chance), "top_logprobs": [{"token": t, "logprob": log(c)} for t, c in tops]}


def by(measure: Any, *tokens: dict[str, Any]) -> float | None:
    return logprob(LogprobScorer(kind="logprob", measure=measure), seen(tokens=tokens)).score


def test_measures_of_log_probabilities() -> None:
    sure, unsure = token("a", 0.99), token("b", 0.5)
    assert by("mean", sure, unsure) == pytest.approx((0.99 * 0.5) ** 0.5)
    assert by("weakest_span", *[sure] * 20, *[unsure] * 5, *[sure] * 20) == pytest.approx(0.5)
    assert by("weakest_span", unsure) == pytest.approx(0.5)
    value = token("yes", 0.7, ("yes", 0.7), ("no", 0.2))
    assert by("margin", token('{"', 0.9), token("verdict", 0.9), token('": "', 0.9), value) == pytest.approx(0.5)
    assert by("margin", token("no", 0.4, ("yes", 0.5), ("no", 0.4))) == 0
    assert by("margin", token("yes", 0.7)) is None
    nameless = token("yes", 0.7) | {"top_logprobs": [{"token": "no"}]}  # an alternative without its log-probability
    assert by("margin", nameless) is None
    assert by("mean") is None


@given(st.lists(st.floats(-200, 0), min_size=1, max_size=40))
def test_scores_of_log_probabilities_are_shares(chances: list[float]) -> None:
    tokens = [{"token": "x", "logprob": chance} for chance in chances]
    mean, weakest = by("mean", *tokens), by("weakest_span", *tokens)
    assert mean is not None
    assert weakest is not None
    assert 0 <= mean <= 1
    assert 0 <= weakest <= 1
    assert mean == pytest.approx(exp(sum(chances) / len(chances)))


def test_schemas_are_strangers_texts() -> None:
    assert fits({"type": "object"}, {}) is True
    assert fits({"type": "nonsense"}, {}) is None
    assert fits({"$ref": "http://127.0.0.1:1/x"}, {}) is None
    assert fits({"pattern": "^(a+)+$"}, "a" * 60 + "b") is False


def test_tool_arguments_are_checked_against_the_offered_tools() -> None:
    number = {"type": "object", "properties": {"amount": {"type": "number"}}}
    asked = Asked(None, [{"type": "function", "function": {"name": "refund", "parameters": number}}], ABOUT)
    scorer = SchemaScorer(kind="schema")
    for arguments, score in (({"amount": 1}, 1.0), ({"amount": "1"}, 0.0), (None, 0.0)):
        assert schema(scorer, seen(calls=[ToolCall("refund", arguments)]), asked).score == score
    assert schema(scorer, seen(calls=[ToolCall("other", {})]), asked).score is None


def test_expressions_that_cannot_be_evaluated_give_no_score() -> None:
    scorer = ExpressionScorer(kind="expression", expression="answer.sure")
    assert expression(scorer, seen(value={"sure": 7}), ABOUT).score == 1
    for value in ({"sure": "high"}, {}, None, [1]):
        assert expression(scorer, seen(value=value), ABOUT).score is None


def test_agreement_by_fields_and_by_words() -> None:
    told = Told(['{"a": 1, "b": [2]}', '{"a": 2, "b": [2]}'], 0.0)
    fields = SelfConsistencyScorer(kind="self_consistency", agreement="fields")
    assert agreement(fields, seen('{"a": 1, "b": [2]}'), told).score == 0.75
    chosen = SelfConsistencyScorer(kind="self_consistency", agreement="fields", fields=("b",))
    assert agreement(chosen, seen('{"a": 1, "b": [2]}'), told).score == 1
    assert agreement(fields, seen("words"), told).score is None
    assert agreement(fields, seen("{}"), Told(["{}"], None)).why == "no_samples"
    words = SelfConsistencyScorer(kind="self_consistency", samples=2)
    assert agreement(words, seen("It is Red"), Told(["it is blue"], 0.0)).score == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("text", "score"),
    [('{"score": 0.4}', 0.4), ("0.9", 0.9), ("1", 1), ("Yes.", 1), ("no", 0), ("true", 1), ('{"score": 7}', None),
     ("9", None), ("perhaps", None), ("", None), ('{"score": "x"}', None)],
)  # fmt: skip
def test_what_a_verifier_may_say(text: str, score: float | None) -> None:
    assert verdict(Told([text], 0.0)).score == score
