"""From segments to the ledger: number whole records once, insert them, close what dead writers left open."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from metrics.record.audited import Facts, Named, Numbered, named
from metrics.record.content_intake import ContentIntake
from metrics.record.events import BadLineError, Event, decode
from metrics.record.ids import Clock
from metrics.record.keystore import KeyStore
from metrics.record.ledger import Ledger
from metrics.record.order import Entry, OrderFile
from metrics.record.otel_meters import Meters
from metrics.record.own import OwnSegments, damage_reports, interrupted
from metrics.record.reader import Line, Stretch, read_line, read_stretch
from metrics.record.rows import BEGIN, Row, Rows
from metrics.record.segment_list import SegmentList, Tail
from metrics.record.segments import CONTENT, META

_READ_BYTES = 4 << 20

Positions = dict[str, tuple[int, bool]]


@dataclass(slots=True)
class Counters:
    """What happened since the recorder started, for `/status`."""

    records: int = 0
    duplicates: int = 0
    interrupted: int = 0
    damaged: list[str] = field(default_factory=list)
    damaged_by_reason: dict[str, int] = field(default_factory=dict)
    meters: Meters = field(default_factory=Meters)

    def damage(self, segment: str, start: int, end: int, reason: str) -> None:
        """Remember the newest hundred damaged stretches."""
        self.damaged.append(f"{segment}: bytes {start} to {end} {reason}")
        del self.damaged[:-100]
        self.damaged_by_reason[reason] = self.damaged_by_reason.get(reason, 0) + 1


@dataclass(frozen=True, slots=True)
class Files:
    """What one recorder keeps open."""

    journal: Path
    order: OrderFile
    own: OwnSegments
    keystore: KeyStore


@dataclass(slots=True)
class _Taking:
    """Makes rows of lines as they are read, numbered as the order file will, without those that were seen."""

    rows: Rows
    last_seq: int
    seen: set[str]
    segment: str = ""
    lines: list[Named] = field(default_factory=list)  # for the audit tree: they are at hand now

    def take(self, line: Line) -> bool:
        """Take a line in; say whether it was new."""
        if line.event.event_id in self.seen:
            return False
        self.seen.add(line.event.event_id)
        self.last_seq += 1
        self.rows.add(self.last_seq, self.segment, line)
        self.lines.append(named(line.text))
        return True


class Ingest:
    """One life of an open ledger. After any failure a new one is made, which goes on from order file and ledger."""

    def __init__(self, files: Files, ledger: Ledger, counters: Counters, clock: Clock) -> None:
        self._files, self._ledger, self.counters, self._clock = files, ledger, counters, clock
        self._segments = SegmentList(files.journal, ledger.positions())
        self._content = ContentIntake(files.journal, files.keystore)
        self._begins: dict[str, tuple[str, str, int]] = {}  # call id -> where its begin stands
        self.more = False  # the last step left whole batches behind
        self._numbered: list[Numbered] = []
        self._waiting: deque[tuple[list[Numbered], dict[str, int]]] = deque()  # and how far content is to be read
        self.ripe: list[Numbered] = []  # what was numbered and whose content was read
        for place in ledger.open_begins():
            self._begun(*place)

    @property
    def behind(self) -> int:
        """Bytes of records that stand in segments and not yet in the ledger; any thread may ask."""
        return self._segments.behind

    @property
    def facts(self) -> Facts:
        """What was seen of sealed content."""
        return self._content.facts

    def step(self) -> int:
        """Take in what is new; return how many records that was."""
        self._segments.discover()
        self._segments.look_for_dead()
        contents_in = self._segments.tails(CONTENT)
        if self._numbered:  # content is durable before its record, so theirs stands in these segments by now
            self._waiting.append((self._numbered, {tail.name.relative: tail.size for tail in contents_in}))
            self._numbered = []
        contents, moved = self._content.take(contents_in)
        self._ripen({tail.name.relative: tail.read_to for tail in contents_in})
        taken, stretches = self._read_new(contents)
        if stretches:
            self._record(stretches, taken, moved)
            self._follow(stretches, taken.rows)
        elif moved:
            self._ledger.record((), taken.rows.columns(), moved)
        else:
            self._settle_dead()
        self._note_damage(stretches)
        tails = (*self._segments.tails(META), *self._segments.tails(CONTENT))
        self.more = bool(stretches or moved) and any(tail.behind > _READ_BYTES // 2 for tail in tails)
        return sum(stretch.count for stretch in stretches)

    def _ripen(self, read: Mapping[str, int]) -> None:
        """Let go of what was numbered as soon as its content was read; what was written since is not waited for."""
        while self._waiting and all(read.get(segment, end) >= end for segment, end in self._waiting[0][1].items()):
            self.ripe += self._waiting.popleft()[0]

    def _read_new(self, contents: list[Row]) -> tuple[_Taking, list[Stretch]]:
        """Read what is new. Each line becomes rows at once; if the ledger knows some already, all are read again."""
        known: set[str] = set()
        while True:
            taking = _Taking(Rows(contents=contents), self._files.order.last_seq, set(known))
            stretches = [stretch for tail in self._segments.tails(META) if (stretch := self._read(tail, taking))]
            again = self._ledger.known(taking.rows.events) if taking.rows.events else set()
            if not again:
                return taking, stretches
            known |= again

    def _read(self, tail: Tail, taking: _Taking) -> Stretch | None:
        if not tail.behind:
            return None
        taking.segment = tail.name.relative
        try:
            return read_stretch(self._files.journal, taking.segment, tail.read_to, _READ_BYTES, tail.gone, taking.take)
        except FileNotFoundError:
            return None

    def _record(self, stretches: Sequence[Stretch], taken: _Taking, moved: Positions) -> None:
        """Number what was read and insert it."""
        columns, lines = taken.rows.columns(), iter(taken.lines)
        entries = self._files.order.append([_entry(stretch, self._clock()) for stretch in stretches])
        self._numbered.extend([Numbered(entry, list(islice(lines, entry.count))) for entry in entries])
        self.counters.meters.take(columns)  # here, because a number is given only once
        positions = {stretch.segment: (stretch.end, False) for stretch in stretches}
        self._ledger.record(entries, columns, moved | positions)
        self.counters.records += len(taken.rows.events)
        skipped = [skip.reason for stretch in stretches for skip in stretch.skipped]
        self.counters.duplicates += skipped.count("duplicate")

    def _follow(self, stretches: Sequence[Stretch], rows: Rows) -> None:
        """Move the tails and keep the calls that began and did not end."""
        ends = {stretch.segment: stretch.end for stretch in stretches}
        for tail in self._segments.tails(META):
            tail.read_to = ends.get(tail.name.relative, tail.read_to)
        for row in rows.events:
            if row[2] == BEGIN:
                self._begun(row[1], row[10], row[11])
        for row in rows.calls:
            self._begins.pop(row[1], None)

    def _settle_dead(self) -> None:
        """Close the calls of writers that are gone, then drop those writers."""
        for writer in self._segments.finished_writers():
            begins = {call: place for call, place in self._begins.items() if _writer(place[1]) == writer}
            for call in self._ledger.ended(list(begins)):
                del begins[call], self._begins[call]
            if begins:
                self._files.own.append([interrupted(self._read_begin(*place)) for place in begins.values()])
                self.counters.interrupted += len(begins)
            else:
                self._ledger.record((), {}, self._segments.forget(writer))

    def _note_damage(self, stretches: Sequence[Stretch]) -> None:
        for stretch in stretches:
            for skip in stretch.skipped:
                if skip.reason != "duplicate":
                    self.counters.damage(stretch.segment, skip.start, skip.end, skip.reason)
        for segment, piece in self._content.damaged:
            self.counters.damage(segment, piece.start, piece.end, "damaged")
        self._content.damaged.clear()
        self._files.own.append(damage_reports(stretches, self._clock()))

    def _begun(self, event_id: str, segment: str, start: int) -> None:
        self._begins[event_id.removesuffix(".b")] = (event_id, segment, start)

    def _read_begin(self, event_id: str, segment: str, start: int) -> Event:
        try:
            return decode(read_line(self._files.journal, segment, start))
        except (BadLineError, FileNotFoundError):
            return Event(event_id, BEGIN, self._clock(), "")


def _writer(segment: str) -> str:
    return segment.rsplit("/", 1)[-1].rsplit("-", 1)[0]


def _entry(stretch: Stretch, at_us: int) -> Entry:
    return Entry(0, stretch.count, stretch.segment, stretch.start, stretch.end, at_us, stretch.skipped)
