"""The tokenizer is lossless and counts what it cuts."""

from hypothesis import given
from hypothesis import strategies as st

from demo.provider.tokens import count, tokenize


@given(st.text())
def test_tokens_joined_give_the_text_back(text: str) -> None:
    assert "".join(tokenize(text)) == text
    assert count(text) == len(tokenize(text))


def test_words_carry_the_space_before_them() -> None:
    assert tokenize("two words, 2026") == ["two", " words", ",", " 202", "6"]
