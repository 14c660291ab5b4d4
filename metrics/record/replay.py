"""Makes the ledger again from the order file: every record gets the number it had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from metrics.record.events import BadLineError
from metrics.record.ledger import Ledger, mark
from metrics.record.mend import whole
from metrics.record.order import Entry, OrderFile
from metrics.record.reader import OpenSegments, read_entry
from metrics.record.rows import Rows


def agrees(order: OrderFile, ledger: Ledger) -> bool:
    """Say whether the ledger was made from this order file."""
    progress = ledger.progress()
    if progress.seq > order.last_seq:
        return False
    return not progress.seq or any(mark(entry) == progress.entry for entry in order.entries(progress.seq - 1))


def replay(
    journal: Path,
    order: OrderFile,
    ledger: Ledger,
    missing: list[str],
    until: int | None = None,
    at_once: int = 20_000,
) -> Iterator[int]:
    """Insert what the order file numbered and the ledger lacks; yield the last number after each so many records.

    What cannot be read any more is named in `missing`; its numbers stay free. `until`: stretches that begin after this
    number are left out.
    """
    waiting: list[Entry] = []
    rows = Rows()
    with closing(OpenSegments(journal)) as segments:
        for entry in _lacking(journal, order, ledger, missing):
            if until is not None and entry.seq > until:
                break
            missing.extend(_replay(segments, entry, rows))
            waiting.append(entry)
            if len(rows.events) >= at_once:
                yield _insert(ledger, waiting, rows)
                waiting, rows = [], Rows()
    if waiting:
        yield _insert(ledger, waiting, rows)


def _lacking(journal: Path, order: OrderFile, ledger: Ledger, missing: list[str]) -> Iterator[Entry]:
    progress = ledger.progress()
    passed = not progress.entry
    for entry in whole(order, journal, max(0, progress.seq - 1), missing):
        if passed:
            yield entry
        passed = passed or mark(entry) == progress.entry


def _replay(segments: OpenSegments, entry: Entry, rows: Rows) -> Iterator[str]:
    try:
        for seq, line in enumerate(read_entry(segments, entry), entry.seq):
            rows.add(seq, entry.segment, line)
    except (BadLineError, OSError, EOFError) as problem:
        yield f"{entry.segment}, numbers {entry.seq} to {entry.last}: {problem}"


def _insert(ledger: Ledger, entries: list[Entry], rows: Rows) -> int:
    ledger.record(entries, rows.columns(), {entry.segment: (entry.end, False) for entry in entries})
    return entries[-1].last
