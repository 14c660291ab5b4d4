"""Overwrites single frames of content segments where they stand, so that every other frame keeps its place."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from metrics.record.content import ContentGoneError, FrameHeader, header_bytes, read_header
from metrics.record.fileops import sync_data
from metrics.record.frames import HEAD, MAGIC, frame

Wanted = Callable[[FrameHeader], bool]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the payload of a frame stands, and what its header says; no header: it was overwritten before."""

    start: int
    sealed: int
    end: int
    header: FrameHeader | None


def blank(journal: Path, day: str, wanted: Wanted) -> list[str]:
    """Overwrite the wanted frames of one day; return the ids of their events. Raises `OSError`.

    What a crash leaves half done is found again: the header goes last.
    """
    done: list[str] = []
    for path in sorted((journal / "content" / day).glob("*.frames")):
        data = path.read_bytes()
        gone = [place for place in places(data) if place.header and wanted(place.header)]
        if gone:
            _overwrite(path, gone)
            done.extend(place.header.event_id for place in gone if place.header)
    return done


def blank_events(journal: Path, since: str, event_ids: frozenset[str]) -> int:
    """Overwrite the frames of records that stand in the content of a day or later; return how many frames.

    The last day in which one is found is followed by one more: a record whose commit was tried again has two frames.
    """
    left, done = set(event_ids), 0
    for folder in sorted((journal / "content").glob("????-??-??")) if event_ids else ():
        if folder.name < since:
            continue
        over = not left
        found = blank(journal, folder.name, lambda head: head.event_id in event_ids)
        left.difference_update(found)
        done += len(found)
        if over:
            break
    return done


def places(data: bytes) -> Iterator[Place]:
    """Find the frames of a segment by their heads alone: one that was overwritten in part has a wrong checksum."""
    at = data.find(MAGIC)
    while 0 <= at <= len(data) - HEAD.size:
        _, length, _ = HEAD.unpack_from(data, at)
        start, end = at + HEAD.size, at + HEAD.size + length
        place = _place(start, end, data[start:end]) if end <= len(data) else None
        if place:
            yield place
        at = data.find(MAGIC, end if place else at + 1)


def _place(start: int, end: int, payload: bytes) -> Place | None:
    try:
        return Place(start, start + header_bytes(payload), end, read_header(payload))
    except (ContentGoneError, struct.error):
        return None if any(payload) else Place(start, start, end, None)


def _overwrite(path: Path, gone: list[Place]) -> None:
    """First what is sealed, then the header with a checksum that fits, each made durable."""
    fd = os.open(path, os.O_RDWR)
    try:
        for place in gone:
            os.pwrite(fd, bytes(place.end - place.sealed), place.sealed)
        sync_data(fd)
        for place in gone:
            os.pwrite(fd, frame(bytes(place.end - place.start)), place.start - HEAD.size)
        sync_data(fd)
    finally:
        os.close(fd)
