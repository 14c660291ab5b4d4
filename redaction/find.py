"""Find every entity of a text: in the text itself, in its unescaped form, and inside encoded pieces of it."""

import base64
import binascii
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import lru_cache

from redaction import placeholders, spoken
from redaction.ahead import SHORT, Hinted, groups
from redaction.aside import NEVER, check
from redaction.fold import fold_char
from redaction.memory import Memory, Seen
from redaction.normalise import MAX_DEPTH, Normaliser
from redaction.recognizers.base import Recognizer
from redaction.scan import ENCODED, FLOOR, Scanner
from redaction.types import Entity

_SHORTEST = 16
_MOST_PARTS = 16  # separators of a path after which encoded text may begin
_SEPARATOR = re.compile(r"[/_.-]+")
_WRAP = re.compile(r"[ \t]*\r?\n[ \t]*")
# Words written letter by letter: `j o h n @ ...`.
_SPACED = Recognizer("spaced", ENCODED, r"\b\w(?: [\w@.+-]){9,63}\b", FLOOR)
_PIECE = Recognizer("encoded", ENCODED, r"\b[A-Za-z0-9+/_-]{16}", FLOOR, run=r"[A-Za-z0-9+/_=-]")
# Digits written as words: `four one one one`.
_SPOKEN = Recognizer("spoken", ENCODED, spoken.HEAD, FLOOR, ignore_case=True)
_LONGEST_SAID = 400
_LEAD = 60  # characters before digits in words that may say what they are
_BASE32 = re.compile(r"(?:[A-Z2-7]{16,}|[a-z2-7]{16,})\Z")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){8,}\Z")
_SPLIT = re.compile(r"(?<=[a-z])(?=[A-Z])|[_.-]+")
_PARTS = 5  # of the scan's automaton: every new sentence is one that it has not met


def decode_piece(value: str) -> str | None:
    """Decode hexadecimal, base64 or base32 text, perhaps behind a path; None when that gives no readable text."""
    text = _decoded(value)
    cuts = () if text is not None else [found.end() for found in _SEPARATOR.finditer(value)][:_MOST_PARTS]
    for cut in cuts:
        text = _decoded(value[cut:]) if len(value) - cut >= _SHORTEST else None
        if text is not None:
            return text
    return text


def _decoded(value: str) -> str | None:
    piece = value.rstrip("=")
    text = _read(bytes.fromhex, piece) if _HEX.match(piece) else _read(_from_base64, piece)
    return _read(_from_base32, piece.upper()) if text is None and _BASE32.match(piece) else text


def _read(decode: Callable[[str], bytes], piece: str) -> str | None:
    """Decode a piece to text in UTF-8 or UTF-16; None when that gives no readable text."""
    try:
        raw = decode(piece)
        text = raw.decode("utf-16-le" if raw[1:2] == b"\0" else "utf-16-be" if raw[:1] == b"\0" else "utf-8")
    except (binascii.Error, ValueError):
        return None
    return text if all(char.isprintable() or char in "\r\n\t" for char in text) else None


def _from_base64(piece: str) -> bytes:
    return base64.b64decode(piece.translate(_URL_SAFE) + "=" * (-len(piece) % 4), validate=True)


def _from_base32(piece: str) -> bytes:
    return base64.b32decode(piece + "=" * (-len(piece) % 8))


_URL_SAFE = str.maketrans("-_", "+/")


@lru_cache(maxsize=8)
def _scanner(recognizers: tuple[Recognizer, ...]) -> Scanner:
    """Give the scanner of a set of recognizers, compiled once for all policies and tenants that use it."""
    return Scanner(recognizers, _PARTS)


