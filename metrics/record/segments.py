"""Append-only segment files: how one writer fills them and how their names are read.

`JOURNAL/FAMILY/YYYY-MM-DD/WRITER-NNNNNN.SUFFIX`: the day is the writer's UTC day, the number counts up. The writer
holds a lock on its newest segment for as long as it lives, so a free lock there means that it is gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from metrics.record.fileops import FileOps
from metrics.record.ids import Clock

META, CONTENT = "meta", "content"
SUFFIXES = {META: ".jsonl", CONTENT: ".frames"}
_NAME = re.compile(
    r"(?P<family>meta|content)/(?P<day>\d{4}-\d\d-\d\d)/(?P<writer>[^/.][^/]*)-(?P<number>\d{6,})(?P<suffix>\.[a-z]+)"
)


def day_of(ts_us: int) -> str:
    """Return the UTC day as YYYY-MM-DD."""
    return datetime.fromtimestamp(ts_us / 1_000_000, UTC).strftime("%Y-%m-%d")


@dataclass(frozen=True, slots=True, order=True)
class SegmentName:
    """What a segment's path says. Sorts in the order of day, writer, number."""

    family: str
    day: str
    writer: str
    number: int

    @property
    def relative(self) -> str:
        """The path below the journal folder; the name used in the order file and in the ledger."""
        return f"{self.family}/{self.day}/{self.writer}-{self.number:06d}{SUFFIXES[self.family]}"

    @staticmethod
    def parse(relative: str) -> SegmentName | None:
        """Read a relative path; nothing when it names no segment."""
        found = _NAME.fullmatch(relative.removesuffix(".gz"))
        if not found or SUFFIXES[found["family"]] != found["suffix"]:
            return None
        return SegmentName(found["family"], found["day"], found["writer"], int(found["number"]))


@dataclass(slots=True)
class _Open:
    fd: int
    path: Path
    day: str
    size: int = 0
    broken: bool = False


class SegmentWriter:
    """One family's segments of one writer. `append` may be called from two threads; the rest from one."""

    def __init__(
        self, journal: Path, family: str, writer: str, files: FileOps, clock: Clock, limit_bytes: int = 64 << 20
    ) -> None:
        self._journal, self._family, self._writer = journal, family, writer
        self._files, self._clock, self._limit_bytes = files, clock, limit_bytes
        self._lock = threading.Lock()
        self._open: _Open | None = None
        self._number = 0

    @property
    def broken(self) -> bool:
        """Say whether an operation failed, so that nothing may be appended here any more."""
        return self._open is not None and self._open.broken

    @property
    def due(self) -> bool:
        """Say whether the segment is full, yesterday's, broken or not there yet."""
        now = self._open
        return now is None or now.broken or now.size >= self._limit_bytes or now.day != day_of(self._clock())

    def append(self, data: bytes) -> None:
        """Append whole records in one write. Raises `OSError`; after that only `roll` helps."""
        with self._lock:
            segment = self._open or self._start()
            if segment.broken:
                raise OSError(errno.EIO, "the segment failed before and was given up")
            try:
                taken = self._files.write(segment.fd, data)
            except OSError:
                segment.broken = True
                raise
            segment.size += taken
            if taken != len(data):
                segment.broken = True  # half a record stands here: nothing may follow it
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        """Make everything appended so far durable where readers look. Raises `OSError`; then only `roll` helps."""
        segment = self._open
        if segment is None:
            return
        try:
            self._files.sync(segment.fd)
            _in_place(segment)
        except OSError:
            segment.broken = True  # the kernel may have dropped the pages: a second sync would lie
            raise

    def roll(self) -> None:
        """Begin a fresh segment, then let go of the old one, so that one lock is held at any time."""
        with self._lock:
            old = self._open
            self._start()
            self._release(old)

    def close(self) -> None:
        """Let go of the segment and its lock."""
        with self._lock:
            old, self._open = self._open, None
            self._release(old)

    def _start(self) -> _Open:
        day = day_of(self._clock())
        self._number += 1
        name = SegmentName(self._family, day, self._writer, self._number)
        path = self._journal / name.relative
        self._open = _Open(self._files.create(path), path, day)
        return self._open

    def _release(self, segment: _Open | None) -> None:
        if segment is None:
            return
        with contextlib.suppress(OSError):
            if not segment.size:
                segment.path.unlink(missing_ok=True)
            os.close(segment.fd)


def _in_place(segment: _Open) -> None:
    """Raise `FileNotFoundError` when somebody removed or moved the segment: what is synced there, nobody will read."""
    named, held = segment.path.stat(), os.fstat(segment.fd)
    if (named.st_ino, named.st_dev) != (held.st_ino, held.st_dev):
        raise FileNotFoundError(errno.ENOENT, "another file stands in the place of the segment", str(segment.path))
