"""The protocol of detectors that run outside this process (names model, Presidio), and its fakes."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from redaction.types import Entity


class Detector(Protocol):
    """Finds entities in whole texts, within a deadline."""

    async def find(self, texts: Sequence[str], language: str, level: str, deadline_s: float) -> list[list[Entity]]:
        """Return one list of entities for each text, offsets into that text.

        `level` is the policy's `names` setting. Raises TimeoutError when `deadline_s` (seconds from now) has passed,
        DetectorDown when no detector can answer.
        """
        ...


class DetectorDown(Exception):
    """The detector crashed or cannot be started."""


class NoDetector:
    """Finds nothing; stands where no names model is wanted."""

    async def find(self, texts: Sequence[str], language: str, level: str, deadline_s: float) -> list[list[Entity]]:
        """Return an empty list for each text."""
        return [[] for _ in texts]


class WordDetector:
    """A fake that finds given words, with an optional delay or failure."""

    def __init__(self, words: Mapping[str, str], delay_s: float = 0.0, down: bool = False) -> None:
        self._words = words
        self._delay_s = delay_s
        self._down = down
        self.asked: list[list[str]] = []

    async def find(self, texts: Sequence[str], language: str, level: str, deadline_s: float) -> list[list[Entity]]:
        """Return every occurrence of the words, after the delay."""
        self.asked.append(list(texts))
        if self._down:
            raise DetectorDown("the fake detector is down")
        async with asyncio.timeout(deadline_s):
            await asyncio.sleep(self._delay_s)
        return [self._in(text) for text in texts]

    def _in(self, text: str) -> list[Entity]:
        found = []
        for word, kind in self._words.items():
            start = text.find(word)
            while start >= 0:
                found.append(Entity(kind, start, start + len(word), 0.9, "words"))
                start = text.find(word, start + len(word))
        return sorted(found, key=lambda entity: entity.start)
