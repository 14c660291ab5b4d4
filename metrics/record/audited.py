"""Hands every numbered record to the audit tree once its sealed content has been seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from metrics.record.commitments import Sealed, frame_hash, sealed
from metrics.record.content import ContentGoneError, Keys, read_header, unseal
from metrics.record.keystore import KeyStore
from metrics.record.ledger import Ledger
from metrics.record.order import Entry, OrderFile
from metrics.record.reader import read_frame

_HEAD = b'{"event_id":"'
_FACTS_KEPT = 100_000  # content whose record never came: its writer died in between


Named = tuple[str, str]  # what a leaf says of a line: its event's id, and its hash


@dataclass(frozen=True, slots=True)
class Numbered:
    """A stretch that has its numbers, and its lines if they were read just now."""

    entry: Entry
    lines: Sequence[Named] | None = None


def named(line: bytes) -> Named:
    """Return what a leaf says of a line."""
    event_id = line[len(_HEAD) : line.index(b'"', len(_HEAD))].decode() if line.startswith(_HEAD) else ""
    return event_id, sha256(line).hexdigest()


class Audit(Protocol):
    """The audit tree, as the recorder uses it. Everything may raise `OSError`."""

    @property
    def size(self) -> int:
        """How many records it holds."""
        ...

    def take(self, numbered: Numbered, contents: Callable[[Sequence[str]], Mapping[str, Sealed]]) -> None:
        """Add records; those it holds are passed over."""
        ...

    def leaf(self, seq: int) -> Mapping[str, Any] | None:
        """Return the leaf of a record, if it has one yet; any thread may ask."""
        ...

    def tick(self) -> None:
        """Do what time asks for."""
        ...

    def close(self) -> None:
        """Finish."""
        ...

    def status(self) -> dict[str, Any]:
        """Describe it for `/status`."""
        ...


class NoAudit:
    """A recorder without an audit tree: it makes the ledger again and ends."""

    size = 0

    def take(self, numbered: Numbered, contents: Callable[[Sequence[str]], Mapping[str, Sealed]]) -> None:
        """Leave them."""

    def leaf(self, seq: int) -> None:
        """Say that there is none."""

    def tick(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def status(self) -> dict[str, Any]:
        """Say that there is none."""
        return {}


class Facts:
    """What was seen of sealed content and is not in the tree yet."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Sealed] = OrderedDict()

    def saw(self, event_id: str, seen: Sealed) -> None:
        """Remember what a frame holds."""
        self._known[event_id] = seen
        if len(self._known) > _FACTS_KEPT:
            self._known.popitem(last=False)

    def of(self, ids: Sequence[str]) -> dict[str, Sealed]:
        """Return and forget what is known of these events."""
        pop = self._known.pop
        return {event_id: found for event_id in ids if (found := pop(event_id, None))}


class Feed:
    """One life of an open ledger: first what the tree missed, then what each step numbered."""

    def __init__(self, audit: Audit, order: OrderFile, journal: Path, keystore: KeyStore) -> None:
        self._audit, self._journal, self._keystore = audit, journal, keystore
        self._missed = map(Numbered, order.entries(after=audit.size))
        self._live_from = order.last_seq + 1

    def give(self, ripe: Iterable[Numbered], facts: Facts, ledger: Ledger) -> None:
        """Add what was numbered and whose content was seen, so that each leaf is whole."""
        for numbered in chain(self._missed, ripe):
            if numbered.entry.seq < self._live_from:
                self._audit.take(numbered, lambda ids: self._again(ids, ledger) | facts.of(ids))
            else:
                self._audit.take(numbered, facts.of)
        self._audit.tick()

    def _again(self, ids: Sequence[str], ledger: Ledger) -> dict[str, Sealed]:
        """Read the frames of records that were numbered in an earlier life."""
        found = {}
        for event_id, segment, start in ledger.contents_of(ids):
            payload = read_frame(self._journal, segment, start)
            if payload:
                found[event_id] = commit(payload, self._keystore)
        return found


def commit(payload: bytes, keystore: Keys) -> Sealed:
    """Commit to a frame; to its fields only while its keys are there."""
    try:
        return sealed(payload, unseal(payload, keystore))
    except ContentGoneError:
        return Sealed(frame_hash(payload), key=_key_of(payload))


def _key_of(payload: bytes) -> str:
    try:
        return read_header(payload).day_key_id
    except ContentGoneError:
        return ""
