"""The tree on disk: leaves as lines, their hashes, and the hashes of every full subtree of 256 and 65,536 leaves.

`leaves/FIRST.jsonl` holds 65,536 leaves a file and is the truth; `hashes/LEVEL.bin` is made from it (32 bytes each),
so that a proof reads some hundred hashes however large the tree is. `checkpoints/DAY.jsonl` holds the signed notes.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from metrics.proof.tree import Frontier, leaf_hash, node_hash
from metrics.record.fileops import make_folder, sync_data, sync_file, sync_folder

HASH_BYTES = 32
FILE_LEAVES = 1 << 16
_LEVELS = (0, 8, 16, 24)


class TreeStore:
    """Append-only. One process writes; others may read what a checkpoint covers."""

    def __init__(self, folder: Path, read_only: bool = False) -> None:
        self.folder = folder
        self._torn = False  # a write failed: what it left is cut off before the next
        if read_only:
            self.size = _hashes(self._hash_file(0))
            return
        for name in ("leaves", "hashes", "checkpoints"):
            make_folder(folder / name)
        self.size = _whole_leaves(folder / "leaves")
        self._mend_checkpoints()

    def append(self, leaves: Sequence[dict[str, Any]]) -> None:
        """Add leaves; not durable before `sync`."""
        self._heal()
        leaves, at = [leaf for leaf in leaves if leaf["seq"] > self.size], 0
        self._torn = True
        while at < len(leaves):
            room = FILE_LEAVES - self.size % FILE_LEAVES
            self._write(leaves[at : at + room])
            at += room
        self._torn = False

    def sync(self) -> None:
        """Make all leaves durable."""
        self._heal()
        for path in (self._leaf_file(max(self.size - 1, 0)), *(self._hash_file(level) for level in _LEVELS)):
            if path.exists():
                sync_file(path)
        sync_folder(self.folder / "leaves")

    def leaf(self, index: int) -> bytes:
        """Return a leaf's line, without its end. Raises `IndexError`."""
        if not 0 <= index < self.size:
            raise IndexError(f"the tree has {self.size} leaves")
        with self._leaf_file(index).open("rb") as file:
            for _ in range(index % FILE_LEAVES):
                file.readline()
            return file.readline()[:-1]

    def leaves(self) -> Iterator[bytes]:
        """Yield the lines of all leaves."""
        for path in sorted((self.folder / "leaves").glob("*.jsonl")):
            with path.open("rb") as file:
                yield from (line[:-1] for line in file)

    def some_leaves(self, seqs: Sequence[int]) -> Iterator[bytes]:
        """Yield the lines of the leaves with these numbers, which rise."""
        lines: Iterator[bytes] = iter(())
        at, first = 0, -1
        for seq in seqs:
            if first != (seq - 1) // FILE_LEAVES:
                first = (seq - 1) // FILE_LEAVES
                lines, at = iter(self._leaf_file(seq - 1).read_bytes().split(b"\n")), first * FILE_LEAVES
            line = next(itertools.islice(lines, seq - 1 - at, None), b"")
            if not line:
                raise IndexError(f"there is no leaf {seq}")
            yield line
            at = seq

    def subtree(self, start: int, width: int) -> bytes:
        """Return the hash of a full subtree; `width` is a power of two, `start` a multiple of it."""
        return self._range(start, start + width)

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` leaves."""
        return self._range(0, size) if size else Frontier().root()

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the proof that a leaf is in the tree of `size` leaves (RFC 9162, 2.1.3.1)."""
        return self._path(index, 0, size)

    def add_checkpoint(self, note: str, day: str) -> None:
        """Append a signed note, durably."""
        path = self.folder / "checkpoints" / f"{day}.jsonl"
        newest = max([path, *(self.folder / "checkpoints").glob("*.jsonl")])  # a clock that went back changes no order
        with newest.open("ab") as file:
            file.write(orjson.dumps({"note": note}) + b"\n")
            file.flush()
            sync_data(file.fileno())
        sync_folder(newest.parent)

    def notes(self) -> Iterator[str]:
        """Yield the signed notes, oldest first."""
        for path in sorted((self.folder / "checkpoints").glob("*.jsonl")):
            for line in path.read_bytes().split(b"\n")[:-1]:
                yield orjson.loads(line)["note"]

    def _heal(self) -> None:
        """Cut off what a write left that failed halfway, and take up leaves that came to stand whole."""
        if self._torn:
            hashed, self.size = self.size, _whole_leaves(self.folder / "leaves")
            self.mend(min(hashed, self.size))
            self._torn = False

    def _write(self, leaves: Sequence[dict[str, Any]]) -> None:
        lines = [orjson.dumps(leaf) for leaf in leaves]
        with self._leaf_file(self.size).open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        self._hash(lines)

    def _hash(self, lines: Sequence[bytes]) -> None:
        with self._hash_file(0).open("ab") as file:
            file.write(b"".join(leaf_hash(line) for line in lines))
        self.size += len(lines)
        self._raise_levels()

    def _raise_levels(self) -> None:
        """Write the hashes of subtrees that became full."""
        for below, level in itertools.pairwise(_LEVELS):
            path = self._hash_file(level)
            done, full = _hashes(path), self.size >> level
            if done < full:
                with path.open("ab") as file:
                    file.write(b"".join(self._fold(below, index) for index in range(done, full)))

    def _fold(self, below: int, index: int) -> bytes:
        """Hash the 256 stored subtrees of level `below` that make one of the next stored level."""
        data = _read(self._hash_file(below), index << 8, 256)
        row = [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
        while len(row) > 1:
            row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
        return row[0]

    def _range(self, start: int, end: int) -> bytes:
        """Hash the leaves [start, end); `start` is a multiple of the largest power of two below the length."""
        width = end - start
        if width & (width - 1) == 0 and start % width == 0:
            level = width.bit_length() - 1
            stored = max(each for each in _LEVELS if each <= level)
            if stored == level:
                return _read(self._hash_file(level), start >> level, 1)
        split = start + _split(width)
        return node_hash(self._range(start, split), self._range(split, end))

    def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        split = start + _split(end - start)
        if index < split:
            return [*self._path(index, start, split), self._range(split, end)]
        return [*self._path(index, split, end), self._range(start, split)]

    def mend(self, synced: int) -> None:
        """Make the hashes of all leaves after the first `synced` again: a crash may have left them half written."""
        for level in _LEVELS:
            path = self._hash_file(level)
            if path.exists():
                os.truncate(path, min(_hashes(path), min(synced, self.size) >> level) * HASH_BYTES)
        size, self.size = self.size, _hashes(self._hash_file(0))
        while self.size < size:
            room = FILE_LEAVES - self.size % FILE_LEAVES
            lines = self._leaf_file(self.size).read_bytes().split(b"\n")[self.size % FILE_LEAVES :]
            self._hash(lines[: min(room, size - self.size)])
        self._raise_levels()

    def _mend_checkpoints(self) -> None:
        for path in sorted((self.folder / "checkpoints").glob("*.jsonl"))[-1:]:
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)

    def _leaf_file(self, index: int) -> Path:
        return self.folder / "leaves" / f"{index // FILE_LEAVES * FILE_LEAVES + 1:012d}.jsonl"

    def _hash_file(self, level: int) -> Path:
        return self.folder / "hashes" / f"{level:02d}.bin"


def _whole_leaves(folder: Path) -> int:
    """Cut off what a crash left unfinished; return how many leaves stand."""
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        return 0
    first = int(files[-1].stem)
    good = count = 0
    for line in files[-1].read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n") or not _is_leaf(line, first + count):
            break
        good, count = good + len(line), count + 1
    os.truncate(files[-1], good)
    return first - 1 + count


def _is_leaf(line: bytes, seq: int) -> bool:
    try:
        return bool(orjson.loads(line)["seq"] == seq)
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False


def _split(width: int) -> int:
    return 1 << ((width - 1).bit_length() - 1)


def _hashes(path: Path) -> int:
    return path.stat().st_size // HASH_BYTES if path.exists() else 0


def _read(path: Path, first: int, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(first * HASH_BYTES)
        return file.read(count * HASH_BYTES)
