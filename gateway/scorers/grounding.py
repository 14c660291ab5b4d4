"""How much of an answer its context supports: every sentence is held against the sentences it may be from.

No model is asked and nothing is downloaded. Words that the context does not have cost a little; a figure, date or name
that it does not have, or has elsewhere, costs much, and so do a negation, a quantity or a role that differs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Final, TypeVar

from gateway.scorers.grounding_figures import Figure, Figures
from gateway.scorers.grounding_text import CLASS, FIGURE, NAME, WORD, Item, Sentence, affixed, read

Place = TypeVar("Place")
# What is left of a sentence's score, for each finding of that kind.
FIGURE_UNKNOWN: Final = 0.3
FIGURE_ELSEWHERE: Final = 0.5
NAMES_ELSEWHERE: Final = 0.5
NAME_UNKNOWN: Final = 0.4
CLASS_UNKNOWN: Final = 0.45
NEGATED: Final = 0.3
REPLACED: Final = 0.7
SWAPPED: Final = 0.45
_LEAST: Final = 0.02
_WEIGHTS: Final = {WORD: 1.0, NAME: 1.5, FIGURE: 1.5, CLASS: 0.7}
_NEAR: Final = 5
_COMPARED: Final = 3  # sentences of the context that one of the answer is held against
# Looked at for one sentence or figure of an answer, the rarest words first: so the time grows with the texts' length,
# and not with its square. A context of a few kB has no word that comes so often.
_LOOKS: Final = 200


def grounding(answer: str, contexts: Sequence[str]) -> float | None:
    """Score from 0 to 1 how much of an answer the contexts support; None where there is nothing to compare."""
    said = read(answer)
    given = [sentence for context in contexts for sentence in read(context)]
    if not said or not given:
        return None
    source = _Source(given)
    scores = [source.score(affixed(sentence, source.keys)) for sentence in said]
    return max(_LEAST, 0.5 * min(scores) + 0.5 * sum(scores) / len(scores))


class _Source:
    """A context, ready to be compared with."""

    def __init__(self, given: Sequence[Sentence]) -> None:
        known = frozenset().union(*(sentence.keys for sentence in given))
        self.sentences = [affixed(sentence, known) for sentence in given]
        self.keys = known | frozenset().union(*(sentence.keys for sentence in self.sentences))
        self._figures = Figures(item.figure for s in self.sentences for item in s.items if item.figure is not None)
        self._places: dict[str, list[int]] = {}
        self._by_dimension: dict[str, _Surroundings] = {}
        for number, sentence in enumerate(self.sentences):
            for key in sentence.keys:
                self._places.setdefault(key, []).append(number)
            for at, item in enumerate(sentence.items):
                if item.figure is not None:
                    self._by_dimension.setdefault(item.figure.dimension, _Surroundings()).add(item, sentence, at)

    def score(self, said: Sentence) -> float:
        """Score one sentence of an answer."""
        near = self._nearest(said)
        keys = frozenset().union(*(sentence.keys for sentence in near)) if near else frozenset()
        share = _covered(said, keys, self.keys, self._figures.knows)
        value = 0.35 + 0.65 * share
        for cost in (*self._unknown(said, near), *_compared(said, near)):
            value *= cost
        return value

    def _nearest(self, said: Sentence) -> list[Sentence]:
        shared: dict[int, float] = {}
        for _, places in _rarest(self._places, said.keys):
            for number in places:
                shared[number] = shared.get(number, 0.0) + 1.0 / len(places)
        ranked = sorted(shared, key=lambda number: (-shared[number], number))
        return [self.sentences[number] for number in ranked[:_COMPARED]]

    def _unknown(self, said: Sentence, near: Sequence[Sentence]) -> Iterator[float]:
        """Find what must stand in the context and does not, or stands at something else there."""
        elsewhere = False
        for at, item in enumerate(said.items):
            if item.figure is not None:
                if not self._figures.knows(item.figure):
                    yield FIGURE_UNKNOWN
                elif (places := self._by_dimension.get(item.figure.dimension)) is not None:
                    elsewhere = elsewhere or places.elsewhere(said, at, item.figure)
            elif item.kind == NAME and item.key not in self.keys and not _plural(item.key, self.keys):
                yield NAME_UNKNOWN
            elif item.kind == CLASS and _class_differs(item.key, near):
                yield CLASS_UNKNOWN
        if elsewhere:
            yield FIGURE_ELSEWHERE
        if _others(said, near):
            yield NAMES_ELSEWHERE


def _covered(said: Sentence, near: frozenset[str], known: frozenset[str], knows: Callable[[Figure], bool]) -> float:
    total = found = 0.0
    for item in said.items:
        weight = _WEIGHTS[item.kind]
        total += weight
        if item.key in near or (item.figure is not None and knows(item.figure)):
            found += weight
        elif item.key in known:
            found += 0.8 * weight
    return found / total if total else 1.0


def _class_differs(key: str, near: Sequence[Sentence]) -> bool:
    """Say whether the nearest sentence that has a member of the class has another one, or none has this one."""
    family = key.partition(":")[0]
    for sentence in near:
        others = {other for other in sentence.keys if other.startswith(f"{family}:")}
        if others:
            return key not in others
    return family not in ("m", "bound", "per")


def _plural(name: str, known: frozenset[str]) -> bool:
    return name + "s" in known or name.removesuffix("s") in known


def _others(said: Sentence, near: Sequence[Sentence]) -> bool:
    """Say whether the sentence with the most in common speaks of other names only."""
    names = {item.key for item in said.items if item.kind == NAME}
    if not names or not near:
        return False
    words = {item.key for item in said.items if item.kind == WORD}
    best = max(near, key=lambda sentence: len(words & sentence.keys))
    theirs = {item.key for item in best.items if item.kind == NAME}
    return len(words & best.keys) >= 2 and bool(theirs) and not names & best.keys


class _Surroundings:
    """What stands around the figures of one dimension."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._near: dict[str, list[tuple[int, float]]] = {}

    def add(self, item: Item, sentence: Sentence, at: int) -> None:
        """Take a figure of the context."""
        for key, weight in _around(sentence, at).items():
            self._near.setdefault(key, []).append((len(self._items), weight))
        self._items.append(item)

    def elsewhere(self, said: Sentence, at: int, figure: Figure) -> bool:
        """Say whether what stands around a figure stands around another one of its kind in the context."""
        around = _around(said, at)
        shared: dict[int, float] = {}
        for key, places in _rarest(self._near, around):
            for place, weight in places:
                shared[place] = shared.get(place, 0.0) + min(around[key], weight)
        own = other = 0.0
        for place, weight in shared.items():
            each = self._items[place]
            if each.figure is not None and each.figure.fits(figure):
                own = max(own, weight)
            elif each.key not in said.keys:
                other = max(other, weight)
        return other > own + 0.45


