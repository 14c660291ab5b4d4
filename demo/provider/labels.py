"""Maps labels that a request allows to the classes the model was trained on, by the likeness of their words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from demo.provider.classifier import Classifier
from demo.provider.words import likeness, name_words, overlap, stem, stems, words

_MATCHED = 0.45  # mean affinity from which a trained task is taken as the one that is meant
_SURE = 0.6
_REST = frozenset({"other", "others", "unknown", "none", "general", "misc", "miscellaneous", "else", "unclear", "na"})
_REST_SHARE = 0.06
_CLAIM = 0.3**4
_HINT_BONUS = 0.15
_MOST_COMPARED = 10_000  # labels remembered with their likeness to the classes
_WORD_BONUS = 0.4  # a label whose words stand in the text, beside a trained class
_ONLY_WORDS_BONUS = 3.0  # the same, when nothing else is known about the labels


@dataclass(frozen=True, slots=True)
class LabelModel:
    """Probabilities over any list of labels."""

    classifiers: Mapping[str, Classifier]
    aliases: Mapping[str, Sequence[str]]
    _compared: dict[tuple[str, str], Mapping[str, float]] = field(default_factory=dict, repr=False, compare=False)

    def distribution(self, labels: Sequence[str], text: str, hint: str = "") -> dict[str, float]:
        """Give P(label | text); `hint` is the name of the field or the question, such as "priority"."""
        match = self._best_match(labels, hint)
        shares = _shares(match, labels, text) if match else dict.fromkeys(labels, 1.0 / len(labels))
        bonus = _WORD_BONUS if match else _ONLY_WORDS_BONUS
        text_stems = stems(text)
        scored = {
            label: share * (1 + bonus * overlap(stems(name_words(label)), text_stems))
            for label, share in shares.items()
        }
        total = sum(scored.values())
        return {label: value / total for label, value in scored.items()}

    def class_probability(self, phrase: str, text: str) -> float | None:
        """Give the probability of the trained class that a phrase names, None when it names none."""
        found = [
            (affinity, task, known)
            for task in self.classifiers.values()
            for known, affinity in self._affinities(phrase, task).items()
        ]
        affinity, task, known = max(found, key=lambda item: item[0])
        return task.probabilities(text)[known] if affinity >= _SURE else None

    def score(self, text: str, hint: str) -> float:
        """Give a graded judgement of a text between 0 and 1 (interest of a buyer, urgency, mood)."""
        task = next((name for name, cues in _SCALE_CUES.items() if cues & set(words(hint))), "interest")
        shares = self.classifiers[task].probabilities(text)
        return sum(_SCALES[task][known] * share for known, share in shares.items())

    def _best_match(self, labels: Sequence[str], hint: str) -> "_Match | None":
        hinted = {stem(word) for word in words(name_words(hint))}
        matches = [
            _Match(task, {label: self._affinities(label, task) for label in labels})
            for task in self.classifiers.values()
        ]
        match = max(matches, key=lambda match: match.fit() + _HINT_BONUS * (stem(match.task.name) in hinted))
        return match if match.fit() + _HINT_BONUS * (stem(match.task.name) in hinted) >= _MATCHED else None

    def _affinities(self, label: str, task: Classifier) -> Mapping[str, float]:
        key = (label, task.name)
        if key not in self._compared:
            if len(self._compared) >= _MOST_COMPARED:
                self._compared.clear()
            self._compared[key] = self._compare(words(name_words(label)), task)
        return self._compared[key]

    def _compare(self, parts: Sequence[str], task: Classifier) -> dict[str, float]:
        phrase = " ".join(parts)
        shares = task.probabilities(phrase) if task.knows(phrase) else {}
        return {known: max(self._by_name(parts, known), 0.8 * shares.get(known, 0.0)) for known in task.classes}

    def _by_name(self, parts: Sequence[str], known: str) -> float:
        aliases = max((likeness(part, alias) for part in parts for alias in self.aliases.get(known, ())), default=0.04)
        return max([aliases - 0.04, *(likeness(part, known) for part in parts)])


@dataclass(frozen=True, slots=True)
class _Match:
    task: Classifier
    table: Mapping[str, Mapping[str, float]]

    def fit(self) -> float:
        named = [max(row.values()) for label, row in self.table.items() if not _is_rest(label)]
        return sum(named) / len(named) if named else 0.0


def _shares(match: _Match, labels: Sequence[str], text: str) -> dict[str, float]:
    """Hand each class's probability to the labels that resemble it; a class that none resembles goes to the rest."""
    rest = [label for label in labels if _is_rest(label)]
    shares = dict.fromkeys(labels, 1e-4)
    for known, probability in match.task.probabilities(text).items():
        claims = {label: match.table[label][known] ** 4 for label in labels if label not in rest}
        claimed = max(claims.values(), default=0.0) >= _CLAIM or not rest
        for label, claim in claims.items():
            shares[label] += claimed * probability * claim / (sum(claims.values()) or 1.0)
        for label in rest:
            shares[label] += probability * (_REST_SHARE if claimed else 1.0) / len(rest)
    return shares


_SCALES: Mapping[str, Mapping[str, float]] = {
    "priority": {"low": 0.0, "normal": 0.35, "high": 0.75, "urgent": 1.0},
    "sentiment": {"negative": 0.0, "neutral": 0.5, "positive": 1.0},
    "interest": {"cold": 0.0, "warm": 0.5, "hot": 1.0},
}
_SCALE_CUES: Mapping[str, frozenset[str]] = {
    "priority": frozenset({"urgency", "priority", "severity", "urgent"}),
    "sentiment": frozenset({"sentiment", "mood", "satisfaction", "csat", "tone"}),
}


def _is_rest(label: str) -> bool:
    return any(word in _REST for word in words(name_words(label)))
