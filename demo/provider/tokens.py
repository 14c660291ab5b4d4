"""A simple deterministic tokenizer: pieces shaped like " word", lossless, counted for usage."""

import re

_TOKEN = re.compile(r" ?[^\W\d_]{1,10}| ?\d{1,3}| ?[^\w\s]|_|\s")


def tokenize(text: str) -> list[str]:
    """Split text into tokens; joined they give the text back."""
    return _TOKEN.findall(text)


def count(text: str) -> int:
    """Count the tokens of a text."""
    return sum(1 for _ in _TOKEN.finditer(text))
