"""The order file: the primary list of which record has which sequence number.

One line for each stretch of a segment that was read at once: its records count up from `seq`, in the order in which
they stand there, without the stretches in `skipped`. Ledger and audit tree are both made from it, so a rebuild gives
every record its number again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from metrics.record.events import BadLineError, checked, checksummed
from metrics.record.fileops import make_folder, sync_data, sync_folder
from metrics.record.segments import day_of


@dataclass(frozen=True, slots=True)
class Skipped:
    """Bytes of a segment that got no number: `torn`, `garbled` or `duplicate`."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """`count` records of a segment's bytes [start, end), numbered from `seq`."""

    seq: int
    count: int
    segment: str
    start: int
    end: int
    at_us: int
    skipped: tuple[Skipped, ...] = ()

    @property
    def last(self) -> int:
        """The last number given so far."""
        return self.seq + self.count - 1


class OrderFile:
    """One file a day below JOURNAL/order. Appended to by the recorder alone."""

    def __init__(self, journal: Path) -> None:
        self._folder = journal / "order"
        make_folder(self._folder)
        self.damage: list[str] = []
        self._mend()
        self.last_seq = self._last_seq()

    def append(self, entries: Sequence[Entry]) -> list[Entry]:
        """Number stretches and make their lines durable; `seq` of the arguments is ignored. Raises `OSError`."""
        numbered, seq = [], self.last_seq + 1
        for entry in entries:
            numbered.append(replace(entry, seq=seq))
            seq += entry.count
        self._write(self._path(entries[0].at_us), b"".join(_line(entry) for entry in numbered))
        self.last_seq = seq - 1
        return numbered

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Yield the stretches that hold a number above `after`, in order; a stretch without any counts as its seq."""
        for path in self._files(after):
            with path.open("rb") as lines:
                for number, line in enumerate(lines, 1):
                    entry = self._read(path, number, line)
                    if entry and (entry.last > after or (not entry.count and entry.seq > after)):
                        yield entry

    def recent_damage(self) -> list[tuple[str, Skipped]]:
        """Return the damaged stretches of segments that the newest file names."""
        return [
            (entry.segment, skip)
            for path in self._paths()[-1:]
            for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1)
            if (entry := self._read(path, number, line))
            for skip in entry.skipped
            if skip.reason != "duplicate"
        ]

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.jsonl"))

    def _path(self, at_us: int) -> Path:
        """Return today's file, or the newest one when the clock went back: later lines stand in later files."""
        name = f"{day_of(at_us)}.jsonl"
        return self._folder / max([name, *(path.name for path in self._paths()[-1:])])

    def _files(self, after: int) -> list[Path]:
        """Leave out files all of whose numbers come before."""
        paths = self._paths()
        firsts = [self._first_seq(path) for path in paths[1:]]
        kept = [path for path, following in zip(paths, firsts, strict=False) if following > after]
        return [*kept, *paths[-1:]]

    def _first_seq(self, path: Path) -> int:
        with path.open("rb") as lines:
            entry = self._read(path, 1, lines.readline())
        return entry.seq if entry else self.last_seq + 1

    def _last_seq(self) -> int:
        for path in reversed(self._paths()):
            lines = path.read_bytes().splitlines(keepends=True)
            found = [self._read(path, number, line) for number, line in enumerate(lines, 1)]
            numbers = [entry.last for entry in found if entry]
            if numbers:
                return max(numbers)
        return 0

    def _write(self, path: Path, data: bytes) -> None:
        fresh = not path.exists()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        whole = os.fstat(fd).st_size
        try:
            _write_all(fd, data)
            sync_data(fd)
        except OSError:
            os.ftruncate(fd, whole)  # or the next line would be joined to half of this one
            raise
        finally:
            os.close(fd)
        if fresh:
            sync_folder(self._folder)

    def _read(self, path: Path, number: int, line: bytes) -> Entry | None:
        try:
            return parse_entry(line)
        except BadLineError:
            problem = f"order/{path.name}, line {number}: garbled"
            if problem not in self.damage:
                self.damage.append(problem)
            return None

    def _mend(self) -> None:
        """Cut off a last line that a crash left unfinished: nothing was inserted on its word yet."""
        paths = sorted(self._folder.glob("*.jsonl"))
        if not paths:
            return
        data = paths[-1].read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(paths[-1], whole)


def _line(entry: Entry) -> bytes:
    fields = [entry.seq, entry.count, entry.segment, entry.start, entry.end, entry.at_us]
    skipped = [[skip.start, skip.end, skip.reason] for skip in entry.skipped]
    return checksummed(orjson.dumps({"entry": fields, "skipped": skipped}))


def parse_entry(line: bytes) -> Entry:
    """Read one line of the order file. Raises `BadLineError`."""
    value = checked(line)
    seq, count, segment, start, end, at_us = value["entry"]
    return Entry(seq, count, segment, start, end, at_us, tuple(Skipped(*skip) for skip in value["skipped"]))


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
