"""Operators are applied by Presidio's anonymizer."""

from redaction.presidio.anonymize import Anonymizer, keep, mask, replace
from redaction.types import Entity

TEXT = "Anna paid with 4111 1111 1111 1111 in Paris for Bob"
FOUND = [
    Entity("PERSON", 0, 4, 0.9, "names"),
    Entity("CREDIT_CARD", 15, 34, 1.0, "cards"),
    Entity("LOCATION", 38, 43, 0.8, "names"),
    Entity("PERSON", 48, 51, 0.9, "names"),
]


def test_each_kind_gets_its_operator() -> None:
    operators = {"PERSON": {"Anna": "P1", "Bob": "P2"}.__getitem__, "CREDIT_CARD": mask(keep_last=4), "LOCATION": keep}
    assert Anonymizer(operators).apply(TEXT, FOUND) == "P1 paid with **** **** **** 1111 in Paris for P2"


def test_a_kind_without_operator_shows_its_name() -> None:
    assert (
        Anonymizer({"CREDIT_CARD": replace("[card]")}).apply(TEXT, FOUND)
        == "<PERSON> paid with [card] in <LOCATION> for <PERSON>"
    )


def test_overlapping_entities_leave_nothing_behind() -> None:
    found = [Entity("PERSON", 0, 4, 0.5, "a"), Entity("PERSON", 0, 9, 0.9, "b")]
    assert Anonymizer({}).apply("Anna Bell", found) == "<PERSON>"


def test_masks() -> None:
    assert mask()("a-1") == "*-*"
    assert mask(keep_last=2, sign="x")("12 34") == "xx 34"
    assert mask(keep_last=9)("12") == "12"
