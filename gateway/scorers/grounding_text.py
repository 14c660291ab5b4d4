"""Texts as the grounding scorer compares them: sentences of words, names and figures, with what is negated in them."""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.scorers.grounding_figures import MONTHS, Figure, figure, number_words, ordinal
from gateway.scorers.grounding_vocabulary import (
    BEFORE_FIGURES,
    BOUNDS,
    CLASSES,
    CLAUSE,
    EXCLUSIVE,
    NEGATORS,
    PERIODS,
    STOP,
    TO_NEGATE,
    stem,
    words,
)

WORD, NAME, FIGURE, CLASS = range(4)
# Words come first: most tokens are words.
_TOKEN: Final = re.compile(
    r"(?P<word>(?!(?:USD|EUR|GBP|JPY)\s\d)[^\W\d_]+(?:['’-][^\W\d_]+)*)|(?P<end>[.!?\n]+)|(?P<clause>[,;:()])"
    r"|(?P<iso>\d{4}-\d{2}-\d{2}\b)|(?P<dmy>\d{1,2}[/.]\d{1,2}[/.]\d{4}\b)"
    r"|(?P<time>\d{1,2}:\d{2}(?:\s?[ap]\.?m\b\.?)?|\d{1,2}\s?[ap]\.?m\b\.?)"
    r"|(?P<num>(?:[$€£¥]\s?|(?:USD|EUR|GBP|JPY)\s)?-?\d+(?:,\d{3})*(?:\.\d+)?(?:(?:st|nd|rd|th)\b)?(?:\s?%)?)"
)
_PREFIXES: Final = ("un", "in", "im", "ir", "il", "dis", "non-")


class Item(NamedTuple):
    """One part of a sentence; `sign` is -1 where its meaning is turned round by a word's own sense."""

    kind: int
    key: str
    sign: int = 1
    figure: Figure | None = None


class Sentence(NamedTuple):
    """What a sentence says. `negations` are the places of the items that each negation is about, `clauses` number
    the clause of each item.
    """

    items: tuple[Item, ...]
    keys: frozenset[str]
    negations: tuple[tuple[int, ...], ...]
    clauses: tuple[int, ...]
    passive: bool


def read(text: str) -> list[Sentence]:
    """Read a text."""
    found, reader = [], _Reader()
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "word":
            reader.word(match.group())
        elif kind == "end":
            if _is_end(text, match):
                found.append(reader.close())
                reader = _Reader()
        else:
            reader.other(kind or "", match.group())
    found.append(reader.close())
    return [sentence for sentence in found if sentence.items]


def _is_end(text: str, match: re.Match[str]) -> bool:
    """Tell a full stop from that of an abbreviation: a sentence goes on in lower case."""
    if match.group() != ".":
        return True
    after = text[match.end() : match.end() + 2]
    before = text[max(match.start() - 3, 0) : match.start()]
    return (
        not after[:1].strip() and not after[1:2].islower() and not re.search(r"\b(Mr|Mrs|Dr|Ms|St|No|[A-Z])$", before)
    )


