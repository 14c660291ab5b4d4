"""Takes single records out of packed segments: a line of the same length stands in, so no other line moves."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from metrics.record.events import Event, encode
from metrics.record.fileops import sync_folder

KIND = "gone"


def remove_lines(journal: Path, segment: str, starts: Iterable[int]) -> bool:
    """Replace the lines that begin at these places, unpacked; tell whether the segment was packed, so that it could be.

    Idempotent. Raises `OSError`.
    """
    packed = journal / f"{segment}.gz"
    if not packed.exists():
        return False
    data = bytearray(gzip.decompress(packed.read_bytes()))
    for start in starts:
        end = data.index(b"\n", start) + 1
        data[start:end] = _stand_in(end - start)
    hidden = packed.with_name(f".{packed.name}.new")
    with hidden.open("wb") as target:
        with gzip.GzipFile(filename="", fileobj=target, mode="wb", mtime=0) as archive:
            archive.write(data)
        target.flush()
        os.fsync(target.fileno())
    hidden.rename(packed)
    sync_folder(packed.parent)
    return True


def _stand_in(length: int) -> bytes:
    """Make a line of this length that says nothing; any event's line is longer than the shortest."""
    shortest = len(encode(Event(KIND, KIND, 0, "", body={"of": ""})))
    return encode(Event(KIND, KIND, 0, "", body={"of": "." * (length - shortest)}))


def ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Write sorted numbers as stretches, both ends included."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
