"""The names model: labelled spans of a text, by how probable it is that their tokens are part of a name."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from redaction.names.addresses import is_address, rest_of_ordinal
from redaction.names.crf import marginals_of
from redaction.names.gazetteer import Gazetteer
from redaction.names.scorer import Scorer
from redaction.names.tokens import Tokens, tokenize
from redaction.names.weights import Weights

Thresholds = Mapping[str, float]


def _thresholds(person: float, place: float, organisation: float) -> Thresholds:
    places = dict.fromkeys(("LOC", "ADDR", "TITLE"), place)
    return {"PER": person, "ORG": organisation, "NRP": place / 2, **places}


# A token counts when the model gives it at least this probability of being part of a name, by its label.
LEVELS = {
    "balanced": _thresholds(0.28, 0.35, 0.18),
    "strict": _thresholds(0.12, 0.2, 0.13),
    "paranoid": _thresholds(0.07, 0.1, 0.09),
}
# A sign (comma, dash) belongs to a name only when the model is at least this sure, whatever the level.
_SIGN_SHARE = 0.5
_NO_DOUBT_SHARE = 0.9
_LONE_SHARE = 0.6
_NAME_FLAGS = frozenset("FfLl")
# Words of greetings, sign-offs and labels in ten languages: capitalised beside names, and nobody's name.
_COURTESIES = """
dear regards rgds sincerely cheers thanks hello hallo bonjour bonsoir cordialement madame monsieur sehr geehrte
geehrter geehrten mit freundlichen freundliche grüße grüßen grüsse grüssen gruß gruss viele ihr ihre ihren ihrem
euer eure estimado estimada estimados saludos atentamente cordiales prezado prezada abs abraços atenciosamente
cumprimentos gentile egregio cordiali saluti distinti szanowny szanowna szanowni pozdrawiam pozdrowienia geachte
groet groeten vriendelijke hartelijke hej hälsningar vänliga hilsen venlig adres adresse anschrift address dirección
direccion endereço endereco indirizzo sécu kundenservice serviceteam
"""
_COURTESY = frozenset(form for word in _COURTESIES.split() for form in (word, word.capitalize()))
_CODE = re.compile(r"[A-Za-z0-9+/=_-]{16,}")
_DOMAIN = re.compile(r"(?:https?://|www\.|@)[\w.-]+")
_TURN = re.compile(r"(?<=[0-9])[A-Za-z]|(?<=[A-Za-z])[0-9]")


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

    def __init__(self, weights: Weights, gazetteer: Gazetteer) -> None:
        self._labels, self._transitions = weights.labels, weights.transitions
        self._scorer = Scorer(weights, gazetteer)
        self._gazetteer = gazetteer

    def spans(self, text: str, least: Thresholds) -> list[Span]:
        """Return the spans whose tokens reach the probability of their label; lower thresholds never give less."""
        return self.spans_of([text], least)[0]

    def spans_of(self, texts: Sequence[str], least: Thresholds) -> list[list[Span]]:
        """Return the spans of each text, as `spans` does."""
        read = [(text, tokens) for text in texts if (tokens := tokenize(text)).words]
        shares = marginals_of([self._scorer(text, tokens) for text, tokens in read], self._transitions)
        found = {
            text: self._labelled(text, tokens, own, least) for (text, tokens), own in zip(read, shares, strict=True)
        }
        return [found.get(text, []) for text in texts]

    def _labelled(self, text: str, tokens: Tokens, shares: np.ndarray, least: Thresholds) -> list[Span]:
        kept = self._addressed(text, tokens, shares, self._kept(text, tokens, shares, least))
        runs = [run for run in _runs(kept, text) if not all(map(self._technical, run))]
        return [_span(part) for run in runs for part in _split(run, text) if not _is_lone_sign(part)]

    def _kept(self, text: str, tokens: Tokens, shares: np.ndarray, least: Thresholds) -> list[_Token]:
        names = 1.0 - shares[:, 0]
        likely = shares[:, 1:].argmax(axis=1) + 1
        needed = np.array([1.0, *(least[label] for label in self._labels[1:])], np.float32)
        found = []
        for i in np.nonzero(names >= needed[likely])[0].tolist():
            word = tokens.words[i]
            if (names[i] >= _SIGN_SHARE or word[0].isalnum()) and word not in _COURTESY:
                label = self._labels[likely[i]]
                found.append(_Token(tokens.starts[i], tokens.ends[i], label, float(names[i]), word))
        return list(_outside(text, found))

    def _addressed(self, text: str, tokens: Tokens, shares: np.ndarray, kept: list[_Token]) -> list[_Token]:
        """Take back what cannot be an address, and add what is left out of one.

        Every level judges the longest run that any level sees, so that a stronger one never hides less.
        """
        if not any(token.label == "ADDR" for token in kept):
            return kept
        widest = self._kept(text, tokens, shares, LEVELS["paranoid"])
        parts = [part for run in _runs(widest, text) for part in _split(run, text) if part[0].label == "ADDR"]
        none = {t.start for part in parts if not is_address(text[part[0].start : part[-1].end]) for t in part}
        found = {token.start: token for token in kept if token.label != "ADDR" or token.start not in none}
        places = {start: at for at, start in enumerate(tokens.starts)}
        for token in [token for token in found.values() if token.label == "ADDR"]:
            at = places[token.start]
            for i in range(at + 1, at + 1 + rest_of_ordinal(tokens.words, at)):
                start = tokens.starts[i]
                found.setdefault(start, token._replace(start=start, end=tokens.ends[i], word=tokens.words[i]))
        return [found[start] for start in sorted(found)]

    def _technical(self, token: _Token) -> bool:
        """Say whether a token is technical; a word that is also a name (Ruby) only when the model is in doubt."""
        flags = self._gazetteer.flags(token.word.lower())
        doubtful = token.share < _NO_DOUBT_SHARE or _NAME_FLAGS.isdisjoint(flags)
        letter = token.label == "ORG" and len(token.word) == 1
        return letter or not _is_word(token.word) or ("X" in flags and doubtful)


def _is_lone_sign(part: list[_Token]) -> bool:
    """Say whether a part is one sign of a script without spaces, of which the model is not sure: part of a word."""
    return len(part) == 1 and len(part[0].word) == 1 and part[0].word > "\u3040" and part[0].share < _LONE_SHARE


def _is_word(word: str) -> bool:
    """Say whether a token is made of letters, with the marks that belong to them; `don't` is none."""
    return word.isalpha() or (word[0].isalpha() and "'" not in word and "’" not in word)


def _outside(text: str, tokens: Iterable[_Token]) -> Iterator[_Token]:
    """Leave out tokens of codes, and the companies and places that domain names seem to be."""
    codes = [match.span() for match in _CODE.finditer(text) if _is_code(match.group())]
    domains = [match.span() for match in _DOMAIN.finditer(text)]
    for token in tokens:
        places = codes if token.label == "PER" else codes + domains
        if not any(start <= token.start < end for start, end in places):
            yield token


def _is_code(word: str) -> bool:
    """Say whether a long run of letters and digits is a hash, an id or encoded data: it changes between both often."""
    return sum(1 for _ in _TURN.finditer(word)) >= 4


def _runs(tokens: Iterable[_Token], text: str) -> Iterator[list[_Token]]:
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
