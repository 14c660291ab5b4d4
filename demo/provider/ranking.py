"""Chooses sentences: BM25 for what matches a question, TextRank for what stands for a text."""

import math
from collections import Counter
from collections.abc import Sequence

from demo.provider.words import overlap, stems

_K1 = 1.4
_B = 0.6
_DAMPING = 0.85
_ROUNDS = 12


def bm25(query: str, texts: Sequence[str]) -> list[float]:
    """Score each text against a query."""
    bags = [stems(text) for text in texts]
    mean = sum(map(len, bags)) / max(len(bags), 1) or 1.0
    seen = Counter(stem for bag in bags for stem in set(bag))
    wanted = set(stems(query))
    return [_bm25(wanted, bag, seen, (len(bags), mean)) for bag in bags]


def _bm25(wanted: set[str], bag: list[str], seen: Counter[str], size: tuple[int, float]) -> float:
    number, mean = size
    counts = Counter(bag)
    score = 0.0
    for stem in sorted(wanted & counts.keys()):
        rarity = math.log(1 + (number - seen[stem] + 0.5) / (seen[stem] + 0.5))
        score += rarity * counts[stem] * (_K1 + 1) / (counts[stem] + _K1 * (1 - _B + _B * len(bag) / mean))
    return score


def textrank(sentences: Sequence[str]) -> list[float]:
    """Score each sentence by how much of the others it carries; the mean score is 1."""
    bags = [stems(sentence) for sentence in sentences]
    links = [[0.0 if a is b else overlap(a, b) + overlap(b, a) + 1e-6 for b in bags] for a in bags]
    out = [sum(row) or 1.0 for row in links]
    ranks = [1.0] * len(bags)
    for _ in range(_ROUNDS):
        ranks = [
            1 - _DAMPING + _DAMPING * sum(ranks[j] * links[j][i] / out[j] for j in range(len(bags)))
            for i in range(len(bags))
        ]
    return ranks
