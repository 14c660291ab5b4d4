"""One channel of an answer: text goes in as it comes, decided text comes out; the result depends on the text alone.

Everything is decided at places that the text itself fixes: a character leaves when no match that has begun can still
cover it, and a match counts once nothing that follows can change it. So a whole answer and every way of cutting it into
pieces give the same characters.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from redaction.answers import LOOK_BACK, AnswerEngine, has_keyword
from redaction.aside import check
from redaction.normalise import Normaliser, View, open_escape
from redaction.pattern import MAX_WIDTH
from redaction.resolve import rank
from redaction.scan import CAP, ENCODED, Compiled, Match, judge, matches, settle
from redaction.types import Entity
from redaction.writer import Found, Writer

_QUIET = LOOK_BACK  # how far after a keyword the fast way stays closed
_LONG_WORD = 48
_TOGETHER = 48  # pieces that are here at once are looked at together up to so many characters
Inside = Callable[[str], Entity | None]


@dataclass(slots=True)
class _Open:
    """A run that was already judged and goes on; `masked` says how."""

    compiled: Compiled
    masked: bool


@dataclass(frozen=True, slots=True)
class Named:
    """A name that was found by other means; offsets into the channel's source."""

    start: int
    end: int
    kind: str
    score: float


@dataclass(slots=True)
class Channel:
    """The automaton of one channel. Offsets called `at` count folded characters since the channel began."""

    engine: AnswerEngine
    normaliser: Normaliser
    writer: Writer
    inside: Inside
    in_json: bool = False
    held: str = ""  # source text not yet decided
    source_at: int = 0  # where it begins in the channel's source
    changed: list[tuple[int, int]] = field(default_factory=list)  # source pieces that were written over
    named: list[Named] = field(default_factory=list)  # in the held text, in order
    _tail: bytes = b""  # folded text before it
    _at: int = 0  # where the held text begins
    _masked: int = 0  # characters before this place are already stood in for
    _quiet_from: int = 0
    _busy: bool = False  # whether the held text goes on with something that was decided before
    _resume: dict[Compiled, int] = field(default_factory=dict)  # where each recognizer's next match may begin
    _open: list[_Open] = field(default_factory=list)

    def feed(self, text: str, more: bool = False) -> None:
        """Take more text; decided text goes to the writer. With `more`, the next piece is here already."""
        held = self.held = self.held + text
        if not self._busy and not self.named and self._quiet_from <= self._at and self.engine.is_calm(held):
            self._pass_words(held)
            if len(self.held) < _LONG_WORD:
                return
        if more and len(held) < _TOGETHER:
            return
        if has_keyword(held):
            self._quiet_from = self._at + len(held) + _QUIET
        self._advance(closing=False)

    def close(self) -> None:
        """Decide what is still held."""
        self._advance(closing=True)

    def complete(self, text: str) -> None:
        """Take the whole text at once: the same as `feed` and `close`, in one look."""
        if self.engine.is_calm(text):
            self.writer.text(text)
        else:
            self.held = text
            self._advance(closing=True)

    def _pass_words(self, held: str) -> None:
        """Let finished plain words go; the last word waits for its end."""
        cut = max(held.rfind(" "), held.rfind("\n")) + 1
        if cut == 0:
            return
        words = held[:cut]
        self.writer.text(words)
        folded = words.encode("ascii") if words.isascii() else self.normaliser.view(words).data
        self._tail = (self._tail + folded)[-LOOK_BACK:]
        self._at += len(folded)
        self.held = held[cut:]
        self.source_at += cut

    def _advance(self, closing: bool) -> None:
        view = self.normaliser.view(self.held, self.in_json)
        base = len(self._tail)
        data = self._tail + view.data
        if not closing:
            data = data[: max(base, open_escape(data))]
        self._go_on(data, base, closing)
        frontier = len(data) if closing else self.engine.live(data, base)
        decided, frontier = self._look(data, base, frontier, closing)
        if self.named:
            decided += self._named_until(view, base, frontier)
        self._write(view, data, base, frontier, decided, closing)

    def _go_on(self, data: bytes, base: int, closing: bool) -> None:
        """Follow runs that began earlier to their end."""
        shift = self._at - base
        for run in list(self._open):
            end = _run_end(run.compiled, data, self._resume[run.compiled] - shift)
            self._resume[run.compiled] = end + shift
            if run.masked:
                self._masked = max(self._masked, end + shift)
            if end < len(data) or closing:
                self._open.remove(run)

    def _look(self, data: bytes, base: int, frontier: int, closing: bool) -> tuple[list[Entity], int]:
        """Give the entities that are decided, and the place up to which everything is."""
        shift = self._at - base
        found: list[Match] = []
        for compiled in self.engine.scanner.candidates(data):
            since = max(base - MAX_WIDTH, 0) if compiled.recognizer.group else base
            check(self.writer.shared.due)
            for match in matches(compiled, data, max(since, self._resume.get(compiled, 0) - shift)):
                if not closing and (self._is_open(match, data) or self.engine.may_end_elsewhere(match, data)):
                    frontier = min(frontier, max(base, match.start))
                found.append(match)
        decided = []
        for match in sorted(found, key=lambda one: one.start):
            check(self.writer.shared.due)
            if match.start < frontier:
                self._resume[match.compiled] = match.stop + shift
                if match.start >= base:
                    entity = self._judge(match, data)
                    acting = entity is not None and self.writer.acts_on(entity)
                    self._stays_open(match, data, acting, closing)
                    decided += [entity] if entity is not None else []
        return decided, frontier

    def _named_until(self, view: View, base: int, frontier: int) -> list[Entity]:
        """Give the names that begin in what is decided."""
        places = range(len(view.data) + 1)
        due: list[Entity] = []
        while self.named:
            name = self.named[0]
            start = base + max(0, bisect_right(places, name.start - self.source_at, key=view.first) - 1)
            if start >= frontier:
                break
            self.named.pop(0)
            end = base + bisect_left(places, name.end - self.source_at, key=view.last)
            due.append(Entity(name.kind, start, end, name.score, "names"))
        return due

    def _is_open(self, match: Match, data: bytes) -> bool:
        """Say whether more text could change a match, and it is not yet so long that it is decided as it is."""
        compiled = match.compiled
        if compiled.is_long and match.stop == len(data):
            return len(data) - match.start < CAP
        return match.stop + (2 if compiled.joints else 1) > len(data)

    def _stays_open(self, match: Match, data: bytes, masked: bool, closing: bool) -> None:
        if match.compiled.is_long and match.stop == len(data) and not closing:
            self._open.append(_Open(match.compiled, masked))

    def _judge(self, match: Match, data: bytes) -> Entity | None:
        recognizer = match.compiled.recognizer
        if recognizer.kind == ENCODED:
            return self._judge_piece(match, data)
        long = match.compiled.is_long and match.stop - match.start >= CAP
        end = match.start + CAP if long else settle(match, data)
        if end <= match.start:
            return None
        entity = judge(match, end, data)
        return (
            Entity(entity.kind, entity.start, match.stop, entity.score, entity.recognizer)
            if entity and long
            else entity
        )

    def _judge_piece(self, match: Match, data: bytes) -> Entity | None:
        following = data[match.stop : match.stop + 1]
        if following and (following.isalnum() or following in b"+/_-="):
            return None
        within = self.inside(data[match.start : match.stop].decode("ascii"))
        return (
            Entity(within.kind, match.start, match.stop, within.score, f"encoded:{within.recognizer}")
            if within
            else None
        )

    def _write(self, view: View, data: bytes, base: int, frontier: int, decided: list[Entity], closing: bool) -> None:
        place = max(base, self._masked - self._at + base)
        source = view.last(place - base) if place > base else 0
        for entity in sorted(decided, key=lambda one: (one.start, *(-value for value in rank(one)))):
            start, end = view.source(entity.start - base, entity.end - base)
            folded = data[entity.start : entity.end].decode("ascii")
            found = Found(entity, self.source_at + start, self.held[start:end], folded)
            if not self.writer.wants(found):
                continue
            if entity.start >= place:
                self.writer.text(self.held[source:start])
                self.writer.entity(found)
                source = end
                self.changed.append((self.source_at + start, self.source_at + end))
            place = max(place, entity.end)
            source = max(source, view.last(place - base))
        until = len(self.held) if closing else _source_end(view, frontier - base)
        if place < frontier or closing:
            self.writer.text(self.held[source:until])
        self._keep(data, base, frontier, until, place)

    def _keep(self, data: bytes, base: int, frontier: int, until: int, place: int) -> None:
        self._masked = self._at + place - base
        self._busy = place > frontier or bool(self._open)
        self._at += frontier - base
        self._tail = data[max(0, frontier - LOOK_BACK) : frontier]
        self.held = self.held[until:]
        self.source_at += until
        if len(self._resume) > 8:
            self._resume = {one: at for one, at in self._resume.items() if at > self._at - LOOK_BACK}


def _source_end(view: View, size: int) -> int:
    """Give the source offset up to which the first `size` characters of a view reach; unseen ones after them wait."""
    return view.last(size) if size > 0 else 0


def _run_end(compiled: Compiled, data: bytes, since: int) -> int:
    """Give where a run that is under way at `since` ends."""
    if compiled.until is not None:
        stop = compiled.until.stop(data, max(0, since - MAX_WIDTH))
        return stop if stop >= 0 else len(data)
    return compiled.run.here(data, since) if compiled.run is not None else since
