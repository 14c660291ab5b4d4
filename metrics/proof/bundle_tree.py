"""How the rows of a bundle stand in the signed tree: their leaves, and one hash for each stretch between them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from metrics.proof.store import HASH_BYTES, TreeStore
from metrics.proof.tree import node_hash

NODE: Final = struct.Struct(">QQ32s")  # first leaf (from 0), how many leaves, the subtree's hash
_SMALL: Final = 256
_LEAVES_PER_FILE: Final = 50_000


def write_leaves(store: TreeStore, seqs: Sequence[int], folder: Path) -> None:
    """Write the leaves of the records `seqs`, which rise."""
    folder.mkdir(exist_ok=True)
    lines = store.some_leaves(seqs)
    for number, first in enumerate(range(0, len(seqs), _LEAVES_PER_FILE), 1):
        with (folder / f"{number:05d}.jsonl").open("wb") as file:
            file.writelines(line + b"\n" for line in islice(lines, min(_LEAVES_PER_FILE, len(seqs) - first)))


def write_tree(store: TreeStore, seqs: Sequence[int], size: int, tree: Path) -> None:
    """Write the hashes that, with the leaves of the records `seqs`, make the tree of `size` leaves."""
    if not size:
        tree.write_bytes(b"")
        return
    with tree.open("wb") as file, (store.folder / "hashes" / "00.bin").open("rb", 1 << 16) as hashes:
        for start, width in subtrees(seqs, size):
            file.write(NODE.pack(start, width, _hash(store, hashes, start, width)))


def subtrees(seqs: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """Yield, as (start, width), the largest full subtrees that hold none of the records."""
    at = 0
    for end in (*(seq - 1 for seq in seqs), size):
        while at < end:
            widest = 1 << ((end - at).bit_length() - 1)
            width = min(at & -at, widest) if at else widest
            yield at, width
            at += width
        at = end + 1


def _hash(store: TreeStore, hashes: BinaryIO, start: int, width: int) -> bytes:
    if width >= _SMALL:
        return store.subtree(start, width)
    hashes.seek(start * HASH_BYTES)  # forward only, mostly within what is buffered
    data = hashes.read(width * HASH_BYTES)
    row = [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]
