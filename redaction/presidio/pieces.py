"""Cut the texts of a request into pieces small enough that every request gets its turn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redaction.types import Entity

OVERLAP_CHARS = 240
_LOOK_BACK_CHARS = 200


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of one text: entities that start in `own_start..own_end` (of the whole text) belong to this piece."""

    index: int
    offset: int
    text: str
    own_start: int
    own_end: int

    def keep(self, found: Sequence[Entity]) -> Iterator[Entity]:
        """Yield the entities this piece owns, with offsets into the whole text."""
        for e in found:
            start = e.start + self.offset
            if self.own_start <= start < self.own_end:
                yield Entity(e.kind, start, e.end + self.offset, e.score, e.recognizer)


def cut(texts: Sequence[str], size_chars: int) -> list[list[Piece]]:
    """Return groups of pieces; a group holds about `size_chars` characters and is one job."""
    groups: list[list[Piece]] = [[]]
    held = 0
    for index, text in enumerate(texts):
        for piece in _pieces(index, text, size_chars):
            if held and held + len(piece.text) > size_chars + 2 * OVERLAP_CHARS:
                groups.append([])
                held = 0
            groups[-1].append(piece)
            held += len(piece.text)
    return groups if groups[0] else []


def _pieces(index: int, text: str, size_chars: int) -> Iterator[Piece]:
    start = 0
    while start < len(text):
        end = _gap(text, start + size_chars)
        begin = _gap(text, max(0, start - OVERLAP_CHARS))
        stop = _gap(text, end + OVERLAP_CHARS)
        yield Piece(index, begin, text[begin:stop], start, end)
        start = end


def _gap(text: str, at: int) -> int:
    """Return a place at or shortly before `at` where no word is cut, line ends first."""
    if at >= len(text):
        return len(text)
    floor = max(0, at - _LOOK_BACK_CHARS)
    line = text.rfind("\n", floor, at)
    blank = text.rfind(" ", floor, at)
    best = line if line >= floor else blank
    return best + 1 if best >= floor else at