class Finder:
    """Finds entities with the built-in and a policy's own recognizers."""

    def __init__(self, recognizers: Iterable[Recognizer], key: bytes) -> None:
        self._memory = Memory(key)
        self._normaliser = Normaliser()
        self._scanner = _scanner((*recognizers, placeholders.WRITTEN, _SPACED, _SPOKEN, _PIECE))
        self._due = NEVER
        self._short: dict[Hinted, Seen] | None = None  # texts of one long request, which often repeats them

    def until(self, limit_s: float) -> "Finder":
        """Give a finder for one long request, with the same memory; it raises TimedOut once so much time has passed."""
        limited = copy(self)
        limited._due = time.monotonic() + limit_s
        limited._short = {}
        return limited

    def seen(self, text: str, hint: str) -> Seen:
        """Give what is known of `text`, from memory where it was seen before; the caller may add plans."""
        if len(text) < SHORT:  # scanned faster than looked up
            return Seen(self.find(text, hint), {}) if self._short is None else self._again(self._short, text, hint)
        key = self._memory.key(text, hint)
        seen = self._memory.get(key)
        if seen is None:
            seen = self._memory.put(key, self.find(text, hint))
        return seen

    def ahead(self, texts: Iterable[Hinted]) -> "Finder":
        """Look at short texts of a long request together; where nothing can be found, none is looked at by itself.

        That gives the same: no pattern has an anchor but word borders, which the line ends between texts are as well.
        """
        known = self._short = {} if self._short is None else self._short
        for group in groups(texts):
            check(self._due)
            view = self._normaliser.view("\n\n".join([_lead(hint) + text for text, hint in group]))
            if not self._scanner.able(view.data):
                known.update({each: Seen((), {}) for each in group})
        return self

    def _again(self, known: dict[Hinted, Seen], text: str, hint: str) -> Seen:
        seen = known.get((text, hint))
        if seen is None:
            seen = known[text, hint] = Seen(self.find(text, hint), {})
        return seen

    def find(self, text: str, hint: str = "", depth: int = 0) -> list[Entity]:
        """Give the entities of `text`, offsets into it; placeholders in it are entities of the kind PLACEHOLDER.

        `hint` is the name of the field that holds the text; it counts as words before it.
        """
        if hint:
            lead = _lead(hint)
            return [
                _moved(e, e.start - len(lead), e.end - len(lead))
                for e in self.find(lead + text)
                if e.start >= len(lead)
            ]
        check(self._due)
        view = self._normaliser.view(text)
        found = self._scanner.entities(view.data, self._due)
        if not found:
            return found
        if view.passes:
            found = [_moved(entity, *view.source(entity.start, entity.end)) for entity in found]
        if any(entity.kind is ENCODED for entity in found):
            found = self._opened(text, found, depth)
        return found

    def _opened(self, text: str, found: list[Entity], depth: int) -> list[Entity]:
        plain = [entity for entity in found if entity.kind is not ENCODED]
        if depth < MAX_DEPTH:
            pieces = sorted((e for e in found if e.kind is ENCODED), key=lambda entity: entity.start)
            encoded = [piece for piece in pieces if piece.recognizer == _PIECE.name]
            for piece in (*encoded, *_wrapped(text, encoded)):
                decoded = decode_piece(_WRAP.sub("", text[piece.start : piece.end]))
                plain += self._inside(decoded, piece, depth)
            done = 0
            for piece in pieces:
                letters = text[piece.start : piece.end]
                if piece.recognizer == _SPACED.name and not letters.replace(" ", "").isdigit():
                    plain += self._inside(letters.replace(" ", ""), piece, depth)
                elif piece.recognizer == _SPOKEN.name and piece.start >= done:
                    found, done = self._said(text, piece, depth)
                    plain += found
        return plain

    def _said(self, text: str, piece: Entity, depth: int) -> tuple[list[Entity], int]:
        """Give digits in words under the kind that they have as digits behind the same words, and where they end."""
        digits, size = spoken.read("".join(map(fold_char, text[piece.start : piece.start + _LONGEST_SAID])))
        end, lead = piece.start + size, text[max(0, piece.start - _LEAD) : piece.start]
        within = [e for e in self.find(lead + digits, depth=depth + 1) if e.end > len(lead)] if digits else []
        best = max(within, key=lambda entity: entity.score, default=None)
        return [Entity(best.kind, piece.start, end, best.score, f"spoken:{best.recognizer}")] if best else [], end

    def _inside(self, decoded: str | None, piece: Entity, depth: int) -> list[Entity]:
        """Give the encoded piece as a whole under the kind found inside it; parts of it cannot be cut out."""
        within = self.find(decoded, depth=depth + 1) if decoded else []
        if not within:
            return []
        best = max(within, key=lambda entity: entity.score)
        return [Entity(best.kind, piece.start, piece.end, best.score, f"encoded:{best.recognizer}")]


def _lead(hint: str) -> str:
    """Give what the name of a field counts as before its text."""
    return f"{_SPLIT.sub(' ', hint)} {hint}: " if hint else ""


def _wrapped(text: str, pieces: Sequence[Entity]) -> Iterator[Entity]:
    """Give pieces that stand on lines right below each other as one, as mail wraps them."""
    start, last = None, None
    for piece in (*pieces, None):
        if piece and last and _WRAP.fullmatch(text, last.end, piece.start) is not None:
            start = start or last
        elif start and last:
            yield _moved(start, start.start, last.end)
            start = None
        last = piece


def _moved(entity: Entity, start: int, end: int) -> Entity:
    return Entity(entity.kind, start, end, entity.score, entity.recognizer)
