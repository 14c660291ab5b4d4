"""Writes an answer token by token from explicit distributions, so that every reported logprob is the true one."""

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from demo.provider.tokens import tokenize

_END = ""  # a branch of the choice ends here
_FLOOR = 1e-9
_CERTAIN = 0.98  # a slip's shadow is no doubt about a decision


@dataclass(frozen=True, slots=True)
class Piece:
    """One token with its log probability and the alternatives at its place, most probable first."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Sampling:
    temperature: float = 1.0
    top_p: float = 1.0


@dataclass
class Writer:
    """The growing answer. `slips` maps a word to the words that may wrongly follow it, `slip_rate` says how often."""

    rng: random.Random
    sampling: Sampling
    slips: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    slip_rate: float = 0.0
    pieces: list[Piece] = field(default_factory=list)
    weakest: float = 1.0
    _quoted: bool = False

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    def say(self, text: str) -> None:
        """Write a text that leaves no choice."""
        self.pieces.extend(Piece(token, 0.0, ((token, 0.0),)) for token in tokenize(self._escape(text)))

    def choose(self, options: Mapping[str, float], end: str = "") -> str:
        """Write one of the options (text -> weight), sampled token by token, and return what was written.

        `end` is written after every option and takes part in the choice, so that an option which begins another is told
        from it.
        """
        branches = [(tokenize(self._escape(text) + end), max(weight, _FLOOR)) for text, weight in options.items()]
        start = len(self.pieces)
        self._descend(branches, slipping=False)
        return self._unescape("".join(piece.text for piece in self.pieces[start:]).removesuffix(end))

    def copy(self, options: Mapping[str, float]) -> str:
        """Write one of the options as running text: like `choose`, but a word may slip."""
        branches = [(tokenize(self._escape(text)), max(weight, _FLOOR)) for text, weight in options.items()]
        start = len(self.pieces)
        self._descend(branches, slipping=self.slip_rate > 0)
        return self._unescape("".join(piece.text for piece in self.pieces[start:]))

    def choose_string(self, options: Mapping[str, float]) -> str:
        """Write one of the options as a JSON string."""
        self.say('"')
        self._quoted = True
        chosen = self.choose(options, end='"')
        self._quoted = False
        return chosen

    def unless(self, rival: str, share: float, write: Callable[[], None]) -> None:
        """Write `rival` with probability `share`, else call `write`, whose first token then bears the choice."""
        if self._sample({_END: 1 - share, rival: share}) == rival:
            self.pieces.append(Piece(rival, _log(share), ((rival, _log(share)),)))
            return
        start = len(self.pieces)
        write()
        self.pieces[start] = _beside(self.pieces[start], rival, share)

    @contextmanager
    def quoted(self) -> Iterator[None]:
        """Write inside a JSON string."""
        self.say('"')
        self._quoted = True
        yield
        self._quoted = False
        self.say('"')

    def _descend(self, branches: list[tuple[list[str], float]], *, slipping: bool) -> None:
        depth = 0
        while branches:
            if len(branches) == 1 and not slipping:
                self.pieces.extend(Piece(token, 0.0, ((token, 0.0),)) for token in branches[0][0][depth:])
                return
            planned = _next_tokens(branches, depth)
            token = self._emit(self._with_slips(planned) if slipping else planned)
            if token == _END:
                return
            followed = token if token in planned else max(planned, key=lambda known: planned[known])
            branches = [branch for branch in branches if (branch[0][depth : depth + 1] or [_END])[0] == followed]
            depth += 1
            if followed == _END:
                return

    def _with_slips(self, planned: dict[str, float]) -> dict[str, float]:
        after = self.slips.get(self.pieces[-1].text.strip().lower(), {}) if self.pieces else {}
        if not after or _END in planned or not any(token.startswith(" ") for token in planned):
            return planned
        mixed = {token: share * (1 - self.slip_rate) for token, share in planned.items()}
        for token, share in after.items():
            mixed[token] = mixed.get(token, 0.0) + share * self.slip_rate
        return mixed

    def _emit(self, shares: Mapping[str, float]) -> str:
        token = self._sample(shares)
        if token != _END:
            ranked = sorted(shares.items(), key=lambda item: -item[1])
            top = tuple((text, _log(share)) for text, share in ranked if text != _END)[:20]
            self.pieces.append(Piece(token, _log(shares[token]), top))
            if shares[token] < _CERTAIN:
                self.weakest = min(self.weakest, shares[token])
        return token

    def _sample(self, shares: Mapping[str, float]) -> str:
        if len(shares) == 1 or self.sampling.temperature == 0:
            return max(shares, key=lambda token: shares[token])
        ranked = _nucleus(sorted(shares.items(), key=lambda item: -item[1]), self.sampling.top_p)
        heat = max(self.sampling.temperature, 0.01)
        best = ranked[0][1]
        weights = [(share / best) ** (1 / heat) for _, share in ranked]
        return self.rng.choices([token for token, _ in ranked], weights)[0]

    def _escape(self, text: str) -> str:
        return json.dumps(text, ensure_ascii=False)[1:-1] if self._quoted else text

    def _unescape(self, text: str) -> str:
        return str(json.loads(f'"{text}"')) if self._quoted else text


def _next_tokens(branches: Sequence[tuple[list[str], float]], depth: int) -> dict[str, float]:
    total = sum(weight for _, weight in branches)
    shares: dict[str, float] = {}
    for tokens, weight in branches:
        token = tokens[depth] if depth < len(tokens) else _END
        shares[token] = shares.get(token, 0.0) + weight / total
    return shares


def _beside(piece: Piece, rival: str, share: float) -> Piece:
    kept = _log(1 - share)
    top = [(text, logprob + kept) for text, logprob in piece.top] + [(rival, _log(share))]
    return Piece(piece.text, piece.logprob + kept, tuple(sorted(top, key=lambda item: -item[1])))


def _nucleus(ranked: list[tuple[str, float]], top_p: float) -> list[tuple[str, float]]:
    kept, mass = 0, 0.0
    for _, share in ranked:
        kept += 1
        mass += share
        if mass >= top_p:
            break
    return ranked[:kept]


def _log(share: float) -> float:
    return math.log(max(share, _FLOOR)) if share < 1 else 0.0
