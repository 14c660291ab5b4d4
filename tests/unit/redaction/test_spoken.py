"""Digits written as words are found where they would be as digits, and counting is left alone."""

import pytest

from redaction.redactor import Redactor
from tests.unit.redaction.conftest import cleared_text


@pytest.mark.parametrize(
    ("text", "kind", "hidden"),
    [
        ("my card is four one one one, one one one one, one one one one, one one one one.", "CARD", "one one"),
        ("Call me at five one two five five five zero one three two tonight", "PHONE", "five"),
        ("You can reach me on double four seven nine double one two zero zero three six", "PHONE", "double"),
        ("phone: five-one-two, five-five-five, zero-one-three-two", "PHONE", "five"),
        ("My SSN is nine one four two seven six zero eight three", "SSN", "nine"),
        ("my account number is one two three four five six seven eight", "US_BANK_NUMBER", "three"),
        ("Meine Telefonnummer: null eins fünf eins zwei drei vier fünf sechs sieben acht", "PHONE", "fünf"),
        ("mon téléphone : zéro six un deux trois quatre cinq six sept huit", "PHONE", "trois"),
        ("mi número es seis uno dos tres cuatro cinco seis siete ocho", "PHONE", "cuatro"),
    ],
)
def test_digits_in_words_are_hidden_under_their_kind(redactor: Redactor, text: str, kind: str, hidden: str) -> None:
    clear = cleared_text(redactor, text)
    assert f"[{kind}_" in clear
    assert hidden not in clear


@pytest.mark.parametrize(
    "text",
    [
        "one two three four five six seven, all good children go to heaven",
        "Eins zwei drei vier fünf sechs sieben, wo ist nur mein Schatz geblieben",
        "one, two, three, four, five, six, seven, eight, nine, ten and out",
        "We need one or two of them, three at most, four of five were fine",
        "one " * 2_000,
    ],
)
def test_counting_is_left_alone(redactor: Redactor, text: str) -> None:
    assert cleared_text(redactor, text) == text
