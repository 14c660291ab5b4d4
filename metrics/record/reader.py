"""Reads segments: whole records only, damaged stretches named."""

from __future__ import annotations

import fcntl
import gzip
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from metrics.record.events import BadLineError, Event, decode, salvage
from metrics.record.frames import Found, scan
from metrics.record.order import Entry, Skipped

_LINE_BYTES = 64 << 10  # most lines are shorter


@dataclass(slots=True)  # not frozen: that costs half a microsecond for each
class Line:
    """One event and where its line stands; what is read for the first time comes with the line itself."""

    start: int
    end: int
    event: Event
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was read of a meta segment at once."""

    segment: str
    start: int
    end: int
    count: int
    skipped: tuple[Skipped, ...]


def has_writer(path: Path) -> bool:
    """Say whether a process still holds the lock of a segment."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def size_of(path: Path) -> int:
    """Return a segment's size; 0 when it is gone or compressed (then it was read to its end before)."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def read_bytes(journal: Path, segment: str, start: int, length: int) -> bytes:
    """Read a piece of a segment, compressed or not. Raises `FileNotFoundError` when both forms are gone."""
    with _open(journal / segment) as file:
        file.seek(start)
        return file.read(length)


def read_line(journal: Path, segment: str, start: int) -> bytes:
    """Read the line that starts at an offset: a piece, and more only while its end is not there.

    Raises `FileNotFoundError`.
    """
    with _open(journal / segment) as file:
        file.seek(start)
        line = file.read(_LINE_BYTES)
        while b"\n" not in line and (more := file.read(len(line))):
            line += more
    return line[: line.find(b"\n") + 1] or line


def read_stretch(
    journal: Path, segment: str, start: int, limit: int, final: bool, take: Callable[[Line], bool]
) -> Stretch | None:
    """Read whole lines from an offset and hand each over; one that `take` refuses is a duplicate.

    With `final` (its writer is gone) an unfinished last line is torn.
    """
    data = read_bytes(journal, segment, start, limit)
    whole = data.rfind(b"\n") + 1
    if not whole and len(data) == limit:  # a line longer than the limit
        return read_stretch(journal, segment, start, limit * 2, final, take)
    count, skipped = _split(data[:whole], start, take)
    if final and whole < len(data) < limit:
        skipped.append(Skipped(start + whole, start + len(data), "torn"))
        whole = len(data)
    return Stretch(segment, start, start + whole, count, tuple(skipped)) if whole else None


def keeping(lines: list[Line]) -> Callable[[Line], bool]:
    """Return what puts every line that is read into a list."""

    def keep(line: Line) -> bool:
        lines.append(line)
        return True

    return keep


class OpenSegments:
    """Keeps the segments that were read last open, so that a compressed one is unpacked once, not for each stretch."""

    def __init__(self, journal: Path, kept: int = 32) -> None:
        self._journal, self._kept = journal, kept
        self._files: OrderedDict[str, BinaryIO | gzip.GzipFile] = OrderedDict()

    def read(self, segment: str, start: int, length: int) -> bytes:
        """Read a piece of a segment. Raises `FileNotFoundError`."""
        file = self._files.pop(segment, None) or _open(self._journal / segment)
        self._files[segment] = file
        if len(self._files) > self._kept:
            self._files.popitem(last=False)[1].close()
        file.seek(start)
        return file.read(length)

    def close(self) -> None:
        """Close all."""
        while self._files:
            self._files.popitem()[1].close()


def read_entry(segments: OpenSegments, entry: Entry) -> Iterator[Line]:
    """Read the records of one stretch of the order file again. Raises `BadLineError` when they changed."""
    for at, line in entry_lines(segments, entry):
        if not line.endswith(b"\n"):
            raise BadLineError(f"{entry.segment}: the line at {at} has no end")
        yield Line(at, at + len(line), decode(line))


def entry_lines(segments: OpenSegments, entry: Entry) -> Iterator[tuple[int, bytes]]:
    """Yield where each line of one stretch of the order file stands, and the line; only the last may lack its end."""
    data = segments.read(entry.segment, entry.start, entry.end - entry.start)
    over = {skip.start: skip.end for skip in entry.skipped}
    at = entry.start
    while at < entry.end:
        if at in over:
            at = over[at]
            continue
        end = entry.start + data.find(b"\n", at - entry.start) + 1
        if end <= at:
            end = entry.end
        yield at, data[at - entry.start : end - entry.start]
        at = end


def read_frames(journal: Path, segment: str, start: int, limit: int, final: bool) -> list[Found]:
    """Read whole frames from an offset; positions are those in the segment."""
    data = read_bytes(journal, segment, start, limit)
    found = list(scan(data, final and len(data) < limit, start))
    if not found and len(data) == limit:  # a frame longer than the limit
        return read_frames(journal, segment, start, limit * 2, final)
    return found


def read_frame(journal: Path, segment: str, start: int) -> bytes | None:
    """Read the payload of the frame that starts at an offset; nothing when it is damaged or gone."""
    try:
        found = read_frames(journal, segment, start, 1 << 16, final=True)
    except FileNotFoundError:
        return None
    return found[0].payload if found else None


def _split(data: bytes, offset: int, take: Callable[[Line], bool]) -> tuple[int, list[Skipped]]:
    skipped: list[Skipped] = []
    count = at = 0
    while at < len(data):
        end = data.index(b"\n", at) + 1
        text = data[at:end]
        try:
            line = Line(offset + at, offset + end, decode(text), text)
        except BadLineError:
            saved = salvage(text)
            end = at + saved if saved > 0 else end
            skipped.append(Skipped(offset + at, offset + end, "garbled"))
        else:
            if take(line):
                count += 1
            else:
                skipped.append(Skipped(line.start, line.end, "duplicate"))
        at = end
    return count, skipped


def _open(path: Path) -> BinaryIO | gzip.GzipFile:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return gzip.open(path.with_name(path.name + ".gz"), "rb")