def _rarest(index: Mapping[str, Sequence[Place]], keys: Iterable[str]) -> Iterator[tuple[str, Sequence[Place]]]:
    """Give where keys stand, the rarest first, until there are places enough."""
    left = _LOOKS
    for count, key in sorted((len(index[key]), key) for key in keys if key in index):
        if left <= 0:
            return
        yield key, index[key][:left]
        left -= count


def _around(sentence: Sentence, at: int) -> dict[str, float]:
    """Give the keys near a place in its clause, the nearer the more."""
    items, clauses = sentence.items, sentence.clauses
    found: dict[str, float] = {}
    for place in range(max(at - _NEAR, 0), min(at + _NEAR + 1, len(items))):
        if place != at and items[place].kind != CLASS and clauses[place] == clauses[at]:
            found[items[place].key] = max(found.get(items[place].key, 0.0), 1.0 / abs(place - at) ** 0.5)
    return found


def _compared(said: Sentence, near: Sequence[Sentence]) -> Iterator[float]:
    """Find what the nearest sentences say the other way round."""
    if not near:
        return
    if _turned(said, near):
        yield NEGATED
    best = near[0]
    if _swapped(said, best):
        yield SWAPPED
    yield from (REPLACED for _ in range(min(_replaced(said, best), 2)))


class _Signs:
    """Which way round the words of a sentence stand."""

    def __init__(self, sentence: Sentence) -> None:
        places = {place for negation in sentence.negations for place in negation}
        self.by_key: dict[str, set[int]] = {}
        for place, item in enumerate(sentence.items):
            if item.kind == WORD:
                self.by_key.setdefault(item.key, set()).add(-item.sign if place in places else item.sign)
        self.negated = {sentence.items[place].key for place in places}
        self.negations = [[sentence.items[place].key for place in each] for each in sentence.negations]

    def agrees(self, other: "_Signs", keys: Iterable[str]) -> bool:
        return any(self.by_key.get(key, set()) & other.by_key.get(key, set()) for key in keys)


def _turned(said: Sentence, near: Sequence[Sentence]) -> bool:
    """Say whether a word is negated, or its opposite stands, on one side only."""
    own, best = _Signs(said), [_Signs(sentence) for sentence in near]
    for keys in own.negations:
        facing = next((signs for signs in best if any(key in signs.by_key for key in keys)), best[0])
        if not own.agrees(facing, keys) and not _denies(facing, own):
            return True
    for keys in best[0].negations:
        shared = [key for key in keys if key in own.by_key]
        if shared and not own.agrees(best[0], shared) and not _denies(own, best[0]):
            return True
    for key in own.by_key.keys() - own.negated:
        signs = next((signs for signs in best if key in signs.by_key), None)
        if signs is not None and key not in signs.negated and not own.agrees(signs, [key]):
            return True
    return False


def _denies(one: _Signs, other: _Signs) -> bool:
    """Say whether a sentence negates something that the other does not speak of: perhaps the same in other words."""
    return any(not keys or keys[0] not in other.by_key for keys in one.negations)


def _swapped(said: Sentence, best: Sentence) -> bool:
    """Say whether two things changed places around what happens between them; a passive turns them by right."""
    if said.passive != best.passive:
        return False
    order = {item.key: place for place, item in reversed(list(enumerate(best.items)))}
    names = {item.key for item in (*said.items, *best.items) if item.kind == NAME}
    known = [item.key for item in said.items if item.key in order and item.kind in (NAME, WORD)]
    return any(
        (one in names) == (two in names) and (gap == 2 or one in names) and order[two] < order[middle] < order[one]
        for gap in (2, 3)
        for one, middle, two in zip(known, known[1:], known[gap:], strict=False)
    )


def _replaced(said: Sentence, best: Sentence) -> int:
    """Count words that stand where the context has others, while all around is the same."""
    one, two = [item.key for item in best.items], [item.key for item in said.items]
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    if matcher.ratio() < 0.55:
        return 0
    count = 0
    shared = set(one)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag != "replace" or j - i > 2 or m - k > 2:
            continue
        new = [item for item in said.items[k:m] if item.key not in shared and item.kind == WORD]
        old = [item for item in best.items[i:j] if item.kind == WORD and item.key not in said.keys]
        count += bool(new) and bool(old)
    return count
