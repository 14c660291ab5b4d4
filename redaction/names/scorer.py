"""Scores of every token for every label, with a bounded memory of the words seen before."""

from collections.abc import Iterable, Sequence

import numpy as np

from redaction.names.features import EDGE, Lines, Word, describe, fields_of, is_glued, joined, lines_of, together
from redaction.names.gazetteer import Gazetteer
from redaction.names.tokens import Tokens
from redaction.names.weights import Array, Weights

_MAX_WORDS = 20_000
_MAX_PATTERNS = 50_000
_PLACES = 5
_Pattern = tuple[int, int, int, str, str, bool]


class Scorer:
    """Adds up the weights of features; what depends on one word alone is added once and kept."""

    def __init__(self, weights: Weights, gazetteer: Gazetteer) -> None:
        self._rows, self._state = weights.rows, weights.state
        self._gazetteer = gazetteer
        self._width = len(weights.labels)
        self._pattern_sums = self._zeros(0)
        self._forget_all()

    def __call__(self, text: str, tokens: Tokens) -> Array:
        """Return the scores (token, label)."""
        self._learn_words(tokens.words)
        ids = [0, 0, *map(self._ids.__getitem__, tokens.words), 0, 0]
        at, sums = np.array(ids), self._word_sums
        alone: Array = sums[at[2:-2], 0] + sums[at[1:-3], 1] + sums[at[3:-1], 2] + sums[at[:-4], 3] + sums[at[4:], 4]
        lines = lines_of(text, tokens)
        return alone + self._pairs(tokens, lines, ids) + self._outlines(tokens, lines, ids)

    def _pairs(self, tokens: Tokens, lines: Lines, ids: Sequence[int]) -> Array:
        get, low = self._rows.get, [self._words[i].low for i in ids[1:-1]]
        around = zip(low[:-2], low[1:-1], low[2:], fields_of(tokens, lines), strict=True)
        rows = [get(feature, 0) for words in around for feature in joined(*words)]
        pairs: Array = self._state[np.array(rows, np.intp)].reshape(-1, 3, self._width).sum(axis=1)
        return pairs

    def _outlines(self, tokens: Tokens, lines: Lines, ids: Sequence[int]) -> Array:
        if len(self._patterns) > _MAX_PATTERNS:
            self._forget_patterns()
        patterns, fresh, found = self._patterns, [], []
        kinds = [self._word_kinds[i] for i in ids]
        for i, (line, length) in enumerate(zip(*lines, strict=True)):
            glued = is_glued(tokens, i)
            pattern = (kinds[i + 1], kinds[i + 2], kinds[i + 3], line, length, glued)
            number = patterns.get(pattern)
            if number is None:
                number = patterns[pattern] = len(patterns)
                before, word, after = (self._words[j] for j in ids[i + 1 : i + 4])
                fresh.append(together(before, word, after, line, length, glued))
            found.append(number)
        if fresh:
            self._pattern_sums = np.vstack([self._pattern_sums, self._sums(fresh)])
        outlines: Array = self._pattern_sums[np.array(found, np.intp)]
        return outlines

    def _learn_words(self, words: Sequence[str]) -> None:
        new = [word for word in dict.fromkeys(words) if word not in self._ids]
        if len(self._ids) + len(new) > _MAX_WORDS:
            self._forget_all()
            new = list(dict.fromkeys(words))
        if new:
            self._add_words(new, [describe(word, self._gazetteer.flags(word.lower())) for word in new])

    def _forget_patterns(self) -> None:
        self._patterns: dict[_Pattern, int] = {}
        self._pattern_sums = self._zeros(0)

    def _forget_all(self) -> None:
        self._forget_patterns()
        self._kinds: dict[tuple[str, str], int] = {}
        self._ids: dict[str, int] = {}
        self._words: list[Word] = []
        self._word_kinds: list[int] = []
        self._word_sums = self._zeros(0, _PLACES)
        self._add_words([""], [EDGE])  # the empty word is number 0: what stands before and after a text

    def _add_words(self, names: Sequence[str], words: Sequence[Word]) -> None:
        self._ids.update(zip(names, range(len(self._words), len(self._words) + len(names)), strict=True))
        self._words += words
        self._word_kinds += [self._kinds.setdefault((word.shape, word.flags), len(self._kinds)) for word in words]
        sums = self._sums([features for word in words for features in word.seen_from])
        self._word_sums = np.concatenate([self._word_sums, sums.reshape(len(words), _PLACES, -1)])

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

    def _zeros(self, *shape: int) -> Array:
        return np.zeros((*shape, self._width), np.float32)
