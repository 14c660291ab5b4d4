"""A name found once is found everywhere in the document."""

from redaction.names.spread import collect, merge, spread
from redaction.types import Entity

PLAIN = frozenset({"mark", "hope"})
TEXTS = ["I spoke with Ivana Petrov of Zentrix.", "ivana said PETROV works at Zentrix, not Zentrixon"]
FOUND = [[Entity("PERSON", 13, 25, 1.0, "names"), Entity("ORGANIZATION", 29, 36, 0.95, "names")], []]


def values(text: str, entities: list[Entity]) -> list[tuple[str, str]]:
    return [(e.kind, text[e.start : e.end]) for e in entities]


def test_people_are_found_again_in_any_case_and_values_as_written() -> None:
    again = spread(TEXTS[1], collect(TEXTS, FOUND), [], PLAIN)
    assert values(TEXTS[1], again) == [("PERSON", "ivana"), ("PERSON", "PETROV"), ("ORGANIZATION", "Zentrix")]


def test_what_is_found_already_is_not_found_twice() -> None:
    assert spread(TEXTS[0], collect(TEXTS, FOUND), FOUND[0], PLAIN) == []


def test_a_plain_word_counts_only_where_it_is_written_like_a_name() -> None:
    seen = collect(["Mark Hope"], [[Entity("PERSON", 0, 9, 1.0, "names")]])
    text = "Please mark it. Mark the page, I hope that Mark and Hope agree."
    assert [e.start for e in spread(text, seen, [], PLAIN)] == [43, 52]


def test_unsure_findings_and_findings_of_others_are_not_spread() -> None:
    unsure = [[Entity("PERSON", 13, 25, 0.6, "names"), Entity("PERSON", 13, 25, 1.0, "UsSsnRecognizer")], []]
    assert collect(TEXTS, unsure).empty()


def test_parts_of_a_document_share_their_names() -> None:
    parts = [collect(TEXTS[:1], FOUND[:1]), collect(["Bo Diaz"], [[Entity("PERSON", 0, 7, 1.0, "names")]])]
    assert merge(parts).people == ["ivana", "petrov", "diaz"]
