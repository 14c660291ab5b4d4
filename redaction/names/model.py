"""The names model: a linear-chain CRF that gives each token of a text a label and a probability."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pycrfsuite

from redaction.names.features import Features
from redaction.names.gazetteer import Gazetteer
from redaction.names.tokens import Tokens, tokenize

Thresholds = Mapping[str, float]


def _thresholds(person: float, place: float, organisation: float) -> Thresholds:
    other = {"TITLE": place, "NRP": place}
    return {"PER": person, "LOC": place, "ADDR": place, "ORG": organisation, **other}


# A token counts when the model gives it at least this probability of being part of a name, by its label.
LEVELS = {
    "balanced": _thresholds(0.5, 0.5, 0.5),
    "strict": _thresholds(0.3, 0.3, 0.3),
    "paranoid": _thresholds(0.15, 0.15, 0.15),
}


_CODE = re.compile(r"[A-Za-z0-9+/=_-]{16,}")
_TURN = re.compile(r"(?<=[0-9])[A-Za-z]|(?<=[A-Za-z])[0-9]")


def _is_code(word: str) -> bool:
    """Say whether a long run of letters and digits is a hash, an id or encoded data: it changes between both often."""
    return sum(1 for _ in _TURN.finditer(word)) >= 4


class Span(NamedTuple):
    """A run of tokens with one label; `share` is its probability of being no plain text."""

    start: int
    end: int
    label: str
    share: float


class _Token(NamedTuple):
    start: int
    end: int
    label: str
    share: float
    word: str


class NamesModel:
    """Finds labelled spans in one text."""

    def __init__(self, path: Path, gazetteer: Gazetteer) -> None:
        self._tagger = pycrfsuite.Tagger()
        self._tagger.open(str(path))
        self._features = Features(gazetteer)
        self._gazetteer = gazetteer
        self._labels = [label for label in self._tagger.labels() if label != "O"]

    def spans(self, text: str, least: Thresholds) -> list[Span]:
        """Return the spans whose tokens reach the probability of their label; lower thresholds never give less."""
        tokens = tokenize(text)
        if not tokens.words:
            return []
        self._tagger.set(self._features(text, tokens))
        codes = [match.span() for match in _CODE.finditer(text) if _is_code(match.group())]
        kept = (t for t in self._kept(tokens, least) if not any(a <= t.start < b for a, b in codes))
        runs = _runs(kept, text)
        return [_span(part) for run in runs if not self._technical(run) for part in _split(run, text)]

    def _kept(self, tokens: Tokens, least: Thresholds) -> Iterator[_Token]:
        marginal = self._tagger.marginal
        best = self._tagger.tag()
        lowest = min(least.values())
        for i, label in enumerate(best):
            share = 1.0 - marginal("O", i)
            if share < lowest:
                continue
            if label == "O" and not tokens.words[i].isalnum():
                continue
            likely = max((marginal(name, i), name) for name in self._labels)[1] if label == "O" else label
            if share >= least[likely]:
                yield _Token(tokens.starts[i], tokens.ends[i], likely, share, tokens.words[i])

    def _technical(self, run: list[_Token]) -> bool:
        return all("X" in self._gazetteer.flags(t.word.lower()) or not t.word.isalpha() for t in run)


def _runs(tokens: Iterator[_Token], text: str) -> Iterator[list[_Token]]:
    """Group tokens between which nothing but white space stands."""
    run: list[_Token] = []
    for token in tokens:
        if run and text[run[-1].end : token.start].strip():
            yield run
            run = []
        run.append(token)
    if run:
        yield run


def _split(run: list[_Token], text: str) -> Iterator[list[_Token]]:
    """Cut a run where the label changes, or a name other than an address meets a line end."""
    part: list[_Token] = []
    for token in run:
        if part and (
            token.label != part[-1].label or (token.label != "ADDR" and "\n" in text[part[-1].end : token.start])
        ):
            yield part
            part = []
        part.append(token)
    yield part


def _span(part: list[_Token]) -> Span:
    return Span(part[0].start, part[-1].end, part[0].label, sum(t.share for t in part) / len(part))
