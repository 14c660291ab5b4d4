"""Conditions: checked completely at load, and harmless whatever they say."""

import pytest

from policy.conditions import ROUTING, SCORE, TOOLS, Condition, ConditionError, Undecided, Values, condition


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("request.imput_tokens < 2", "`request.imput_tokens` is unknown"),
        ("has(request.zz)", "`request.zz` is unknown"),
        ("labels.a == 'x'", "`labels` is unknown here"),
        ("request.input_tokens", "gives int; it must give true or false"),
        ("request.input_tokens > 'a'", "types do not fit"),
        ("'a' + 1 == 'b'", "types do not fit"),
        ("1 +", "not a CEL expression"),
        ("", "not a CEL expression"),
        ("open('/etc/passwd') == ''", "`open()` is no function"),
        ("1 / 0 == 1", "cannot be evaluated"),
        ("'a'.matches('(')", "cannot be evaluated"),
        ("(" * 900 + "true" + ")" * 900, "nested deeper"),
        ("[" * 900, "nested deeper"),
        ("!" * 1900 + "true", "nested deeper"),
        ("true ? " * 200 + "true", "nested deeper"),
        ("true || " * 300 + "true", "longer than"),
        ("[1].all(x, [2].all(y, true))", "loop inside a loop"),
    ],
)
def test_bad_expressions_are_refused_when_loaded(source: str, reason: str) -> None:
    with pytest.raises(ConditionError) as caught:
        Condition(source, ROUTING)
    assert reason in str(caught.value)


def test_strings_are_not_mistaken_for_code() -> None:
    text = "request.model == 'request.zz ((((((((((((((((((((' || request.model.startsWith(\"gpt\")"
    assert Condition(text, ROUTING).holds(Values(ROUTING.examples))


def test_arguments_of_tools_are_open_and_decided_call_by_call() -> None:
    large = Condition("tool == 'refund' && arguments.amount > 100", TOOLS)
    assert large.holds(Values({"tool": "refund", "arguments": {"amount": 120}, "facts": {}}))
    assert large.holds(Values({"tool": "refund", "arguments": {"amount": 120.5}, "facts": {}}))
    assert not large.holds(Values({"tool": "refund", "arguments": {"amount": 20}, "facts": {}}))
    for arguments in ({}, {"amount": "120"}, {"amount": None}):
        with pytest.raises(Undecided):
            large.holds(Values({"tool": "refund", "arguments": arguments, "facts": {}}))


def test_loops_over_lists_are_possible_once() -> None:
    dear = Condition("arguments.items.exists(item, item.price > 3)", TOOLS)
    assert dear.holds(Values({"tool": "t", "arguments": {"items": [{"price": 1}, {"price": 4}]}, "facts": {}}))


def test_score_expressions_give_numbers() -> None:
    score = Condition("answer.confidence", SCORE)
    assert score.value(Values({"answer": {"confidence": 0.7}, "text": "", "request": {}})) == 0.7
    assert score.value(Values({"answer": {"confidence": 1}, "text": "", "request": {}})) == 1.0
    with pytest.raises(Undecided):
        score.value(Values({"answer": {"confidence": "high"}, "text": "", "request": {}}))


def test_equal_expressions_are_compiled_once() -> None:
    assert condition("request.stream", "routing") is condition("request.stream", "routing")
