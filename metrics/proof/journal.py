"""Compare the journal, line by line and frame by frame, with the leaves that were made of it."""

import bisect
import contextlib
import gzip
import hashlib
import itertools
import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metrics.proof.report import Report

_FRAME = struct.Struct(">4sII")
_LENGTHS = struct.Struct(">HB")
_SEGMENT = re.compile(r"meta/[\d-]+/[\w.-]+\.jsonl")
_STAND_IN = b'{"event_id":"gone","kind":"gone",'  # see metrics/record/gone.py
_MOST = 1 << 60
_LONGEST = 1 << 32  # bytes of an entry


@dataclass
class Said:
    """What the journal's own records say about what may be gone."""

    erased: set[str] = field(default_factory=set)  # references of subjects, ids of single records
    keys: dict[str, set[str]] = field(default_factory=dict)  # key of a day -> records that a hold kept
    ended: list[tuple[int, int]] = field(default_factory=list)  # numbers of records whose time was over
    owners: dict[str, tuple[int, str | None]] = field(default_factory=dict)  # id -> number, subject
    gone: list[int] = field(default_factory=list)  # numbers where another line stands in

    def note(self, seq: int, event: dict[str, Any]) -> None:
        """Remember what an event says."""
        body = event.get("body") or {}
        self.owners[event["event_id"]] = (seq, event.get("subject_ref"))
        if event.get("kind") == "erasure":
            self.erased.update(body.get("subject_refs", ()), body.get("event_ids", ()))
        elif event.get("kind") == "retention.run":
            for key in body.get("keys", ()):
                self.keys[key] = set(body.get("kept", {}).get(key, ()))
            self.ended.extend((int(first), int(last)) for first, last in body.get("gone", ()))

    def excuses(self, leaf: dict[str, Any]) -> bool:
        """Say whether a record of the tree explains that the content of this leaf's event is gone."""
        event_id, key = leaf["id"], leaf.get("key")
        erased = bool(self.erased & {self.owners[event_id][1], event_id})
        return erased or (key in self.keys and event_id not in self.keys[key])

    def unexplained(self) -> Iterator[int]:
        """Yield the numbers of records that were taken out though none says that their time was over."""
        self.ended.sort()
        starts = [first for first, _ in self.ended]
        furthest = list(itertools.accumulate((last for _, last in self.ended), max))
        for seq in self.gone:
            at = bisect.bisect_right(starts, seq)
            if not at or furthest[at - 1] < seq:
                yield seq


def check_journal(journal: Path, leaves: list[dict[str, Any]], report: Report) -> bool:
    """Compare every line of the journal, and every sealed frame, with the leaf made of it.

    Returns whether something is gone that a record without a leaf may yet explain.
    """
    said = Said()
    ends: dict[str, int] = {}
    missing: dict[str, tuple[int, int]] = {}
    next_seq, segments = 1, _Segments(journal)
    for seq, count, segment, start, end, skipped in _entries(journal, report):
        if seq != next_seq:
            report.found(next_seq, "its place in the order file is missing or moved")
        next_seq, ends[segment] = seq + count, end
        try:
            lines = list(segments.lines(segment, start, end, skipped))
        except (gzip.BadGzipFile, EOFError, zlib.error):
            report.found(seq, f"{segment} cannot be unpacked")
            continue
        except FileNotFoundError:
            missing[segment] = (min(seq, missing.get(segment, (seq, 0))[0]), next_seq - 1)
            continue
        if len(lines) != count:
            report.found(
                seq + min(len(lines), count), f"{segment} holds {len(lines)} lines where {count} were recorded"
            )
        for at, line in enumerate(lines[:count], seq):
            _check_line(at, line, leaves, said, report)
    segments.close()
    if next_seq <= len(leaves):
        report.found(next_seq, "the order file ends before it")
    known = len(report.problems)
    _check_missing(said, missing, report)
    _check_frames(journal, leaves, said, report)
    return len(report.problems) > known and (next_seq > len(leaves) + 1 or _goes_on(journal, ends))


def _goes_on(journal: Path, ends: dict[str, int]) -> bool:
    """Say whether a segment has lines that have no number yet."""
    for path in (journal / "meta").glob("*/*.jsonl"):
        with contextlib.suppress(FileNotFoundError):  # packed just now
            if path.stat().st_size > ends.get(path.relative_to(journal).as_posix(), 0):
                return True
    return False


def _check_missing(said: Said, missing: dict[str, tuple[int, int]], report: Report) -> None:
    for seq in said.unexplained():
        report.found(seq, "its line in the journal was taken out, and no record says that its time was over")
    for segment, (first, last) in missing.items():
        if last >= first:
            report.found(first, f"the segment {segment} with records up to {last} is missing")


