"""Proofs that single records stand in the signed tree, and that sealed content is what was recorded."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from metrics.proof.signer import Signer
from metrics.proof.store import TreeStore
from metrics.record.commitments import commitment
from metrics.record.content import ContentGoneError, unseal
from metrics.record.frames import scan
from metrics.record.keystore import KeyStore


class NotProvableError(LookupError):
    """There is no such record, or it is not under a checkpoint yet; the sentence says which."""


@dataclass(frozen=True, slots=True)
class Proof:
    """That a leaf stands at `index` of the tree which `checkpoint` (a signed note) is about. `proof` is base64."""

    leaf: str
    index: int
    proof: tuple[str, ...]
    checkpoint: str
    key: str

    def to_json(self) -> dict[str, Any]:
        """Return it as the verifier reads it."""
        return asdict(self)


def prove(data: Path, event_id: str, signer: Signer) -> Proof:
    """Prove that an event stands in the tree of the last checkpoint. Raises `NotProvableError`, `BadNoteError`."""
    store = TreeStore(data / "audit", read_only=True)
    *_, note = ["", *store.notes()]
    if not note:
        raise NotProvableError("there is no checkpoint yet: the first is signed within thirty seconds")
    checkpoint = signer.key.open(note)
    wanted = b'"id":%b,' % orjson.dumps(event_id)
    for index, line in enumerate(store.leaves()):
        if wanted in line:
            if index >= checkpoint.size:
                raise NotProvableError("its checkpoint is not signed yet: that happens within thirty seconds")
            parts = tuple(base64.b64encode(part).decode() for part in store.inclusion(index, checkpoint.size))
            return Proof(line.decode(), index, parts, checkpoint.note, signer.key.text())
    raise NotProvableError("there is no such record in the audit tree")


def content_problems(data: Path, keystore: KeyStore) -> Iterator[tuple[int, str]]:
    """Open every sealed frame that can still be opened and compare its fields with the commitments in its leaf."""
    leaves = {
        leaf["id"]: leaf
        for leaf in map(orjson.loads, TreeStore(data / "audit", read_only=True).leaves())
        if "c" in leaf
    }
    for path in sorted((data / "journal" / "content").glob("*/*.frames")):
        for found in scan(path.read_bytes(), final=False):
            try:
                opened = unseal(found.payload or b"", keystore)
            except ContentGoneError:
                continue  # erased or expired, or damaged: the offline check looks at the frames themselves
            leaf = leaves.get(opened.header.event_id)
            if leaf and leaf["c"] != {name: commitment(opened, name) for name in opened.fields}:
                yield leaf["seq"], "its sealed content is not what was committed to"
