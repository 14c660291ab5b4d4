"""Presidio's AnonymizerEngine applies our operators."""

from redaction.presidio.anonymize import Anonymizer

TEXT = "Ann Smith <ann@example.com>"
FOUND = [("PERSON", 0, 9, 0.8), ("EMAIL_ADDRESS", 11, 26, 1.0)]


def test_each_kind_has_its_operator_and_others_are_named() -> None:
    shown = Anonymizer({"PERSON": lambda value: f"[{value.upper()}]"}).apply(TEXT, FOUND)
    assert shown == "[ANN SMITH] <<EMAIL_ADDRESS>>"


def test_overlapping_finds_leave_nothing_in_the_clear() -> None:
    both = [("EMAIL_ADDRESS", 11, 26, 1.0), ("URL", 15, 26, 0.5)]
    assert "example" not in Anonymizer({}).apply(TEXT, both)
