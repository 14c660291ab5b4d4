"""Presidio's AnalyzerEngine, hosting the names model and the recognizers a policy enables."""

from collections.abc import Sequence
from functools import lru_cache, partial

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry
from presidio_analyzer.predefined_recognizers import SpacyRecognizer

from redaction.names.recognizer import KINDS, Names
from redaction.presidio.catalogue import SPACY
from redaction.presidio.frames import Query
from redaction.presidio.nlp import WordsNlpEngine
from redaction.presidio.recognizers import Wrapped, entity, predefined
from redaction.presidio.windowed import windowed
from redaction.types import Entity

# Below this Presidio's scores mean nothing (any nine digits are a passport at 0.05).
_LEAST_SCORE = 0.2
_KEPT_ENGINES = 16


def host(recognizers: Sequence[EntityRecognizer], language: str, model: str = "") -> AnalyzerEngine:
    """Return an AnalyzerEngine that needs no download; `model` names an installed spaCy pipeline to use with it."""
    nlp = WordsNlpEngine(language, model)
    nlp.load()
    registry = RecognizerRegistry(recognizers=list(recognizers), supported_languages=[language])
    return AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=[language])


class PresidioEngine:
    """One analyzer for each combination of language, names level and enabled recognizers; the last few are kept."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.plain = names.plain
        self._analyzer = lru_cache(_KEPT_ENGINES)(self._build)

    def find(self, texts: Sequence[str], query: Query) -> list[list[Entity]]:
        """Return the entities of each text."""
        return [self._of(text, query) for text in texts]

    def _of(self, text: str, query: Query) -> list[Entity]:
        results = self._analyzer(query).analyze(text, query.language, score_threshold=_LEAST_SCORE)
        return [entity(found) for found in sorted(results, key=lambda found: (found.start, found.end))]

    def _build(self, query: Query) -> AnalyzerEngine:
        kinds = sorted(set(KINDS.values()))
        names = Wrapped("names", kinds, query.language, partial(self._names.find, level=query.level))
        enabled = [_enabled(name, query.language) for name in query.presidio]
        model = next((name.removeprefix(SPACY) for name in query.presidio if name.startswith(SPACY)), "")
        return host([names, *enabled], query.language, model)


def _enabled(name: str, language: str) -> EntityRecognizer:
    if name.startswith(SPACY):
        return SpacyRecognizer(supported_language=language)
    return windowed(predefined(name, language))
