"""Embeddings over the wire beside BM25: the sample tickets find their article at least as well as by words alone."""

from pathlib import Path

from openai import OpenAI

import automations.support
from automations.retrieval.index import Embed, KnowledgeBase
from demo.samples.read import samples
from tests.integration.demo.conftest import Serve

ARTICLES = Path(next(iter(automations.support.__path__))) / "articles"


def test_embeddings_are_asked_once_and_help(serve: Serve) -> None:
    tickets = samples("support-drafting")
    with serve() as url, OpenAI(base_url=url, api_key="any") as client:

        def embed(texts: list[str]) -> list[list[float]]:
            return [each.embedding for each in client.embeddings.create(model="simulated-small", input=texts).data]

        knowledge = KnowledgeBase(ARTICLES)

        def right(how: Embed | None) -> int:
            found = [knowledge.search(ticket["text"], 3, how)[1] for ticket in tickets]
            wanted = [ticket["expected"]["article"] for ticket in tickets]
            return sum(each in {hit.passage.article for hit in hits} for each, hits in zip(wanted, found, strict=True))

        by_words, by_both = right(None), right(embed)
    assert by_both >= by_words >= 0.8 * len(tickets)
