"""The names recognizer: entities with Presidio's kinds and scores that fit a policy's thresholds."""

import re
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files

from redaction.names.gazetteer import load_gazetteer
from redaction.names.model import LEVELS, NamesModel, Span, Thresholds
from redaction.names.weights import read_weights
from redaction.types import Entity

KINDS = {"PER": "PERSON", "LOC": "LOCATION", "ADDR": "LOCATION", "ORG": "ORGANIZATION", "NRP": "NRP", "TITLE": "TITLE"}
_POSTCODE_AFTER = re.compile(
    r"(?:,? |\n\s*)(\d{3} \d{2}|\d{5,6}|\d{5}-\d{3,4}|\d{2}-\d{3}|\d{4} ?[A-Z]{2}|\d{4}(?! [a-z]))\b(?![-./:]?\d)"
)
_POSTCODE_BEFORE = re.compile(r"(?<![-./:\d#])\b(?:[A-Z]{1,2}-)?(\d{4,5}|\d{3} \d{2}|\d{2}-\d{3}|\d{4} ?[A-Z]{2}) \Z")
_YEAR = re.compile(r"(?:19|20)\d\d")
_RECOGNIZERS = {"ADDR": "names.address"}


class Names:
    """Finds people, places, addresses, organisations, titles and nationalities in one text."""

    def __init__(self, model: NamesModel, plain: frozenset[str]) -> None:
        self._model = model
        self.plain = plain

    def warm_up(self) -> None:
        """Learn the features of everyday words, so that the first texts are as fast as later ones."""
        self._model.spans(" ".join(sorted(self.plain)), LEVELS["balanced"])

    def find(self, text: str, level: str) -> list[Entity]:
        """Return the entities of a `names` level (off, balanced, strict, paranoid).

        A score of 0.5 means: just enough for this level; 1 means certain.
        """
        return self.find_all([text], level)[0]

    def find_all(self, texts: Sequence[str], level: str) -> list[list[Entity]]:
        """Return the entities of each text, as `find` does; many short texts take less time together."""
        if level == "off":
            return [[] for _ in texts]
        least = LEVELS[level]
        return [
            _entities(text, spans, least) for text, spans in zip(texts, self._model.spans_of(texts, least), strict=True)
        ]


def _entities(text: str, spans: Sequence[Span], least: Thresholds) -> list[Entity]:
    found = [
        Entity(KINDS[label], start, end, _score(share, least[label]), _RECOGNIZERS.get(label, "names"))
        for start, end, label, share in spans
    ]
    return [*found, *_postcodes(text, found)]


def _postcodes(text: str, found: Sequence[Entity]) -> Iterator[Entity]:
    """Give the numbers that stand right before or behind a place as postcodes do."""
    for place in found:
        if place.kind != "LOCATION":
            continue
        since = max(0, place.start - 12)
        before = _POSTCODE_BEFORE.search(text[since : place.start])
        for match, shift in ((_POSTCODE_AFTER.match(text, place.end), 0), (before, since)):
            if match is not None and not _YEAR.fullmatch(match[1]):
                yield Entity("POSTCODE", match.start(1) + shift, match.end(1) + shift, place.score, "names.postcode")


def _score(share: float, least: float) -> float:
    return round(0.5 + 0.5 * (share - least) / (1.0 - least), 3)


def load_names() -> Names:
    """Load the model and the word lists that ship with this package."""
    data = files("redaction.names") / "data"
    with as_file(data / "gazetteer.txt.gz") as path:
        gazetteer = load_gazetteer(path)
    with as_file(data / "model.gz") as path:
        return Names(NamesModel(read_weights(path), gazetteer), gazetteer.plain)
