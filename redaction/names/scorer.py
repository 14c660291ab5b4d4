"""Scores of every token for every label, with a bounded memory of the words seen before."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, repeat

import numpy as np
from numpy.typing import NDArray

from redaction.names.features import (
    EDGE,
    PLACES,
    Lines,
    Word,
    endings,
    fields_of,
    glued,
    lines_of,
    lowered,
    outline,
    shape_of,
    together,
    word_at,
)
from redaction.names.gazetteer import Gazetteer
from redaction.names.tokens import Tokens
from redaction.names.weights import Array, Weights

_MAX_WORDS = 20_000
_MAX_PATTERNS = 50_000
_Pattern = tuple[int, int, int, str, str, bool]
_Pairs = Mapping[tuple[str, str], int]
_Numbers = NDArray[np.intp]


class Scorer:
    """Adds up the weights of features; what depends on one word alone is added once and kept."""

    def __init__(self, weights: Weights, gazetteer: Gazetteer) -> None:
        self._rows, self._state = dict(weights.rows), weights.state
        self._before, self._around = _pairs(self._rows, "b="), _pairs(self._rows, "c=")
        self._fields = {name[2:]: row for name, row in _taken(self._rows, "k=")}
        self._gazetteer = gazetteer
        width = len(weights.labels)
        # Room for what is kept; one text that needs more gets more.
        self._pattern_sums = np.zeros((_MAX_PATTERNS, width), np.float32)
        self._word_sums = np.zeros((_MAX_WORDS, len(PLACES), width), np.float32)
        self._forget_all()

    def __call__(self, text: str, tokens: Tokens) -> Array:
        """Return the scores (token, label)."""
        self._learn_words(tokens.words)
        ids = [0, 0, *map(self._ids.__getitem__, tokens.words), 0, 0]
        at, sums = np.array(ids), self._word_sums
        alone: Array = sums[at[2:-2], 0] + sums[at[1:-3], 1] + sums[at[3:-1], 2] + sums[at[:-4], 3] + sums[at[4:], 4]
        lines = lines_of(text, tokens)
        return alone + self._together(tokens, lines, ids[1:-1])

    def _together(self, tokens: Tokens, lines: Lines, ids: Sequence[int]) -> Array:
        """Return what words say together with their neighbours; `ids` begin and end with the edges of the text."""
        words, state, none = [self._words[i] for i in ids], self._state, repeat(0)
        low = [word.low for word in words]
        before = map(self._before.get, pairwise(low[:-1]), none)
        around = map(self._around.get, zip(low[:-2], low[2:], strict=True), none)
        fields = map(self._fields.get, fields_of(tokens, lines), none)
        outlines = self._pattern_sums[self._outlines(tokens, lines, words)]
        pairs: Array = state[_numbers(before)] + state[_numbers(around)] + state[_numbers(fields)] + outlines
        return pairs

    def _outlines(self, tokens: Tokens, lines: Lines, words: Sequence[Word]) -> _Numbers:
        """Return the numbers of the patterns that the outlines of words and their neighbours form."""
        kinds = [word.kind for word in words]
        seen = [*zip(kinds[:-2], kinds[1:-1], kinds[2:], *lines, glued(tokens), strict=True)]
        patterns = self._patterns
        fresh = {pattern: i for i, pattern in enumerate(seen) if pattern not in patterns}
        if len(patterns) + len(fresh) > _MAX_PATTERNS:
            patterns.clear()
            fresh = {pattern: i for i, pattern in enumerate(seen)}
            self._pattern_sums = _room(self._pattern_sums, len(fresh))
        if fresh:
            since = len(patterns)
            patterns.update(zip(fresh, range(since, since + len(fresh)), strict=True))
            met = ((words[i], words[i + 1], words[i + 2], *pattern[3:]) for pattern, i in fresh.items())
            self._pattern_sums[since : len(patterns)] = self._sums([together(*each) for each in met])
        return _numbers(map(patterns.__getitem__, seen))

    def _learn_words(self, words: Sequence[str]) -> None:
        new = [word for word in dict.fromkeys(words) if word not in self._ids]
        if len(self._ids) + len(new) > _MAX_WORDS:
            self._forget_all()
            new = list(dict.fromkeys(words))
            self._word_sums = _room(self._word_sums, len(new) + 1)
        if new:
            self._add_words(new, [self._word(word) for word in new])

    def _word(self, text: str) -> Word:
        low = lowered(text)
        shape, flags = shape_of(text), self._gazetteer.flags(low)
        kind = self._kinds.setdefault((shape, flags), len(self._kinds))
        if kind == len(self._kind_sums):
            self._kind_sums.append(self._sums([outline(shape, flags, place) for place in PLACES]))
        return Word(low, shape, flags, kind)

    def _forget_all(self) -> None:
        self._patterns: dict[_Pattern, int] = {}
        self._kinds: dict[tuple[str, str], int] = {("", ""): 0}
        self._kind_sums: list[Array] = [np.zeros_like(self._word_sums[0])]
        self._ids: dict[str, int] = {}
        self._words: list[Word] = []
        self._add_words([""], [EDGE])  # the empty word is number 0: what stands before and after a text

    def _add_words(self, names: Sequence[str], words: Sequence[Word]) -> None:
        since, get = len(self._words), self._rows.get
        self._ids.update(zip(names, range(since, since + len(names)), strict=True))
        self._words += words
        places = [[get(word_at(place, word.low), 0) for place in PLACES] for word in words]
        sums = self._state[np.array(places)] + np.array([self._kind_sums[word.kind] for word in words])
        sums[:, 0] += self._sums([endings(word.low) for word in words])
        self._word_sums[since : len(self._words)] = sums

    def _sums(self, groups: Sequence[Iterable[str]]) -> Array:
        """Return the sum of weights of each group of features."""
        get = self._rows.get
        rows: list[int] = []
        starts: list[int] = []
        for group in groups:
            starts.append(len(rows))
            rows.append(0)
            rows += [get(feature, 0) for feature in group]
        sums: Array = np.add.reduceat(self._state[np.array(rows)], np.array(starts), axis=0)
        return sums


def _taken(rows: dict[str, int], prefix: str) -> list[tuple[str, int]]:
    """Take the features out that are looked up by their words from now on, not by their names."""
    names = [name for name in rows if name.startswith(prefix)]
    return [(name, rows.pop(name)) for name in names]


def _pairs(rows: dict[str, int], prefix: str) -> _Pairs:
    """Take the features out that join two words, by these words; the sign `|` stands between them."""
    out: dict[tuple[str, str], int] = {}
    intern = sys.intern
    for name, row in _taken(rows, prefix):
        at = name.index("|", 3)  # the first word may be the sign itself
        out[intern(name[2:at]), intern(name[at + 1 :])] = row
    return out


def _room(sums: Array, count: int) -> Array:
    return sums if count <= len(sums) else np.zeros((count, *sums.shape[1:]), np.float32)


def _numbers(values: Iterable[int]) -> _Numbers:
    return np.fromiter(values, np.intp)
