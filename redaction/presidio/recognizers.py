"""Presidio recognizers: ours wrapped, and Presidio's own without their network use."""

from collections.abc import Callable, Iterable, Sequence

import tldextract
from presidio_analyzer import EntityRecognizer, RecognizerResult, predefined_recognizers
from presidio_analyzer.nlp_engine import NlpArtifacts
from presidio_analyzer.predefined_recognizers import EmailRecognizer

from redaction.presidio.catalogue import PREDEFINED
from redaction.types import Entity


class Wrapped(EntityRecognizer):
    """Any function from a text to entities, as a Presidio recognizer."""

    def __init__(self, name: str, kinds: Sequence[str], language: str, find: Callable[[str], Iterable[Entity]]) -> None:
        self._find = find
        super().__init__(supported_entities=list(kinds), supported_language=language, name=name)

    def load(self) -> None:
        """Do nothing: the function is ready."""

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: NlpArtifacts | None = None,  # Presidio passes it by name
    ) -> list[RecognizerResult]:
        """Return the function's entities as Presidio results."""
        return [result(entity, self.id) for entity in self._find(text) if entity.kind in entities]


class OfflineEmailRecognizer(EmailRecognizer):
    """Presidio's e-mail recognizer with the list of domain endings that ships with tldextract, never fetched."""

    def __init__(self, supported_language: str = "en") -> None:
        self._endings = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
        super().__init__(supported_language=supported_language, name="EmailRecognizer")

    def validate_result(self, pattern_text: str) -> bool:
        """Say whether the domain ends in a known ending."""
        return bool(self._endings(pattern_text).fqdn)


def result(entity: Entity, identifier: str = "") -> RecognizerResult:
    """Return an entity as a Presidio result."""
    names = {
        RecognizerResult.RECOGNIZER_NAME_KEY: entity.recognizer,
        RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: identifier or entity.recognizer,
    }
    return RecognizerResult(entity.kind, entity.start, entity.end, entity.score, recognition_metadata=names)


def entity(found: RecognizerResult) -> Entity:
    """Return a Presidio result as an entity."""
    name = found.recognition_metadata[RecognizerResult.RECOGNIZER_NAME_KEY]
    return Entity(found.entity_type, found.start, found.end, round(float(found.score), 3), name)


def predefined(name: str, language: str) -> EntityRecognizer:
    """Return one of Presidio's own recognizers for a language; raises ValueError for an unknown name."""
    if name == "EmailRecognizer":
        return OfflineEmailRecognizer(supported_language=language)
    if name not in PREDEFINED:
        raise ValueError(f"Presidio has no recognizer {name}")
    recognizer: EntityRecognizer = getattr(predefined_recognizers, name)(supported_language=language)
    return recognizer
