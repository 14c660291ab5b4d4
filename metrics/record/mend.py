"""Fills in for a garbled line of the order file where the segments leave no doubt which records it numbered."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from metrics.record.order import Entry, OrderFile
from metrics.record.reader import keeping, read_stretch


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes of a segment that no line numbers, between the lines at two places of the order file."""

    segment: str
    start: int
    end: int
    after: int
    before: int


def whole(order: OrderFile, journal: Path, after: int, missing: list[str]) -> Iterator[Entry]:
    """Yield the stretches above `after`; numbers that nothing can be found for are named in `missing`."""
    if not after:
        deque(order.entries(), maxlen=0)  # a look at every line, to know of damage in old files
    if not order.damage:
        yield from order.entries(after)
        return
    entries = list(order.entries())
    gaps, expected = _gaps(entries), 1
    for place, entry in enumerate(entries):
        found = _found(journal, gaps, place, expected, entry) if entry.seq > expected else None
        if found and found.last > after:
            yield found
        elif entry.seq > expected and entry.seq - 1 > after and not found:
            missing.append(f"numbers {expected} to {entry.seq - 1}: their line of the order file is garbled")
        if entry.last > after or (not entry.count and entry.seq > after):
            yield entry
        expected = max(expected, entry.last + 1)


def _gaps(entries: Sequence[Entry]) -> list[Gap]:
    read_to: dict[str, tuple[int, int]] = {}
    gaps = []
    for place, entry in enumerate(entries):
        end, last = read_to.get(entry.segment, (0, -1))
        if entry.start > end:
            gaps.append(Gap(entry.segment, end, entry.start, last, place))
        read_to[entry.segment] = (entry.end, place)
    return gaps


def _found(journal: Path, gaps: Sequence[Gap], place: int, seq: int, following: Entry) -> Entry | None:
    """Return the one stretch that has as many records as numbers are missing here; nothing when there are several."""
    fitting = []
    for gap in gaps:
        if gap.after < place <= gap.before:
            try:
                stretch = read_stretch(journal, gap.segment, gap.start, gap.end - gap.start, False, keeping([]))
            except OSError:
                continue
            if stretch and stretch.end == gap.end and stretch.count == following.seq - seq:
                count, skipped = stretch.count, stretch.skipped
                fitting.append(Entry(seq, count, gap.segment, gap.start, gap.end, following.at_us, skipped))
    return fitting[0] if len(fitting) == 1 else None
