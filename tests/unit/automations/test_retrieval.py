"""Retrieval: articles become passages, questions find them, and what was found is left on record."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automations.retrieval.articles import BadArticle, read_articles
from automations.retrieval.index import KnowledgeBase
from demo.samples.read import articles, samples


@dataclass
class Story:
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def note(self, kind: str, **body: Any) -> None:
        self.notes.append((kind, body))


def base(folder: Path, **texts: str) -> KnowledgeBase:
    for name, text in texts.items():
        (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
    return KnowledgeBase(folder)


REFUND = "# Refunds\n\nWe refund double charges within five days.\n\n## Limits\n\nNot after a year.\n"


def test_passages_of_each_kind_of_file(tmp_path: Path) -> None:
    base(tmp_path, Refunds_md=REFUND, parcel_txt="Tracking.\n\nOnce a day.", page_html="<h1>Lost</h1><p>Write us</p>")
    found = {each.id: (each.title, each.text) for each in read_articles(tmp_path)}
    assert found == {
        "refunds.1": ("Refunds", "We refund double charges within five days."),
        "refunds.2": ("Limits", "Not after a year."),
        "parcel.1": ("parcel", "Tracking.\n\nOnce a day."),
        "page.1": ("page", "Lost\n\nWrite us"),
    }


def test_files_that_cannot_be_articles(tmp_path: Path) -> None:
    base(tmp_path, A_md="x", a_txt="y")
    with pytest.raises(BadArticle, match="share the id a"):
        read_articles(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    (tmp_path / "A.md").unlink()
    with pytest.raises(BadArticle, match=r"a\.txt is no UTF-8 text"):
        read_articles(tmp_path)


def test_what_was_found_is_left_in_the_run(tmp_path: Path) -> None:
    story = Story()
    knowledge = base(tmp_path, refunds_md=REFUND, parcel_md="# Parcel\n\nTracking is renewed once a day.")
    hits = knowledge.retrieve(story, "refunding a double charge?")
    assert [hit.passage.id for hit in hits] == ["refunds.1"]
    assert knowledge.retrieve(story, "quantum physics") == []
    (kind, found), (_, nothing) = story.notes
    assert (kind, found["ids"], found["hits"], found["empty"]) == ("retrieval", ["refunds.1"], 1, False)
    assert found["query"] == "refunding a double charge?"
    assert found["scores"] == [found["top_score"]]
    assert (nothing["ids"], nothing["empty"], nothing["top_score"]) == ([], True, 0.0)
    assert found["index_version"] == nothing["index_version"]


def test_a_changed_article_is_found_and_makes_another_version(tmp_path: Path) -> None:
    knowledge = base(tmp_path, a_md="apples")
    before, _ = knowledge.search("pears")
    (tmp_path / "a.md").write_text("pears and apples")
    after, hits = knowledge.search("pears")
    assert before != after
    assert len(hits) == 1
    assert KnowledgeBase(tmp_path).search("pears")[0] == after


def test_nearness_of_meaning_is_added_to_that_of_words(tmp_path: Path) -> None:
    asked: list[list[str]] = []

    def embed(texts: list[str]) -> list[list[float]]:
        asked.append(texts)
        return [[1.0, 0.0] if "automobile" in text or "car" in text else [0.0, 1.0] for text in texts]

    knowledge = base(tmp_path, auto_md="An automobile needs fuel.", fruit_md="Apples need rain.")
    assert knowledge.search("car")[1] == []
    assert knowledge.search("car", 1, embed)[1][0].passage.id == "auto.1"
    knowledge.search("cars", 1, embed)
    assert [len(texts) for texts in asked] == [2, 1, 1]


@given(st.text(max_size=200))
def test_no_question_is_query_language(question: str) -> None:
    KnowledgeBase(Path(__file__).parent).search(question)


def test_sample_tickets_find_their_article(tmp_path: Path) -> None:
    for each in articles():
        (tmp_path / f"{each['id']}.md").write_text(f"# {each['title']}\n\n{each['text']}\n")
    knowledge = KnowledgeBase(tmp_path)
    tickets = samples("support-drafting")
    right = [
        ticket["expected"]["article"] in [hit.passage.article for hit in knowledge.search(ticket["text"])[1]]
        for ticket in tickets
    ]
    assert sum(right) >= 0.8 * len(tickets)