class _Reader:
    """Collects one sentence."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.negations: list[list[int]] = []
        self.clauses: list[int] = []
        self.passive = False
        self._scope = 0  # so many more words belong to the last negation
        self._clause_from = 0
        self._words: list[str] = []  # number words not closed yet
        self._before = ""

    def other(self, kind: str, text: str) -> None:
        """Take a figure or a mark."""
        self._close_number()
        if kind == "clause":
            self._end_clause()
        else:
            if self._before in BEFORE_FIGURES:
                self._bound(BEFORE_FIGURES[self._before])
            self.items.extend(Item(FIGURE, each.key, 1, each) for each in figure(kind, text, self._last_month()))
        self._before = ""

    def close(self) -> Sentence:
        self._close_number()
        self._end_clause()
        keys = frozenset(item.key for item in self.items)
        negations = tuple(tuple(place for place in each if place < len(self.items)) for each in self.negations)
        return Sentence(tuple(self.items), keys, negations, tuple(self.clauses), self.passive)

    def _last_month(self) -> bool:
        return bool(self.items) and self.items[-1].key.startswith("month_of_year:")

    def word(self, text: str) -> None:
        """Take a word."""
        low, sort = _sorted(text)
        if sort == _NUMBER:
            if not self._words and not self._before and self._unit(low):
                return  # "3.2 million"
            if not self._words and self._before in BEFORE_FIGURES:
                self._bound(BEFORE_FIGURES[self._before])
            self._words.append(low)
            return
        if self._words:
            self._close_number(low)
        bound = BOUNDS.get((self._before, low))
        if bound is not None:
            self._bound(bound)
        elif sort == _NEGATION or (low == "to" and self._before in TO_NEGATE):
            self._negate(low)
        elif sort == _NEW_CLAUSE:
            self._end_clause()
        elif not self._unit(low) and (sort == _CONTENT or _letter(text, self.items)):
            self._content(text, low)
        elif low == "by" and self.items:
            self.passive = True
        self._before = low

    def _bound(self, sign: int) -> None:
        """Take a bound of a figure; `no more than` is one, and no negation."""
        if self.items and _sorted(self._before)[1] == _CONTENT:
            self.items.pop()
        if self.negations and self._scope and self.negations[-1] in ([], [len(self.items)]):
            self.negations.pop()
            self._scope, sign = 0, -sign
        self.items.append(Item(CLASS, f"bound:{sign}"))

    def _negate(self, low: str) -> None:
        if low == "to" and self.items:
            self.items.pop()  # "failed to" is no more than a negation
        self.negations.append([])
        self._scope = 2

    def _end_clause(self) -> None:
        if self.negations and not self.negations[-1] and self._scope:  # "... but breakfast is not."
            self.negations[-1].extend(range(max(self._clause_from, len(self.items) - 2), len(self.items)))
        self.clauses.extend([self._clause_from] * (len(self.items) - len(self.clauses)))
        self._scope, self._clause_from = 0, len(self.items)

    def _unit(self, low: str) -> bool:
        """Join a unit, a magnitude or a month to the figure before it."""
        last = self.items[-1].figure if self.items else None
        joined = last.joined(low) if last is not None else None
        if joined is None:
            return False
        self.items[-1] = Item(FIGURE, joined.key, 1, joined)
        if low in MONTHS:
            self.items.append(_month(low))
        return True

    def _content(self, text: str, low: str) -> None:
        item = _item(text, low, bool(self.items))
        if self._scope and item.kind == WORD:
            self.negations[-1].append(len(self.items))
            self._scope -= 1
        self.items.append(item)

    def _close_number(self, following: str = "") -> None:
        if not self._words:
            return
        found = ordinal(self._words) or Figure.of_words(self._words)
        # `one` alone is mostly no number.
        if self._words != ["one"] or found.joined(following) is not None:
            self.items.append(Item(FIGURE, found.key, 1, found))
        self._words = []


def _month(low: str) -> Item:
    found = Figure(MONTHS[low], "month_of_year")
    return Item(FIGURE, found.key, 1, found)


_NUMBER, _NEGATION, _NEW_CLAUSE, _LITTLE, _CONTENT = range(5)


@lru_cache(maxsize=16384)
def _sorted(text: str) -> tuple[str, int]:
    """Give a word in lower case, and what it is for."""
    low = text.lower().replace("’", "'")
    if number_words(low):
        return low, _NUMBER
    if low.endswith("n't") or low in NEGATORS:
        return low, _NEGATION
    if low in CLAUSE:
        return low, _NEW_CLAUSE
    return low, _LITTLE if low in STOP else _CONTENT


def _letter(text: str, before: list[Item]) -> bool:
    """Tell `node A` from the article."""
    return len(text) == 1 and text.isupper() and text != "I" and bool(before)


@lru_cache(maxsize=16384)
def _item(text: str, low: str, inside: bool) -> Item:
    if low in MONTHS and (text[0].isupper() or low not in ("may", "march")):
        return _month(low)
    if low in CLASSES:
        return Item(CLASS, CLASSES[low])
    if low in EXCLUSIVE or low in PERIODS:
        return Item(CLASS, EXCLUSIVE.get(low) or PERIODS[low])
    key, sign = words().get(low) or words().get(stem(low)) or (stem(low), 1)
    if (text[0].isupper() and inside) or (text.isupper() and len(text) > 1):
        return Item(NAME, key)  # under the key that it has at the start of a sentence
    return Item(WORD, key, sign)


def affixed(sentence: Sentence, known: frozenset[str]) -> Sentence:
    """Read `unpaid` as the opposite of `paid` where the texts speak of both."""
    changed = {key: rest for key in sentence.keys if (rest := _rest(key)) in known}
    if not changed:
        return sentence
    items = tuple(
        Item(WORD, changed[item.key], -item.sign) if item.kind == WORD and item.key in changed else item
        for item in sentence.items
    )
    return sentence._replace(items=items, keys=frozenset(item.key for item in items))


@lru_cache(maxsize=16384)
def _rest(key: str) -> str | None:
    prefix = next((prefix for prefix in _PREFIXES if key.startswith(prefix)), None)
    return key[len(prefix) :] if prefix is not None and len(key) - len(prefix) > 2 else None
