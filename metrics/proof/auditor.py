"""Grows the audit tree over the order file, and signs it every thousand records or thirty seconds, and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from metrics.proof.anchor import Anchorage
from metrics.proof.notes import Checkpoint
from metrics.proof.signer import Signer
from metrics.proof.store import TreeStore
from metrics.record.audited import Named, Numbered, named
from metrics.record.commitments import Sealed
from metrics.record.ids import Clock
from metrics.record.order import Entry
from metrics.record.reader import OpenSegments, entry_lines
from metrics.record.segments import day_of

EVERY_RECORDS = 1000
EVERY_US = 30_000_000


Contents = Callable[[Sequence[str]], Mapping[str, Sealed]]  # event ids -> those that have content


class Auditor:
    """One thread's. `latest` is the last checkpoint; `problem` says why nothing is signed any more."""

    def __init__(self, data: Path, signer: Signer, clock: Clock, anchors: Anchorage | None = None) -> None:
        self._store, self._signer, self._clock = TreeStore(data / "audit"), signer, clock
        self._segments = OpenSegments(data / "journal", kept=8)
        self._anchors = anchors or Anchorage((), clock)
        self.problem: str | None = None
        self.latest = self._last_checkpoint()
        self._store.mend(self.sealed)
        self._unsealed_since: int | None = None
        self._check()
        self._anchors.offer(self.latest)

    @property
    def size(self) -> int:
        """How many records have a leaf."""
        return self._store.size

    @property
    def sealed(self) -> int:
        """How many records are under the last checkpoint."""
        return self.latest.size if self.latest else 0

    def take(self, numbered: Numbered, contents: Contents) -> None:
        """Make leaves of what was numbered; what has its leaves is passed over. Raises `OSError`."""
        entry = numbered.entry
        if entry.last < self.size + 1 or not entry.count:
            return
        lines = self._read(entry) if numbered.lines is None else numbered.lines
        self._store.append(list(self._leaves(lines[max(self.size + 1 - entry.seq, 0) :], contents)))
        self._unsealed_since = self._unsealed_since or self._clock()
        if self.size - self.sealed >= EVERY_RECORDS:
            self.seal()

    def leaf(self, seq: int) -> dict[str, Any] | None:
        """Return the leaf of a record, if it has one yet. Raises `OSError`."""
        found: dict[str, Any] | None = orjson.loads(self._store.leaf(seq - 1)) if 0 < seq <= self.size else None
        return found

    def tick(self) -> None:
        """Sign when it is time: the first records at once; a clock set back says nothing about how long it has been."""
        since = self._unsealed_since
        if since is not None and (self.latest is None or not 0 <= self._clock() - since < EVERY_US):
            self.seal()

    def seal(self) -> None:
        """Sign what has come since the last checkpoint; nothing when that is nothing. Raises `OSError`."""
        if self.size == self.sealed or self.problem:
            return
        self._store.sync()
        now_us = self._clock()
        checkpoint = self._signer.sign(self.size, self._store.root(self.size), self.latest, now_us)
        self._store.add_checkpoint(checkpoint.note, day_of(now_us))
        self.latest, self._unsealed_since = checkpoint, None
        self._anchors.offer(checkpoint)

    def close(self) -> None:
        """Sign a last time and let go of the files."""
        try:
            self.seal()
        finally:
            self._segments.close()
            self._anchors.close()

    def status(self) -> dict[str, Any]:
        """Describe the tree: records in it, records signed for, when, and how far each anchor is."""
        return {
            "records": self.size,
            "signed": self.sealed,
            "signed_at": self.latest.time if self.latest else None,
            "checkpoint": self.latest.note if self.latest else None,
            "key": self._signer.key.text(),
            "problem": self.problem,
            "anchors": {name: asdict(state) for name, state in self._anchors.state.items()},
        }

    def _read(self, entry: Entry) -> list[Named]:
        return [named(line) for _, line in entry_lines(self._segments, entry) if line.endswith(b"\n")]

    def _leaves(self, lines: Sequence[Named], contents: Contents) -> Iterator[dict[str, Any]]:
        known = contents([event_id for event_id, _ in lines])
        for seq, (event_id, line) in enumerate(lines, self.size + 1):
            leaf: dict[str, Any] = {"seq": seq, "id": event_id, "line": line}
            if found := known.get(event_id):
                leaf["frame"], leaf["c"], leaf["key"] = found.frame, dict(found.commitments), found.key
            yield leaf

    def _last_checkpoint(self) -> Checkpoint | None:
        try:
            *_, note = ["", *self._store.notes()]
            return self._signer.key.open(note) if note else None
        except (ValueError, KeyError, TypeError) as problem:
            self.problem = f"the last checkpoint is not ours: {problem}"
            return None

    def _check(self) -> None:
        """Refuse to sign upon a tree that is not what was signed before."""
        if self.latest is None:
            return
        if self.size < self.sealed:
            self.problem = f"{self.sealed} records were signed, and only {self.size} leaves are there"
        elif self._store.root(self.sealed) != self.latest.root:
            self.problem = "the leaves are not those that the last checkpoint was signed for"
