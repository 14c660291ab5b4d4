"""Words, stems and sentences: the small linguistics that every method of the simulated models shares."""

import re
from collections.abc import Sequence
from functools import lru_cache


def wordset(text: str) -> frozenset[str]:
    """Make a set of the words in a string, for vocabularies written as prose."""
    return frozenset(text.split(" "))


_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_SENTENCE = re.compile(
    r"(?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\bNo\.)(?<!\bSt\.)(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[^\Wa-z_])|\n+"
)
_SUFFIXES = ("ations", "ation", "ings", "ing", "ments", "ment", "edly", "ied", "ies", "ed", "es", "ly", "s")
_STOP = wordset(
    "a an the and or but if of to in on at by for from with as is are was were be been am it its this that these "
    "those "
    "i you he she we they me my your our their his her us them do does did has have had will would can could should "
    "may "
    "so than then there here what which who how when where why please any all some about into out up just also"
)
_FORMULAS = wordset("hi hello dear hey regards kind best thanks thank cheers sincerely sent greetings yours")


def words(text: str) -> list[str]:
    """Split text into lower-case words."""
    return _WORD.findall(text.lower())


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Cut one common English suffix off a word."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word


def stems(text: str) -> list[str]:
    """Give the stems of the words that carry meaning."""
    return [stem(word) for word in words(text) if word not in _STOP]


def sentences(text: str) -> list[str]:
    """Split text into sentences and lines, in order, without empty ones."""
    return [part.strip() for part in _SENTENCE.split(text) if part.strip()]


def telling(parts: list[str]) -> list[str]:
    """Leave out greetings, signatures and scraps; all of them when nothing else is there."""
    told = [part for part in parts if len(words(part)) >= 3 and words(part)[0] not in _FORMULAS]
    return told or parts


@lru_cache(maxsize=20_000)
def name_words(name: str) -> str:
    """Turn an identifier (snake_case, camelCase, kebab-case) into spaced words."""
    return re.sub(r"[_\-.\s]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)).strip().lower()


@lru_cache(maxsize=50_000)
def likeness(left: str, right: str) -> float:
    """Compare two words by their letter trigrams, 0 (nothing shared) to 1 (same)."""
    if left == right:
        return 1.0
    ours, theirs = _trigrams(left), _trigrams(right)
    return 2 * len(ours & theirs) / (len(ours) + len(theirs))


def overlap(query: Sequence[str], text: Sequence[str]) -> float:
    """Give the share of the query's stems that the text contains."""
    wanted = set(query)
    return len(wanted & set(text)) / len(wanted) if wanted else 0.0


@lru_cache(maxsize=20_000)
def _trigrams(word: str) -> frozenset[str]:
    padded = f" {word} "
    return frozenset(padded[at : at + 3] for at in range(max(1, len(padded) - 2)))
