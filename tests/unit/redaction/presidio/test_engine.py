"""Presidio hosts the very recognizer that runs without it, beside the recognizers a policy enables."""

from pathlib import Path
from typing import Any

import pytest
import spacy
import tldextract

from redaction.find import Finder
from redaction.names.recognizer import Names, load_names
from redaction.presidio.engine import PresidioEngine, host
from redaction.presidio.frames import Query
from redaction.presidio.names_worker import NamesEngine
from redaction.presidio.recognizers import OfflineEmailRecognizer, Wrapped
from redaction.presidio.serve import search
from redaction.recognizers.catalogue import BUILT_IN

TEXTS = [
    "Hi Sarah, this is Tom Becker from Vantage Logistics in Rotterdam.",
    "Ship to:\nMaria Lopez\n12 Oak Street\nSpringfield, IL 62704\nthen call tom",
    "nginx on EKS talks to S3. Mr. Okafor is Nigerian.",
    "",
]


@pytest.fixture(scope="module")
def names() -> Names:
    return load_names()


@pytest.fixture(scope="module")
def engine(names: Names) -> PresidioEngine:
    return PresidioEngine(names)


@pytest.mark.parametrize("level", ["off", "balanced", "strict", "paranoid"])
def test_with_and_without_presidio_the_names_are_the_same(names: Names, engine: PresidioEngine, level: str) -> None:
    query = Query(level, "en")
    assert search(engine, TEXTS, query) == search(NamesEngine(names), TEXTS, query)


def test_enabled_recognizers_join_the_names(engine: PresidioEngine) -> None:
    text = "Sarah Connor, ssn 536-90-4399, mail sarah@corp.example.com, host db.internal"
    query = Query("balanced", "en", ("UsSsnRecognizer", "EmailRecognizer"))
    found = {(e.kind, text[e.start : e.end]) for e in engine.find([text], query)[0]}
    assert {("US_SSN", "536-90-4399"), ("EMAIL_ADDRESS", "sarah@corp.example.com"), ("PERSON", "Sarah Connor")} <= found


def test_context_words_raise_a_score(engine: PresidioEngine) -> None:
    query = Query("off", "en", ("UsPassportRecognizer",))
    assert engine.find(["the code is A12345678"], query) == [[]]
    ((near,),) = engine.find(["the passport number is A12345678"], query)
    assert near.score > 0.4


def test_a_light_process_refuses_what_it_cannot_do(names: Names) -> None:
    with pytest.raises(ValueError, match="names only"):
        NamesEngine(names).find(["x"], Query("off", "en", ("UsSsnRecognizer",)))


def test_an_installed_spacy_pipeline_can_be_used(engine: PresidioEngine, tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Zorblax"}])
    nlp.to_disk(tmp_path / "pipeline")
    query = Query("off", "en", (f"spacy:{tmp_path / 'pipeline'}",))
    assert [(e.kind, e.start) for e in engine.find(["I met Zorblax"], query)[0]] == [("PERSON", 6)]


def test_a_missing_spacy_pipeline_is_an_error_and_no_download(engine: PresidioEngine) -> None:
    with pytest.raises(OSError, match="no_such_model"):
        engine.find(["x"], Query("off", "en", ("spacy:no_such_model",)))


def test_mail_domains_are_checked_without_a_fetched_list() -> None:
    recognizer = OfflineEmailRecognizer()
    assert recognizer.validate_result("a@b.co.uk")
    assert not recognizer.validate_result("a@b.notatld")
    assert isinstance(recognizer._endings, tldextract.TLDExtract)
    assert not recognizer._endings.suffix_list_urls


def test_our_own_recognizers_can_be_hosted_too() -> None:
    finder = Finder(BUILT_IN, b"key")
    ours = Wrapped("sluice", sorted({r.kind for r in BUILT_IN}), "en", finder.find)
    text = "write to ann@example.com, card 4111 1111 1111 1111"
    found = {(r.entity_type, text[r.start : r.end]) for r in host([ours], "en").analyze(text, "en")}
    assert {("EMAIL_ADDRESS", "ann@example.com"), ("CREDIT_CARD", "4111 1111 1111 1111")} <= found
