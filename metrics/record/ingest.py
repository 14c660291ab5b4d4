"""From segments to the ledger: number whole records once, insert them, close what dead writers left open."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from metrics.record.audited import Facts
from metrics.record.content_intake import ContentIntake
from metrics.record.events import BadLineError, Event, decode
from metrics.record.ids import Clock
from metrics.record.keystore import KeyStore
from metrics.record.ledger import Ledger
from metrics.record.order import Entry, OrderFile, Skipped
from metrics.record.otel_meters import Meters
from metrics.record.own import OwnSegments, damage_reports, interrupted
from metrics.record.reader import Stretch, read_bytes, read_stretch
from metrics.record.rows import BEGIN, END, Row, Rows, call_of
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


class Ingest:
    """One life of an open ledger. After any failure a new one is made, which goes on from order file and ledger."""

    def __init__(self, files: Files, ledger: Ledger, counters: Counters, clock: Clock) -> None:
        self._files, self._ledger, self.counters, self._clock = files, ledger, counters, clock
        self._segments = SegmentList(files.journal, ledger.positions())
        self._content = ContentIntake(files.journal, files.keystore)
        self._begins: dict[str, tuple[str, Event]] = {}  # call id -> writer, begin
        self.more = False  # the last step left whole batches behind
        self._numbered: list[Entry] = []
        self._waiting: deque[tuple[list[Entry], dict[str, int]]] = deque()  # and how far content is to be read for them
        self.ripe: list[Entry] = []  # what was numbered and whose content was read
        for event_id, segment, start in ledger.open_begins():
            self._begun(segment, self._read_begin(event_id, segment, start))

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
        stretches = [stretch for tail in self._segments.tails(META) if (stretch := self._read(tail))]
        if stretches:
            stretches = self._record(stretches, contents, moved)
            self._follow(stretches)
        elif moved:
            self._ledger.record((), Rows(contents=contents), moved)
        else:
            self._settle_dead()
        self._note_damage(stretches)
        tails = (*self._segments.tails(META), *self._segments.tails(CONTENT))
        self.more = bool(stretches or moved) and any(tail.behind > _READ_BYTES // 2 for tail in tails)
        return sum(len(stretch.lines) for stretch in stretches)

    def _ripen(self, read: Mapping[str, int]) -> None:
        """Let go of what was numbered as soon as its content was read; what was written since is not waited for."""
        while self._waiting and all(read.get(segment, end) >= end for segment, end in self._waiting[0][1].items()):
            self.ripe += self._waiting.popleft()[0]

    def _read(self, tail: Tail) -> Stretch | None:
        if not tail.behind:
            return None
        try:
            return read_stretch(self._files.journal, tail.name.relative, tail.read_to, _READ_BYTES, tail.gone)
        except FileNotFoundError:
            return None

    def _record(self, stretches: Sequence[Stretch], contents: list[Row], moved: Positions) -> list[Stretch]:
        """Number and insert; return the stretches without what was known already."""
        events = [line.event for stretch in stretches for line in stretch.lines]
        seen = self._ledger.known(events) if events else set()
        fresh = [self._without_known(stretch, seen) for stretch in stretches]
        entries = self._files.order.append([_entry(stretch, self._clock()) for stretch in fresh])
        self._numbered.extend(entries)
        self.counters.meters.take(fresh)  # here, because a number is given only once
        rows = Rows(contents=contents)
        for entry, stretch in zip(entries, fresh, strict=True):
            for seq, line in enumerate(stretch.lines, entry.seq):
                rows.add(seq, stretch.segment, line)
        self._ledger.record(entries, rows, moved | {stretch.segment: (stretch.end, False) for stretch in fresh})
        self.counters.records += len(rows.events)
        return fresh

    def _without_known(self, stretch: Stretch, seen: set[str]) -> Stretch:
        """Leave out known events; `seen` grows, so that a second copy in this round is left out too."""
        fresh, again = [], []
        for line in stretch.lines:
            if line.event.event_id in seen:
                again.append(Skipped(line.start, line.end, "duplicate"))
            else:
                seen.add(line.event.event_id)
                fresh.append(line)
        self.counters.duplicates += len(again)
        skipped = sorted((*stretch.skipped, *again), key=lambda skip: skip.start)
        return replace(stretch, lines=tuple(fresh), skipped=tuple(skipped))

    def _follow(self, stretches: Sequence[Stretch]) -> None:
        """Move the tails and keep the calls that began and did not end."""
        ends = {stretch.segment: stretch.end for stretch in stretches}
        for tail in self._segments.tails(META):
            tail.read_to = ends.get(tail.name.relative, tail.read_to)
        for stretch in stretches:
            for line in stretch.lines:
                if line.event.kind == BEGIN:
                    self._begun(stretch.segment, line.event)
        for stretch in stretches:
            for line in stretch.lines:
                if line.event.kind == END:
                    self._begins.pop(call_of(line.event), None)

    def _settle_dead(self) -> None:
        """Close the calls of writers that are gone, then drop those writers."""
        for writer in self._segments.finished_writers():
            begins = {call: event for call, (owner, event) in self._begins.items() if owner == writer}
            for call in self._ledger.ended(list(begins)):
                del begins[call], self._begins[call]
            if begins:
                self._files.own.append([interrupted(event) for event in begins.values()])
                self.counters.interrupted += len(begins)
            else:
                self._ledger.record((), Rows(), self._segments.forget(writer))

    def _note_damage(self, stretches: Sequence[Stretch]) -> None:
        for stretch in stretches:
            for skip in stretch.skipped:
                if skip.reason != "duplicate":
                    self.counters.damage(stretch.segment, skip.start, skip.end, skip.reason)
        for segment, piece in self._content.damaged:
            self.counters.damage(segment, piece.start, piece.end, "damaged")
        self._content.damaged.clear()
        self._files.own.append(damage_reports(stretches, self._clock()))

    def _begun(self, segment: str, event: Event) -> None:
        writer = segment.rsplit("/", 1)[-1].rsplit("-", 1)[0]
        self._begins[call_of(event)] = (writer, event)

    def _read_begin(self, event_id: str, segment: str, start: int) -> Event:
        try:
            return decode(read_bytes(self._files.journal, segment, start, 1 << 16).split(b"\n", 1)[0] + b"\n")
        except (BadLineError, FileNotFoundError):
            return Event(event_id, BEGIN, self._clock(), "")


def _entry(stretch: Stretch, at_us: int) -> Entry:
    return Entry(0, len(stretch.lines), stretch.segment, stretch.start, stretch.end, at_us, stretch.skipped)
