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
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for match in _TOKEN.finditer(text):
        words.append(match.group())
        starts.append(match.start())
        ends.append(match.end())
    return Tokens(words, starts, ends)
