"""Compare the journal, line by line and frame by frame, with the leaves that were made of it."""

import contextlib
import gzip
import hashlib
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
_MOST = 1 << 60
_LONGEST = 1 << 32  # bytes of an entry


@dataclass
class Said:
    """What the journal's own records say about content that may be gone."""

    gone_before: dict[tuple[str, str], str] = field(default_factory=dict)  # (family, tenant) -> first day kept
    erased: set[str] = field(default_factory=set)  # references of subjects, ids of single records
    owners: dict[str, tuple[int, str, str | None, str]] = field(default_factory=dict)  # id -> seq, tenant, subject, day

    def note(self, seq: int, event: dict[str, Any], day: str) -> None:
        """Remember what an event says."""
        body = event.get("body") or {}
        self.owners[event["event_id"]] = (seq, event.get("tenant", ""), event.get("subject_ref"), day)
        if event.get("kind") == "erasure":
            self.erased.update(body.get("subject_refs", ()), body.get("event_ids", ()))
        elif event.get("kind") == "retention.run":
            for family, tenant, before in body.get("dropped", ()):
                place = (family, tenant)
                self.gone_before[place] = max(before, self.gone_before.get(place, ""))

    def excuses(self, event_id: str) -> bool:
        """Say whether a record of the tree explains that this event's content is gone."""
        _, tenant, subject, day = self.owners[event_id]
        return bool(self.erased & {subject, event_id}) or day < self.gone_before.get(("content", tenant), "")


def check_journal(journal: Path, leaves: list[dict[str, Any]], report: Report) -> None:
    """Compare every line of the journal, and every sealed frame, with the leaf made of it."""
    said = Said()
    missing: dict[str, tuple[int, int]] = {}
    next_seq, segments = 1, _Segments(journal)
    for seq, count, segment, start, end, skipped in _entries(journal, report):
        if seq != next_seq:
            report.found(next_seq, "its place in the order file is missing or moved")
        next_seq = seq + count
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
            _check_line(at, line, leaves, said, segment.split("/")[1], report)
    segments.close()
    for segment, (first, last) in missing.items():
        day = segment.split("/")[1]
        if last >= first and day >= said.gone_before.get(("meta", ""), ""):
            report.found(first, f"the segment {segment} with records up to {last} is missing")
    if next_seq <= len(leaves):
        report.found(next_seq, "the order file ends before it")
    _check_frames(journal, leaves, said, report)


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
    if path.exists():
        return path.open("rb")
    return gzip.open(path.with_name(path.name + ".gz"), "rb")


def _check_line(seq: int, line: bytes, leaves: list[dict[str, Any]], said: Said, day: str, report: Report) -> None:
    if seq > len(leaves):
        return  # the tree has not come so far yet
    leaf = leaves[seq - 1]
    if leaf.get("line") != hashlib.sha256(line).hexdigest():
        report.found(seq, "its line in the journal is not what was recorded")
        return
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return
    if not isinstance(event, dict) or event.get("event_id") != leaf.get("id"):
        report.found(seq, "its leaf names another event")
    try:
        said.note(seq, event, day)
    except (ValueError, KeyError, TypeError, AttributeError):
        report.found(seq, "what it says cannot be read")


def _check_frames(journal: Path, leaves: list[dict[str, Any]], said: Said, report: Report) -> None:
    wanted = {leaf["id"]: leaf["frame"] for leaf in leaves if "frame" in leaf and str(leaf.get("id")) in said.owners}
    for path in sorted((journal / "content").glob("*/*.frames")) if wanted else ():
        for payload in _frames(path.read_bytes()):
            event_id = _event_of(payload)
            if event_id in wanted and wanted[event_id] == hashlib.sha256(payload).hexdigest():
                del wanted[event_id]
    for event_id in wanted:
        if not said.excuses(event_id):
            report.found(
                said.owners[event_id][0], "its sealed content is missing or changed, and nothing recorded says why"
            )


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
