"""Follows the order file from a remembered number on, so that sending asks nothing of the thread that takes records in.

The journal is the queue: a collector that is away costs no memory, and what it missed is read when it is back.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import orjson

from metrics.record.events import BadLineError, Event
from metrics.record.order import Entry, parse_entry
from metrics.record.reader import OpenSegments, read_entry
from metrics.record.rows import END

_READ_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Position:
    """How far was sent, and what was given up on the way; written as one, so that the counts stay exact."""

    seq: int
    dropped_calls: int = 0
    dropped_spans: int = 0
    unreadable: int = 0


class PositionFile:
    """Remembers a position across restarts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self, head: int) -> Position:
        """Return the position; the newest record's where there is none, or one of another journal."""
        try:
            found = Position(**orjson.loads(self._path.read_bytes()))
        except (OSError, ValueError, TypeError):
            return Position(head)
        return found if 0 <= found.seq <= head else Position(head)

    def save(self, position: Position) -> None:
        """Replace the file. Raises `OSError`."""
        new = self._path.with_suffix(".new")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(orjson.dumps(asdict(position)))
        new.replace(self._path)


class OrderTail:
    """Reads the lines of the order file as they come, beginning with the one that holds the number after `seq`."""

    def __init__(self, folder: Path, seq: int) -> None:
        self._folder, self._after = folder, seq
        self._path: Path | None = None
        self._offset = 0
        self._waiting: deque[tuple[Entry | None, int]] = deque()

    def next(self, upto: int) -> Entry | None:
        """Return the next stretch whose numbers are all at most `upto`: only those are durable for certain."""
        while self._waiting or self._fill():
            entry, end = self._waiting[0]
            if entry and max(entry.seq, entry.last) > upto:
                self._waiting.clear()  # read again next time: what is not durable may still be cut off
                return None
            self._waiting.popleft()
            self._offset = end
            if entry and entry.last > self._after:
                return entry
        return None

    def _fill(self) -> bool:
        """Read whole lines; move to the next day's file at the end of one."""
        paths = sorted(self._folder.glob("*.jsonl"))  # before reading: a file with a successor is complete
        if not paths:
            return False
        if self._path is None:
            self._path = self._first(paths)
        while self._path not in paths or not self._read(self._path):  # a file may have passed its retention
            later = [path for path in paths if path > self._path]
            if not later:
                return False
            self._path, self._offset = later[0], 0
        return True

    def _read(self, path: Path) -> bool:
        with path.open("rb") as file:
            file.seek(self._offset)
            data = file.read(_READ_BYTES)
            if data and b"\n" not in data:
                data += file.readline()
        at = self._offset
        for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
            at += len(line)
            self._waiting.append((_parsed(line), at))
        return bool(self._waiting)

    def _first(self, paths: list[Path]) -> Path:
        """Find the newest file that begins at or before the number looked for."""
        for path in reversed(paths):
            with path.open("rb") as file:
                entry = _parsed(file.readline())
            if entry and entry.seq <= self._after + 1:
                return path
        return paths[0]


@dataclass(frozen=True, slots=True)
class Batch:
    """Calls that ended. Once they are dealt with, everything up to `seq` is."""

    seq: int
    calls: tuple[Event, ...]
    unreadable: int = 0


class Follower:
    """Gives the ends of calls in the order of their numbers."""

    def __init__(self, journal: Path, seq: int) -> None:
        self._seq = self._given = seq
        self._tail = OrderTail(journal / "order", seq)
        self._segments = OpenSegments(journal)
        self._ahead: deque[tuple[int, Event]] = deque()
        self._ahead_to = seq
        self._unreadable = 0

    def next(self, upto: int, limit: int) -> Batch | None:
        """Return the next calls, at most `limit`; nothing when there is nothing new up to that number."""
        calls: list[Event] = []
        while len(calls) < limit and (self._ahead or self._look(upto)):
            if self._ahead:
                self._seq, event = self._ahead.popleft()
                calls.append(event)
            if not self._ahead:
                self._seq = self._ahead_to
        before, self._given = self._given, self._seq
        unreadable, self._unreadable = self._unreadable, 0
        return Batch(self._seq, tuple(calls), unreadable) if self._seq > before else None

    def close(self) -> None:
        """Close the segments."""
        self._segments.close()

    def _look(self, upto: int) -> bool:
        entry = self._tail.next(upto)
        if entry is None:
            return False
        self._ahead.extend((seq, event) for seq, event in self._events(entry) if seq > self._seq and event.kind == END)
        self._ahead_to = entry.last
        return True

    def _events(self, entry: Entry) -> Iterator[tuple[int, Event]]:
        """Yield what can be read; records that are gone or garbled are counted, not waited for."""
        seq = entry.seq
        try:
            for line in read_entry(self._segments, entry):
                yield seq, line.event
                seq += 1
        except (BadLineError, OSError, EOFError):
            self._unreadable += entry.last - seq + 1


def _parsed(line: bytes) -> Entry | None:
    try:
        return parse_entry(line)
    except BadLineError:
        return None
