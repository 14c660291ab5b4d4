"""Names in answers: a text is cut into windows at places that it fixes itself, and names are looked for in each.

The windows do not depend on how a stream was cut, and a name that was found is looked for in later windows only. So a
streamed answer and a whole one give the same text.
"""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from redaction import placeholders
from redaction.named import NameFinder
from redaction.stream import Channel, Named
from redaction.types import Entity, RedactionFailed

WHOLE_CHARS = 1_000  # the window of answers that nobody waits for piece by piece
_CONTEXT_CHARS = 120  # what stands before a window and is shown to the model with it
_END = re.compile(r"[.!?…]+[\"'”’)\]*_]*\s|\n|\\n|[。！？]")
_NO_END = re.compile(
    r"(?:\b\w|\b(?:mr|mrs|ms|dr|prof|st|inc|ltd|co|corp|jr|sr|no|rev|hon|gen|col|capt|sgt|lt|vs|dept|e\.g|i\.e))\.\s\Z",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PIECE = re.compile(r"(?:[^\"\\]|\\u[0-9a-fA-F]{4})+")
_WORD = re.compile(r"[^\W\d_]{3,}")
_SPREAD = frozenset({"PERSON", "ORGANIZATION"})
_SURE = 0.9
_MOST_NAMES = 500


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a text, with what stands before it."""

    before: str
    text: str
    at: int  # where it begins in the channel's source

    @property
    def read(self) -> str:
        """The text that the model reads."""
        return self.before + self.text


@dataclass(slots=True)
class Windows:
    """Cuts one text, given in any pieces, into the same windows: at sentence ends, or after `size` characters."""

    size: int
    _pending: str = ""
    _before: str = ""
    _at: int = 0

    def feed(self, text: str) -> Iterator[Window]:
        """Take more text and give the windows that are complete."""
        self._pending += text
        while cut := self._cut():
            yield self._window(cut)

    def close(self) -> Iterator[Window]:
        """Give the last window."""
        if self._pending:
            yield self._window(len(self._pending))

    def _cut(self) -> int:
        """Give where the first window ends, or 0 while that is open."""
        for end in _END.finditer(self._pending, 0, self.size):
            if _NO_END.search(self._pending, max(0, end.end() - 8), end.end()) is None:
                return end.end()
        if len(self._pending) < self.size:
            return 0
        return self._pending.rfind(" ", 0, self.size) + 1 or self.size

    def _window(self, cut: int) -> Window:
        window = Window(self._before, self._pending[:cut], self._at)
        self._pending, self._at = self._pending[cut:], self._at + cut
        before = window.read[-_CONTEXT_CHARS:]
        self._before = before.partition(" ")[2] if len(before) == _CONTEXT_CHARS else before
        return window


@dataclass(slots=True)
class AnswerNames:
    """The names of one answer: first it is noted for which windows they are wanted, then they are asked for."""

    finder: NameFinder
    size: int
    _wanted: dict[str, None] = field(default_factory=dict)
    _found: dict[str, Sequence[Entity]] = field(default_factory=dict)

    def want(self, text: str) -> None:
        """Note a text."""
        if text not in self._found and _WORD.search(text):
            self._wanted[text] = None

    async def ask(self) -> None:
        """Ask for the names of all noted texts; each is a document of its own. Raises RedactionFailed."""
        wanted, self._wanted = list(self._wanted), {}
        found = await asyncio.gather(*(self.finder.one(_readable(text)[0]) for text in wanted))
        self._found.update(zip(wanted, found, strict=True))

    def of(self, window: Window) -> Iterator[tuple[int, int, Entity]]:
        """Give the names in a window: where they begin and end in its text, and the entity."""
        text, starts = _readable(window.read)
        shift = len(window.before)
        found = self._found.get(window.read)
        if found is None and _WORD.search(window.read):
            raise RedactionFailed("names were not looked for in a piece of the answer")
        for entity in found or ():
            start, end = starts[entity.start] - shift, starts[entity.end] - shift
            if end > 0 and entity.end <= len(text):
                yield max(0, start), end, entity


class NamedChannel(Channel):
    """A channel that learns the names of a window before it decides its text.

    One that only listens notes for which windows names are wanted, and writes nothing.
    """

    def __init__(self, plain: Channel, names: AnswerNames, listening: bool) -> None:
        super().__init__(plain.engine, plain.normaliser, plain.writer, plain.inside, plain.in_json)
        self._names = names
        self._listening = listening
        self._windows = Windows(names.size)
        self._known: dict[str, str] = {}  # names found before, and their kind

    def feed(self, text: str, more: bool = False) -> None:
        """Take more text."""
        for window in self._windows.feed(text):
            self._take(window)

    def close(self) -> None:
        """Decide what is still held."""
        for window in self._windows.close():
            self._take(window)
        if not self._listening:
            super().close()

    def complete(self, text: str) -> None:
        """Take the whole text at once."""
        self.feed(text)
        self.close()

    def _take(self, window: Window) -> None:
        if self._listening:
            self._names.want(window.read)
            return
        found = [*self._names.of(window)]
        spans = [(start, end, entity.kind, entity.score) for start, end, entity in found]
        marks = [mark.span() for mark in placeholders.EXACTLY.finditer(window.text)]
        for start, end, kind, score in (*spans, *self._again(window.text)):
            for first, last in _pieces(window.text, start, end, marks):
                self.named.append(Named(window.at + first, window.at + last, kind, score))
        self.named.sort(key=lambda name: name.start)
        for start, end, entity in found:
            self._learn(window.text[start:end], entity)
        super().feed(window.text)

    def _again(self, text: str) -> Iterator[tuple[int, int, str, float]]:
        if not self._known:
            return
        names = sorted(self._known, key=len, reverse=True)
        for match in re.finditer(rf"\b(?:{'|'.join(map(re.escape, names))})\b", text):
            yield *match.span(), self._known[match[0]], _SURE

    def _learn(self, value: str, entity: Entity) -> None:
        if entity.kind not in _SPREAD or len(self._known) >= _MOST_NAMES:
            return
        if len(value) > 3:
            self._known.setdefault(value, entity.kind)
        if entity.kind == "PERSON" and entity.score >= _SURE:
            for word in _WORD.findall(value):
                if word[0].isupper():
                    self._known.setdefault(word, entity.kind)


def _readable(source: str) -> tuple[str, list[int]]:
    """Give text without JSON's escapes, and for each of its places the place in the source."""
    if "\\" not in source:
        return source, list(range(len(source) + 1))
    out: list[str] = []
    starts: list[int] = []
    done = 0
    for escape in _ESCAPE.finditer(source):
        out.append(source[done : escape.start()])
        starts += range(done, escape.start() + 1)
        out.append(chr(int(escape[1], 16)) if escape[1] else "\n" if escape[2] == "n" else " ")
        done = escape.end()
    out.append(source[done:])
    return "".join(out), [*starts, *range(done, len(source) + 1)]


def _pieces(text: str, start: int, end: int, marks: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Give what of a span can be written over: neither placeholders nor the quotes and escapes of JSON."""
    for first, last in marks:
        if first < end and start < last:
            yield from _pieces(text, start, first, ())
            start = last
    for piece in _PIECE.finditer(text, start, max(start, end)):
        if any(char.isalnum() for char in piece[0]):
            yield piece.span()
