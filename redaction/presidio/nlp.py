"""A Presidio NLP engine that needs no downloaded model: spaCy's tokenizer, with lower-cased words for lemmas."""

import spacy
from presidio_analyzer.nlp_engine import NlpArtifacts, SpacyNlpEngine
from spacy.tokens import Doc


class WordsNlpEngine(SpacyNlpEngine):
    """Tokenizes any language; context words are compared as lower-cased words.

    `model` names an installed spaCy pipeline whose entities are used too; it is never downloaded.
    """

    def __init__(self, language: str, model: str = "") -> None:
        super().__init__(models=[{"lang_code": language, "model_name": model or "blank"}])
        self._language = language
        self._model = model

    def load(self) -> None:
        """Load the pipeline, or the bare tokenizer; raises OSError when the pipeline is not installed."""
        pipeline = spacy.load(self._model) if self._model else spacy.blank(self._language)
        self.nlp = {self._language: pipeline}  # type: ignore[assignment]

    def _doc_to_nlp_artifact(self, doc: Doc, language: str) -> NlpArtifacts:
        artifacts: NlpArtifacts = super()._doc_to_nlp_artifact(doc, language)
        if not self._model:
            artifacts.lemmas = [token.lower_ for token in doc]
            artifacts.keywords = NlpArtifacts.set_keywords(self, artifacts.lemmas, language)
        return artifacts
