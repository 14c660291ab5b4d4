"""Reads the sample inputs that are shipped beside this file."""

import json
from pathlib import Path
from typing import Any, Final

import automations.support
from automations.retrieval.articles import read_articles

AUTOMATIONS = ("inbound-triage", "crm-enrichment", "qualification-summary", "support-drafting")

_ARTICLES: Final = Path(next(iter(automations.support.__path__))) / "articles"
_FILES = dict(zip(AUTOMATIONS, ("triage", "enrichment", "qualification", "support"), strict=True))


def samples(automation: str) -> list[dict[str, Any]]:
    """Give the inputs of an automation; `expected` in each is for whoever judges, never for the model."""
    return _rows(_FILES[automation])


def articles() -> list[dict[str, str]]:
    """Give the knowledge base that support drafts are made from."""
    return [{"id": each.article, "title": each.title, "text": each.text} for each in read_articles(_ARTICLES)]


def _rows(name: str) -> list[dict[str, Any]]:
    text = (Path(__file__).parent / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
