"""Length-prefixed, checksummed frames, and how to find the next whole one after damage."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MAGIC = b"SLF1"
HEAD = struct.Struct(">4sII")
MAX_PAYLOAD = 256 << 20


def frame(payload: bytes) -> bytes:
    """Wrap a payload for a content segment."""
    return HEAD.pack(MAGIC, len(payload), zlib.crc32(payload)) + payload


class Found(NamedTuple):
    """A stretch of a content segment: a whole frame, or damaged bytes (`payload` is None)."""

    start: int
    end: int
    payload: bytes | None


def scan(data: bytes, final: bool, offset: int = 0) -> Iterator[Found]:
    """Yield the frames of a piece of a segment that starts at an offset, and the damaged stretches between them.

    An unfinished frame at the end is left out, or given as damage when `final` says that nothing will follow.
    """
    at = 0
    while at < len(data):
        end = _whole(data, at)
        if end > 0:
            yield Found(offset + at, offset + end, data[at + HEAD.size : end])
        elif end == 0 and not final:
            return
        else:
            end = _next_whole(data, at + 1, final)
            yield Found(offset + at, offset + end, None)
        at = end


def _whole(data: bytes, at: int) -> int:
    """Return the end of the frame that starts here; 0 when it is not all there yet; -1 when it is none."""
    if len(data) - at < HEAD.size:
        return 0 if MAGIC.startswith(data[at : at + 4]) else -1
    magic, length, crc = HEAD.unpack_from(data, at)
    if magic != MAGIC or length > MAX_PAYLOAD:
        return -1
    start = at + HEAD.size
    if len(data) < start + length:
        return 0
    return start + length if zlib.crc32(memoryview(data)[start : start + length]) == crc else -1


def _next_whole(data: bytes, at: int, final: bool) -> int:
    while (at := data.find(MAGIC, at)) >= 0:
        end = _whole(data, at)
        if end > 0 or (end == 0 and not final):
            return at
        at += 1
    return len(data)
