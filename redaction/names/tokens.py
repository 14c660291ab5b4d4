"""Cut text into the tokens that the names model labels."""

import re
from typing import NamedTuple

# Letters of scripts without spaces between words: each is a token of its own.
_UNSPACED = r"\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_LETTER = rf"[^\W\d_{_UNSPACED}]"
# Marks inside words: accents written apart, points and vowel signs of Hebrew, Arabic and the scripts of India; joiners.
_MARK = (
    r"[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963"
    r"\u0981-\u0983\u09bc-\u09cd\u0a3c-\u0a51\u0abc-\u0acd\u0b3c-\u0b57\u0bbe-\u0bcd\u0c3e-\u0c56\u0cbc-\u0cd6"
    r"\u0d3b-\u0d57\u200c\u200d]"
)
# Numbers, words (a short tail such as n't or 'm stays on, a possessive 's stands alone), single signs.
_TOKEN = re.compile(
    rf"\d+|{_LETTER}+(?:{_MARK}+{_LETTER}*)*(?:['’](?![sS]\b){_LETTER}{{1,2}}\b)?|(?<=\w)['’][sS]\b|[{_UNSPACED}]"
    r"|[^\w\s]|_"
)


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
