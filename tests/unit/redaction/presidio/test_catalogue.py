"""The list of recognizers that policies may name is the list that the installed Presidio can make."""

import inspect

import pytest
from presidio_analyzer import EntityRecognizer, predefined_recognizers

from redaction.presidio.catalogue import PREDEFINED, unknown
from redaction.presidio.recognizers import predefined

# These need a model, an account or another NLP engine.
ELSEWHERE = {
    *("SpacyRecognizer", "StanzaRecognizer", "TransformersRecognizer", "GLiNERRecognizer", "HuggingFaceNerRecognizer"),
    *("MedicalNERRecognizer", "AzureAILanguageRecognizer", "AzureHealthDeidRecognizer", "LangExtractRecognizer"),
    *("AzureOpenAILangExtractRecognizer", "BasicLangExtractRecognizer"),
}


def test_the_catalogue_is_complete() -> None:
    classes = {
        name
        for name, value in inspect.getmembers(predefined_recognizers, inspect.isclass)
        if issubclass(value, EntityRecognizer)
    }
    assert classes - ELSEWHERE == PREDEFINED


@pytest.mark.parametrize("name", sorted(PREDEFINED))
def test_every_recognizer_can_be_made_for_any_language(name: str) -> None:
    assert predefined(name, "nl").supported_language == "nl"


def test_unknown_names_are_said() -> None:
    assert unknown(["UsSsnRecognizer", "spacy:en_core_web_lg", "NoSuch"]) == ["NoSuch"]
    with pytest.raises(ValueError, match="NoSuch"):
        predefined("NoSuch", "en")
