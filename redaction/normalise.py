"""Views: text as detectors read it (folded, unescaped), with the way back to the offsets of the source."""

import html
import re
import sys
from bisect import bisect_right
from dataclasses import dataclass, field

from redaction.fold import GONE, Folder, fold_char, latin_table

MAX_DEPTH = 3
_RUN = re.compile(r"[^\x00-\x7f]+")
_GONE = re.compile(rb"\x7f+")
# Backslashes are doubled with every JSON in which an escape is wrapped.
_ESCAPE = re.compile(
    rb"%[0-9A-Fa-f]{2}|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,9});"
    rb"|\\{1,8}(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|x[0-9A-Fa-f]{2}|[0-3][0-7]{2}(?![0-9])|[nrt])"
)
_JSON_ESCAPE = re.compile(_ESCAPE.pattern + rb'|\\["\\/bf]')
# What may still become an escape when more text comes.
_OPEN_ESCAPE = re.compile(
    rb"(?:%[0-9A-Fa-f]?|&(?:#?[A-Za-z0-9]{0,9})"
    rb"|\\{1,8}(?:u[0-9A-Fa-f]{0,3}|u\{[0-9A-Fa-f]{0,6}|x[0-9A-Fa-f]?|[0-3][0-7]{0,2})?)\Z"
)
_SIMPLE = {ord("n"): b"\n", ord("r"): b"\n", ord("t"): b" ", ord("b"): b" ", ord("f"): b" "}


@dataclass(slots=True)
class Edits:
    """Where one pass replaced source pieces by shorter ones; parallel lists in order."""

    at: list[int] = field(default_factory=list)  # offset in the result
    size: list[int] = field(default_factory=list)  # characters of the result
    start: list[int] = field(default_factory=list)  # source offsets
    end: list[int] = field(default_factory=list)

    def add(self, at: int, size: int, start: int, end: int) -> None:
        """Note that source [start, end) became [at, at + size)."""
        self.at.append(at)
        self.size.append(size)
        self.start.append(start)
        self.end.append(end)

    def first(self, offset: int) -> int:
        """Give the source offset at which the result's character `offset` begins."""
        place = bisect_right(self.at, offset) - 1
        if place < 0:
            return offset
        inside = offset - self.at[place]
        return self.start[place] if inside < self.size[place] else self.end[place] + inside - self.size[place]

    def last(self, offset: int) -> int:
        """Give the source offset after the result's character before `offset`."""
        place = bisect_right(self.at, offset - 1) - 1
        if place < 0:
            return offset
        inside = offset - self.at[place]
        return self.end[place] if 0 < inside <= self.size[place] else self.end[place] + inside - self.size[place]


@dataclass(frozen=True, slots=True)
class View:
    """Folded ASCII bytes and the passes that made them, first pass first."""

    data: bytes
    passes: tuple[Edits, ...] = ()

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Give the source's offsets of [start, end)."""
        for edits in reversed(self.passes):
            start, end = edits.first(start), edits.last(end)
        return start, end

    def first(self, offset: int) -> int:
        """Give the source offset at which a character begins."""
        for edits in reversed(self.passes):
            offset = edits.first(offset)
        return offset

    def last(self, offset: int) -> int:
        """Give the source offset after the character before `offset`."""
        for edits in reversed(self.passes):
            offset = edits.last(offset)
        return offset


class Normaliser:
    """Makes views; keeps the table of characters seen."""

    def __init__(self) -> None:
        self._table = Folder()
        self._latin = latin_table()

    def view(self, text: str, in_json: bool = False) -> View:
        """Fold and unescape `text`; `in_json` says that it is JSON source, with JSON's short escapes."""
        data, passes = self._fold(text)
        escapes = _JSON_ESCAPE if in_json else _ESCAPE
        for _ in range(MAX_DEPTH):
            if not _may_hold_escape(data) or escapes.search(data) is None:
                break
            data, edits = _unescape(data, escapes)
            passes = (*passes, edits)
        return View(data, passes)

    def _fold(self, text: str) -> tuple[bytes, tuple[Edits, ...]]:
        if text.isascii():
            return text.encode("ascii"), ()
        try:
            data = text.encode("latin-1").translate(self._latin)
        except UnicodeEncodeError:
            data = _RUN.sub(lambda run: run[0].translate(self._table), text).encode("ascii")
        return _drop(data) if GONE.encode() in data else (data, ())


def open_escape(data: bytes) -> int:
    """Give the offset at which an escape may have begun at the end of a view, or its length."""
    found = _OPEN_ESCAPE.search(data, max(0, len(data) - 16))
    return found.start() if found else len(data)


def _may_hold_escape(data: bytes) -> bool:
    return b"%" in data or b"\\" in data or b"&" in data


def _drop(data: bytes) -> tuple[bytes, tuple[Edits, ...]]:
    return _rewrite(data, [(run.start(), run.end(), b"") for run in _GONE.finditer(data)])


def _unescape(data: bytes, escapes: re.Pattern[bytes]) -> tuple[bytes, Edits]:
    pieces = [(e.start(), e.end(), new) for e in escapes.finditer(data) if (new := _decode(e[0])) is not None]
    result, (edits,) = _rewrite(data, pieces)
    return result, edits


def _rewrite(data: bytes, pieces: "list[tuple[int, int, bytes]]") -> tuple[bytes, tuple[Edits, ...]]:
    edits = Edits()
    out: list[bytes] = []
    done = size = 0
    for start, end, new in pieces:
        out += (data[done:start], new)
        size += start - done
        edits.add(size, len(new), start, end)
        size += len(new)
        done = end
    out.append(data[done:])
    return b"".join(out), (edits,)


def _decode(escape: bytes) -> bytes | None:
    if escape[0] == 0x25:
        code = int(escape[1:], 16)
        return bytes((code,)) if code < 0x7F else b"x"
    if escape[0] == 0x26:
        return _entity(escape)
    name = escape.lstrip(b"\\") or b"\\"
    if len(name) == 1:
        return _SIMPLE.get(name[0], name)
    code = int(name, 8) if name.isdigit() else int(name[1:].strip(b"{}"), 16)
    return _folded(chr(code)) if code <= sys.maxunicode else None


def _entity(escape: bytes) -> bytes | None:
    text = html.unescape(escape.decode("ascii"))
    return _folded(text) if len(text) == 1 else None


def _folded(char: str) -> bytes:
    folded = fold_char(char)
    return b"" if folded == GONE else folded.encode("ascii")
