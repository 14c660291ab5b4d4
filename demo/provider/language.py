"""A small language model of support prose: which sentence fits a place in a letter, which word may follow a word."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from demo.provider.classifier import Classifier, softmax
from demo.provider.tokens import tokenize
from demo.provider.words import overlap, stems

_FIT = 5.0
_TOPIC = 2.5
_BRANCHES = 8


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """`following` holds, for each lower-case word, the tokens that followed it in the texts with their shares."""

    replies: Mapping[str, Sequence[str]]
    topics: Classifier
    following: Mapping[str, Mapping[str, float]]

    def sentences(self, function: str, about: str) -> dict[str, float]:
        """Give P(sentence | its function in the letter, the text it answers)."""
        topic = self.topics.probabilities(about)
        wanted = stems(about)
        return softmax(
            {
                sentence: _FIT * overlap(stems(sentence), wanted) + _TOPIC * self._agreement(topic, sentence)
                for sentence in self.replies[function]
            }
        )

    def _agreement(self, topic: Mapping[str, float], sentence: str) -> float:
        shares = self.topics.probabilities(sentence)
        return sum(topic[known] * share for known, share in shares.items())


def successors(texts: Iterable[str]) -> dict[str, dict[str, float]]:
    """Count which tokens follow each word; only the commonest are kept."""
    counts: dict[str, Counter[str]] = {}
    for text in texts:
        tokens = tokenize(text)
        for left, right in pairwise(tokens):
            if right.startswith(" ") and right.strip().isalpha():
                counts.setdefault(left.strip().lower(), Counter())[right] += 1
    return {word: _shares(row) for word, row in counts.items() if len(row) > 1}


def _shares(row: Counter[str]) -> dict[str, float]:
    common = row.most_common(_BRANCHES)
    total = sum(number for _, number in common)
    return {token: number / total for token, number in common}
