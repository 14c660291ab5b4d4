"""What a record says of an error: a code of words, never what an upstream wrote in its place."""

import pytest

from gateway.resilience.attempt import code


@pytest.mark.parametrize(
    "text",
    ["rate_limit_exceeded", "context_length_exceeded", "invalid-value", "model.not_found", "429", "http_502", "E"],
)
def test_a_code_stays(text: str) -> None:
    assert code(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "two words",
        "sk-abc123DEF456",
        "pass-zKq81Lm",
        "ann@example.com",
        "4111111111111111",
        "x" * 80,
        "a\nb",
        "a_" * 12,
    ],
)
def test_a_text_or_a_secret_does_not(text: str) -> None:
    assert code(text) == "other"


def test_no_code_is_none() -> None:
    assert code(None) is None
