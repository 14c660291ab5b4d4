"""Makes a batch of records durable: content first, then meta, each synced once."""

from __future__ import annotations

import errno
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from metrics.record.commits import Pending
from metrics.record.events import Event, encode
from metrics.record.frames import frame
from metrics.record.gaps import Gaps
from metrics.record.sealer import Sealer
from metrics.record.segments import SegmentWriter

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Begins:
    """Begins that were written but not synced; kept so that a failed segment does not take them along."""

    def __init__(self, meta: SegmentWriter, kept: int) -> None:
        self._meta = meta
        self._written: deque[bytes] = deque(maxlen=kept)
        self._stranded: deque[bytes] = deque(maxlen=kept)

    def write(self, line: bytes) -> bool:
        """Append a line; keep it for later when that fails."""
        try:
            self._meta.append(line)
        except OSError:
            self._stranded.append(line)
            return False
        self._written.append(line)
        return True

    @property
    def stranded(self) -> int:
        """How many are only in memory."""
        return len(self._stranded)

    @property
    def written(self) -> int:
        """How many were written and not yet synced."""
        return len(self._written)

    def lines(self) -> bytes:
        """Return all that a fresh segment needs."""
        return b"".join([*self._written.copy(), *self._stranded.copy()])

    def synced(self, written: int, stranded: int) -> None:
        """Forget lines that are durable now."""
        for lines, count in ((self._written, written), (self._stranded, stranded)):
            for _ in range(min(count, len(lines))):
                lines.popleft()


class Store:
    """The two segment files of a process. Used by the commit thread."""

    def __init__(
        self, content: SegmentWriter, meta: SegmentWriter, begins: Begins, sealer: Sealer, space: Callable[[], bool]
    ) -> None:
        self._content, self._meta, self._begins = content, meta, begins
        self._sealer, self._space = sealer, space

    @property
    def stranded(self) -> bool:
        """Say whether begins wait in memory for a segment that works."""
        return bool(self._begins.stranded)

    def put(self, batch: Sequence[Pending], gaps: Gaps, now_us: int) -> None:
        """Make a batch durable. Raises `OSError` or `sqlite3.Error`; the next call uses fresh segments."""
        shed = [*self._prepare(batch), *self._put_content([item for item in batch if _to_seal(item)])]
        holes = gaps.with_shed([item.event for item in shed])
        lines = [encode(self._referenced(item)) for item in batch]
        self._put_meta([*lines, *(encode(event) for event in holes.report(now_us))])
        gaps.clear()
        for item in shed:
            item.shed = True

    def close(self) -> None:
        """Let go of the files."""
        self._content.close()
        self._meta.close()

    def _prepare(self, batch: Sequence[Pending]) -> list[Pending]:
        """Fetch the keys; return the records whose content cannot get one because the disk is full."""
        try:
            self._sealer.prepare([(item.event, item.content) for item in batch])
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            return [item for item in batch if _to_seal(item)]
        return []

    def _put_content(self, items: Sequence[Pending]) -> Sequence[Pending]:
        """Write the sealed content; return the records that lost theirs. A full disk costs it, not the record."""
        sealable = [item for item in items if item.content and self._sealer.knows(item.event, item.content)]
        if not sealable:
            return ()
        if not self._space():
            return sealable
        try:
            if self._content.due:
                self._content.roll()
            frames = [frame(self._sealer.seal(item.event, item.content)) for item in sealable if item.content]
            self._content.append(b"".join(frames))
            self._content.sync()
        except OSError as problem:
            if problem.errno not in _FULL:
                raise
            return sealable
        for item in sealable:
            item.sealed = True
        return ()

    def _put_meta(self, lines: Sequence[bytes]) -> None:
        stranded = self._begins.stranded
        again = self._begins.lines() if self._meta.broken or stranded else b""
        if self._meta.due:
            self._meta.roll()
        if again or lines:
            self._meta.append(again + b"".join(lines))
            written = self._begins.written
            self._meta.sync()
            self._begins.synced(written, stranded)

    def _referenced(self, item: Pending) -> Event:
        if item.content is None or item.content.subject is None or not self._sealer.knows(item.event, item.content):
            return item.event
        return replace(item.event, subject_ref=self._sealer.subject_ref(item.event, item.content))


def _to_seal(item: Pending) -> bool:
    return bool(item.content and item.content.fields and not item.sealed)