def _entries(journal: Path, report: Report) -> Iterator[tuple[int, int, str, int, int, dict[int, int]]]:
    for path in sorted((journal / "order").glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
            try:
                seq, count, segment, start, end, skipped, crc = _entry(line)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                report.found(None, f"order file {path.name}, line {number}, is garbled")
                continue
            if zlib.crc32(line[: line.rfind(b',"crc"')]) != crc:
                report.found(seq, f"order file {path.name}, line {number}, was changed")
            yield seq, count, segment, start, end, skipped


def _entry(line: bytes) -> tuple[int, int, str, int, int, dict[int, int], int]:
    """Read a line of the order file. Raises `ValueError` and others when it says nothing that can be looked up."""
    value = json.loads(line)
    seq, count, segment, start, end, _ = value["entry"]
    skipped = {first: last for first, last, _ in value["skipped"]}
    numbers = (seq, count, start, end, *skipped, *skipped.values())
    if not all(type(number) is int and 0 <= number < _MOST for number in numbers) or not _SEGMENT.fullmatch(segment):
        raise ValueError("not numbers and the name of a segment")
    if not start <= end < start + _LONGEST or any(last <= first for first, last in skipped.items()):
        raise ValueError("a stretch that ends before it begins, or is longer than any")
    return seq, count, segment, start, end, skipped, int(value.get("crc", "0"), 16)


class _Segments:
    """Open segments, packed or not; read forward, so that a packed one is unpacked once."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._files: dict[str, Any] = {}

    def lines(self, segment: str, start: int, end: int, skipped: dict[int, int]) -> Iterator[bytes]:
        """Yield the lines of a stretch. Raises `FileNotFoundError` when the segment is gone."""
        data = self._read(segment, start, end - start)
        at = start
        while at < end:
            if at in skipped:
                at = skipped[at]
                continue
            stop = start + data.find(b"\n", at - start) + 1
            stop = stop if stop > at else end
            yield data[at - start : stop - start]
            at = stop

    def _read(self, segment: str, start: int, length: int) -> bytes:
        file = self._files.pop(segment, None)
        if file is None:
            file = _open(self._journal / segment)
        self._files[segment] = file
        if len(self._files) > 64:
            self._files.pop(next(iter(self._files))).close()
        file.seek(start)
        return bytes(file.read(length))

    def close(self) -> None:
        """Close all."""
        for file in self._files.values():
            file.close()


def _open(path: Path) -> Any:
    try:
        return path.open("rb")
    except FileNotFoundError:  # packed, perhaps just now
        return gzip.open(path.with_name(path.name + ".gz"), "rb")


def _check_line(seq: int, line: bytes, leaves: list[dict[str, Any]], said: Said, report: Report) -> None:
    if seq > len(leaves):
        return  # the tree has not come so far yet
    leaf = leaves[seq - 1]
    if leaf.get("line") != hashlib.sha256(line).hexdigest():
        if line.startswith(_STAND_IN):
            said.gone.append(seq)
            return
        report.found(seq, "its line in the journal is not what was recorded")
        return
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return
    if not isinstance(event, dict) or event.get("event_id") != leaf.get("id"):
        report.found(seq, "its leaf names another event")
    try:
        said.note(seq, event)
    except (ValueError, KeyError, TypeError, AttributeError):
        report.found(seq, "what it says cannot be read")


def _check_frames(journal: Path, leaves: list[dict[str, Any]], said: Said, report: Report) -> None:
    wanted = {leaf["id"]: leaf for leaf in leaves if "frame" in leaf and str(leaf.get("id")) in said.owners}
    for path in sorted((journal / "content").glob("*/*.frames")) if wanted else ():
        for payload in _frames(_bytes_of(path)):
            event_id = _event_of(payload)
            if event_id in wanted and wanted[event_id]["frame"] == hashlib.sha256(payload).hexdigest():
                del wanted[event_id]
    for event_id, leaf in wanted.items():
        if not said.excuses(leaf):
            report.found(
                said.owners[event_id][0], "its sealed content is missing or changed, and nothing recorded says why"
            )


def _bytes_of(path: Path) -> bytes:
    """Return a file, or nothing where it has just been removed."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _frames(data: bytes) -> Iterator[bytes]:
    at = data.find(b"SLF1")
    while 0 <= at <= len(data) - _FRAME.size:
        _, length, crc = _FRAME.unpack_from(data, at)
        payload = data[at + _FRAME.size : at + _FRAME.size + length]
        whole = len(payload) == length and zlib.crc32(payload) == crc
        if whole:
            yield payload
        at = data.find(b"SLF1", at + (_FRAME.size + length if whole else 1))


def _event_of(payload: bytes) -> str | None:
    with contextlib.suppress(struct.error, ValueError, TypeError, IndexError):
        length, _ = _LENGTHS.unpack_from(payload)
        return str(json.loads(payload[_LENGTHS.size : _LENGTHS.size + length])[0])
    return None
