"""Presidio's recognizers, shown only the parts of a text where they can find something."""

import re
from collections.abc import Iterator
from typing import Any

from presidio_analyzer import EntityRecognizer, PatternRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from presidio_analyzer.predefined_recognizers import PhoneRecognizer

from redaction.pattern import needs_one_of, width

_DIGITS = frozenset(b"0123456789")
_DIGIT = re.compile(r"\d")  # of any script, as in Presidio's patterns
_PHONE_WIDTH = 128  # a phone number with all its signs and its extension
_EDGE = 16  # what a pattern looks at on both sides of a match
_FARTHEST = 256
_LOOKS_FAR = re.compile(r"\(\?<=|(?<![\[\\])[$^]")  # at words far back, or at where the text begins or ends


class Windowed(EntityRecognizer):
    """A recognizer of which every match holds a digit and is narrow; it sees what stands around digits."""

    def __init__(self, inner: Any, reach: int) -> None:
        self._inner, self._reach = inner, reach
        super().__init__(
            supported_entities=inner.supported_entities,
            name=inner.name,
            supported_language=inner.supported_language,
            version=inner.version,
            context=inner.context,
            score_thresholds=inner.score_thresholds or None,
        )

    @property
    def id(self) -> str:
        """The recognizer's own; context words are looked up by it."""
        identifier: str = self._inner.id
        return identifier

    def load(self) -> None:
        """Do nothing: the recognizer is loaded."""

    def analyze(
        self,
        text: str,
        entities: list[str],
        nlp_artifacts: NlpArtifacts | None = None,  # Presidio passes it by name
    ) -> list[RecognizerResult]:
        """Return what the recognizer finds in the whole text."""
        found = []
        for start, end in windows(text, self._reach):
            for result in self._inner.analyze(text[start:end], entities, nlp_artifacts):
                result.start += start
                result.end += start
                found.append(result)
        return found


def windowed(recognizer: EntityRecognizer) -> EntityRecognizer:
    """Return a recognizer with the same results that reads less, or the recognizer itself where that cannot be."""
    reach = _reach(recognizer)
    return Windowed(recognizer, reach) if reach else recognizer


def windows(text: str, reach: int) -> Iterator[tuple[int, int]]:
    """Give the stretches of a text in which every character stands at most `reach` away from a digit."""
    open_window: tuple[int, int] | None = None
    for digit in _DIGIT.finditer(text):
        start, end = max(0, digit.start() - reach), min(len(text), digit.end() + reach)
        if open_window is None or start <= open_window[1]:
            open_window = (open_window or (start, end))[0], end
        else:
            yield open_window
            open_window = start, end
    if open_window is not None:
        yield open_window


def _reach(recognizer: Any) -> int:
    """Return how far from a digit a match can begin or end, with what the pattern looks at there; 0: anywhere."""
    if isinstance(recognizer, PhoneRecognizer):
        return _PHONE_WIDTH
    has_patterns = isinstance(recognizer, PatternRecognizer)
    if not has_patterns or recognizer.deny_list:
        return 0
    try:
        reach = max((_width(pattern.regex) for pattern in recognizer.patterns), default=_FARTHEST + 1)
    except re.error:  # a spelling that only Presidio's own engine reads
        return 0
    return reach + _EDGE if reach <= _FARTHEST else 0


def _width(pattern: str) -> int:
    looks_far = _LOOKS_FAR.search(pattern) is not None
    return _FARTHEST + 1 if looks_far or not needs_one_of(pattern, _DIGITS) else width(pattern)
