"""Find further occurrences of names already found in the same document."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from redaction.types import Entity

_SURE = 0.9
_MAX_NAMES = 2_000
_WORD = re.compile(r"[^\W\d_]{3,}")
RECOGNIZER = "names.again"


class Seen(NamedTuple):
    """Names of a document: words of people's names (lower case), and whole values of other kinds."""

    people: list[str]
    values: list[tuple[str, str]]  # value, kind

    def empty(self) -> bool:
        """Say whether there is nothing to look for."""
        return not self.people and not self.values


def collect(texts: Sequence[str], found: Sequence[Sequence[Entity]]) -> Seen:
    """Return the names that are sure enough to be looked for elsewhere."""
    people: dict[str, None] = {}
    values: dict[tuple[str, str], None] = {}
    for text, entities in zip(texts, found, strict=True):
        for entity in entities:
            if entity.score < _SURE or not entity.recognizer.startswith("names"):
                continue
            value = text[entity.start : entity.end]
            if entity.kind == "PERSON":
                people.update((word.lower(), None) for word in _WORD.findall(value))
            elif len(value) > 3:
                values[value, entity.kind] = None
    return Seen(list(people)[:_MAX_NAMES], list(values)[:_MAX_NAMES])


def merge(parts: Iterable[Seen]) -> Seen:
    """Return the names of several pieces of one document."""
    people: dict[str, None] = {}
    values: dict[tuple[str, str], None] = {}
    for part in parts:
        people.update(dict.fromkeys(part[0]))
        values.update(((value, kind), None) for value, kind in part[1])
    return Seen(list(people)[:_MAX_NAMES], list(values)[:_MAX_NAMES])


def spread(text: str, seen: Seen, found: Sequence[Entity], plain: frozenset[str]) -> list[Entity]:
    """Return the occurrences of `seen` names in `text` that no entity of `found` touches.

    A name that is also a plain word (Mark, Hope, Will) counts only where it is written like a name.
    """
    taken = bytearray(len(text))
    for entity in found:
        taken[entity.start : entity.end] = b"\1" * (entity.end - entity.start)
    again = _people(text, frozenset(seen.people), plain) if seen.people else []
    for value, kind in seen.values:
        again += (Entity(kind, start, end, _SURE, RECOGNIZER) for start, end in occurrences(text, value))
    return [entity for entity in again if not any(taken[entity.start : entity.end])]


def _people(text: str, names: frozenset[str], plain: frozenset[str]) -> list[Entity]:
    out = []
    for match in _WORD.finditer(text):
        word = match.group()
        low = word.lower()
        if low in names and (low not in plain or (word[0].isupper() and not _starts_sentence(text, match.start()))):
            out.append(Entity("PERSON", match.start(), match.end(), _SURE, RECOGNIZER))
    return out


def _starts_sentence(text: str, at: int) -> bool:
    before = text[max(0, at - 3) : at].rstrip(" ")
    return not before or before[-1] in ".!?\n"


def occurrences(text: str, value: str) -> Iterator[tuple[int, int]]:
    """Give where a value stands in a text, not as a part of longer words."""
    start = text.find(value)
    while start >= 0:
        end = start + len(value)
        if not text[start - 1 : start].isalnum() and not text[end : end + 1].isalnum():
            yield start, end
        start = text.find(value, end)
