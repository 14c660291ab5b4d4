"""Cut text into the tokens that the names model labels."""

import re
from typing import NamedTuple

# Numbers, words (a short tail such as n't or 'm stays on, a possessive 's stands alone), single signs.
_TOKEN = re.compile(r"\d+|[^\W\d_]+(?:['’](?![sS]\b)[^\W\d_]{1,2}\b)?|(?<=\w)['’][sS]\b|[^\w\s]|_")


class Tokens(NamedTuple):
    """Parallel lists: the words of a text and where each starts and ends."""

    words: list[str]
    starts: list[int]
    ends: list[int]


def tokenize(text: str) -> Tokens:
    """Return the tokens of `text` with their offsets."""
    matches = list(_TOKEN.finditer(text))
    words = [match[0] for match in matches]
    starts = [match.start() for match in matches]
    ends = [start + len(word) for start, word in zip(starts, words, strict=True)]
    return Tokens(words, starts, ends)
