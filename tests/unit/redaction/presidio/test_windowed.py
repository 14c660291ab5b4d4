"""Presidio's recognizers find in windows what they find in whole texts."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from presidio_analyzer import EntityRecognizer

from redaction.presidio.catalogue import PREDEFINED
from redaction.presidio.recognizers import predefined
from redaction.presidio.windowed import Windowed, windowed, windows

_LANGUAGES = ("en", "es", "it", "pl", "fi", "th", "ko", "de", "sv", "tr")
_VALUES = st.sampled_from(
    [
        "4111 1111 1111 1111", "536-90-4399", "DE89 3704 0044 0532 0130 00", "+49 30 901820", "(415) 555-0132",
        "A12345678", "AB123456C", "943 476 5919", "2004-02-29", "44051401458", "B1234567", "K1234567", "٤١١١ ١١١١",
        "ZA 8001015009087", "12-3456789", "GB82WEST12345698765432", "00:1B:44:11:3A:B7", "10.0.0.1",
        "1EG4-TE5-MK73", "claim number: 12345678",
    ]
)  # fmt: skip
_PROSE = st.sampled_from(
    ["the parcel never came ", "Straße nach Köln, ", "\n", ", ", ": ", "passport no ", "x", "é", "1", " 7"]
)
_TEXTS = st.lists(st.one_of(_VALUES, _PROSE, st.just("and nobody has answered so far " * 20)), max_size=12).map("".join)


def _made(name: str) -> EntityRecognizer:
    for language in _LANGUAGES:
        try:
            return predefined(name, language)
        except ValueError:
            continue
    raise AssertionError(name)


ALL: dict[str, Any] = {name: _made(name) for name in sorted(PREDEFINED)}


def _found(recognizer: Any, text: str) -> list[tuple[str, int, int, float]]:
    results = recognizer.analyze(text, recognizer.supported_entities, None)
    return sorted((found.entity_type, found.start, found.end, found.score) for found in results)


@settings(max_examples=40)
@given(_TEXTS)
def test_what_is_found_in_windows_is_what_is_found_in_the_text(text: str) -> None:
    for recognizer in ALL.values():
        assert _found(windowed(recognizer), text) == _found(recognizer, text), recognizer.name


def test_most_recognizers_read_windows_only() -> None:
    whole = {name for name, recognizer in ALL.items() if not isinstance(windowed(recognizer), Windowed)}
    assert len(whole) < len(ALL) / 3
    assert {"EmailRecognizer", "UrlRecognizer"} <= whole  # no digit, no end


@given(st.text(alphabet="ab 1٣", max_size=200), st.integers(1, 30))
def test_windows_hold_every_digit_with_its_surroundings(text: str, reach: int) -> None:
    found = list(windows(text, reach))
    assert all(end < start for (_, end), (start, _) in pairwise(found))
    for at, char in enumerate(text):
        inside = any(start <= max(0, at - reach) and min(len(text), at + reach + 1) <= end for start, end in found)
        assert inside or not char.isdigit()


@pytest.mark.parametrize("name", ["UsSsnRecognizer", "PhoneRecognizer"])
def test_context_words_are_still_those_of_the_recognizer(name: str) -> None:
    assert (windowed(ALL[name]).id, windowed(ALL[name]).context) == (ALL[name].id, ALL[name].context)
